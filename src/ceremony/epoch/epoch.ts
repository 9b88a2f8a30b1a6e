import type { LogView } from '../../audit/disk-log.ts'
import type { Hash } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Secret } from '../../lib/secret.ts'
import type { Mailbox, Rounds } from '../../mpc/mailbox.ts'
import { definitionCodec, recordKind } from '../../records/definition.ts'
import type { KmsSlot } from '../../records/definition-fields.ts'
import type { ReadmitDefinition } from '../../records/kinds/readmit.ts'
import type { ReconstructDefinition } from '../../records/kinds/reconstruct.ts'
import type { RefreshDefinition } from '../../records/kinds/refresh.ts'
import { rewrappedEntry } from '../../records/kinds/rewrap.ts'
import { type EpochRecord, type Outcome, outcomeCodec, recordCodec } from '../../records/outcome.ts'
import { destroyedShare } from '../../shards/damage.ts'
import { supersededIn } from '../../shards/rival.ts'
import { rewrapsInUse } from '../definition/rewraps.ts'
import type { Site } from '../ports.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { givenAway } from './given-away.ts'
import { keysOf } from './own-keys.ts'
import { readmissionsOf } from './readmissions.ts'
import { refuseSuspended } from './suspended.ts'

/** One epoch of a key: what made it, and its record. */
export interface Epoch {
  readonly key: Hash
  /** From 1; 0 where a log names the epoch and not its number. */
  readonly number: number
  readonly outcome: Outcome
  readonly record: EpochRecord
  readonly hash: Hash
  /** Ceremonies in which this site gave its share of this key to recipients of the whole key. */
  readonly reconstructed: readonly ReconstructDefinition[]
  /** Ceremonies in which a site of this key was taken back, as far as this home had a part in them. */
  readonly readmitted: readonly ReadmitDefinition[]
  /** KMS keys that this site's share lies under, where they are not those of its entry: until it is sealed anew. */
  readonly sealedUnder?: readonly KmsSlot[]
}

/** The newest epoch of a key, for its use. Throws as `heldEpoch` does, and E_NOT_ALLOWED where this site suspended the key. */
export const newestEpoch = async (site: Site, key: Hash): Promise<Epoch> => {
  refuseSuspended(site.ledger, key)
  return heldEpoch(site, key)
}

/**
 * The newest epoch of a key whose ready set this site can show. Throws E_NOT_FOUND; E_DISK where a file of this
 * key could not be read; E_SHARD where one is damaged, unless it is of an epoch that the newest is known to come after.
 */
export const heldEpoch = async (site: Site, key: Hash): Promise<Epoch> => {
  const { whole: held, damaged } = await site.shards.ofKey(key)
  const newest = held.filter(({ state }) => state === 'installed').at(-1)
  const older =
    newest === undefined || damaged.length === 0
      ? new Set<Hash>()
      : new Set([...(await outcomesBefore(site, newest.made)), ...(await outcomesSuperseded(site, key))])
  for (const { outcome, fault } of damaged) if (!older.has(outcome)) throw fault
  if (newest?.record !== undefined)
    return {
      ...epochOf(key, newest.core.epoch, { outcome: newest.made, record: newest.record }),
      reconstructed: (await givenAway(site, key)).map(({ definition }) => definition),
      readmitted: (await readmissionsOf(site, key)).map(({ definition }) => definition),
    }
  if (held.some(({ state }) => state === 'retired'))
    throw new QuorateError(
      'E_NOT_FOUND',
      'this site’s share of the key that the definition names was destroyed when others received new ones',
      'the sites that hold the key now go on without this one: plan with them',
    )
  throw new QuorateError(
    'E_NOT_FOUND',
    'this site holds no usable share of the key that the definition names',
    'look at `quorate keys list`; this site may have to finish the keygen first (keygen join)',
  )
}

type Logged = Pick<Epoch, 'outcome' | 'record'>

const epochOf = (key: Hash, number: number, { outcome, record }: Logged): Epoch => ({
  key,
  number,
  outcome,
  record,
  hash: hashOf(recordCodec.encode(record)),
  reconstructed: [],
  readmitted: [],
})

/** An epoch as a log names it, by the hash of its record: damage to the files of an epoch does not reach it. */
const loggedAt = (log: LogView, hash: Hash): Logged | undefined => {
  const record = log.body(hash)
  const decoded = record && recordCodec.decode(record)
  const outcome = decoded && log.body(decoded.outcome)
  return outcome && { record: decoded, outcome: outcomeCodec.decode(outcome) }
}

/** Outcomes of the epochs that this one has replaced, as far as the logs of the ceremonies in between show them. */
const outcomesBefore = async (site: Site, { ceremony, base }: Outcome): Promise<ReadonlySet<Hash>> => {
  const found = base === null ? undefined : loggedAt(await site.ceremonyLog(ceremony), base)
  return found === undefined
    ? new Set()
    : new Set([found.record.outcome, ...(await outcomesBefore(site, found.outcome))])
}

/** Outcomes of the records that one which this site has used supersedes, where it voted for them. */
const outcomesSuperseded = async ({ shards, ledger, ceremonyLog }: Site, key: Hash): Promise<readonly Hash[]> => {
  const records = supersededIn((await shards.ofKey(key)).whole)
  const found: Hash[] = []
  for (const { what, ceremony, object } of ledger.replay())
    if (what === 'ready' && ceremony !== null && object !== null && records.has(object))
      found.push(...[loggedAt(await ceremonyLog(ceremony), object)].flatMap((one) => one?.record.outcome ?? []))
  return found
}

/** The epoch that a ceremony replaces, as its own log names it: its share may be destroyed, and its files damaged. */
export const replacedEpoch = (
  log: LogView,
  { key, base, epoch }: Pick<RefreshDefinition, 'key' | 'base' | 'epoch'>,
): Epoch => {
  const logged = loggedAt(log, base)
  if (logged === undefined) throw new TypeError('a log that does not name the epoch which its ceremony replaces')
  return epochOf(key, epoch - 1, logged)
}

/** The epoch that a log names by its record: of a ceremony that made none itself, the one whose shares it used. */
export const epochInLog = (log: LogView, key: Hash, record: Hash): Epoch | undefined => {
  const logged = loggedAt(log, record)
  return logged && epochOf(key, 0, logged)
}

/** The envelope of this site's share of an epoch: that of the record, or of its newest rewrap. `place`: of its share, from 0. */
const ownEnvelope = async (site: Site, { hash, record }: Pick<Epoch, 'hash' | 'record'>, place: number) => {
  const own = (await rewrapsInUse(site, hash)).filter(
    ({ definition }) => rewrappedEntry(definition)?.identity === site.home.identity,
  )
  return own.at(-1)?.envelope ?? (record.envelopes[place] as Hash)
}

/** This site's share of an epoch, from disk through the KMS. The caller wipes it. Throws E_NOT_ALLOWED while the key is suspended. */
export const openShare = async ({ site, seat, authority }: Ceremony, epoch: Epoch): Promise<Secret> => {
  const { key, record, sealedUnder } = epoch
  refuseSuspended(site.ledger, key)
  const { definition } = authority
  const old = recordKind(definition).replaces(definition)
  const at = old === null ? seat.index - 1 : old.sites.indexOf(seat.name)
  const keys = await keysOf(site, sealedUnder ?? seat.entry.kms)
  return site.shards.reopen(key, record.outcome, await ownEnvelope(site, epoch, at), keys)
}

/**
 * Throws E_SHARD once this site has destroyed its share of an epoch, and E_NOT_ALLOWED once it suspended the key: a copy
 * that is still open here is used no more.
 */
export const refuseUnusable = async ({ shards, ledger }: Site, { key, record }: Epoch): Promise<void> => {
  refuseSuspended(ledger, key)
  if ((await shards.read(key, record.outcome))?.state === 'retired') throw destroyedShare()
}

/** A mailbox that says nothing more once this site may use its share of the epoch no longer. */
export const whileUsable = <R extends Rounds>(box: Mailbox<R>, site: Site, epoch: Epoch): Mailbox<R> => ({
  ...box,
  broadcast: async (...said) => {
    await refuseUnusable(site, epoch)
    return box.broadcast(...said)
  },
  scatter: async (...said) => {
    await refuseUnusable(site, epoch)
    return box.scatter(...said)
  },
  confirm: async (...said) => {
    await refuseUnusable(site, epoch)
    return box.confirm(...said)
  },
})

/**
 * Logs the outcome and record of the epoch that is used: an auditor can then read this log alone. And that the key is
 * whole elsewhere, or that a site of it was taken back, where this site had a part in that: whatever is made with it later
 * says so.
 */
export const noteEpoch = (ceremony: Ceremony, epoch: Epoch): void => {
  ceremony.note('outcome', outcomeCodec.encode(epoch.outcome))
  ceremony.note('record', recordCodec.encode(epoch.record))
  for (const definition of epoch.reconstructed) ceremony.note('reconstructed', definitionCodec.encode(definition))
  for (const definition of epoch.readmitted) ceremony.note('readmission', definitionCodec.encode(definition))
}
