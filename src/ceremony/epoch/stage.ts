import type { LogView } from '../../audit/disk-log.ts'
import type { Hash } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Secret } from '../../lib/secret.ts'
import { accessIn } from '../../records/access.ts'
import { ceremonyId, type Definition, recordKind } from '../../records/definition.ts'
import { type Outcome, outcomeCodec } from '../../records/outcome.ts'
import type { ShardCore } from '../../records/sealed-shard.ts'
import { sealShard } from '../../shards/seal.ts'
import type { ShardStore } from '../../shards/store.ts'
import { recordBlame } from '../blame/claims.ts'
import { hedged } from '../hedge.ts'
import { BlameError } from '../session/endings.ts'
import type { Session } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { HeldAttempt } from '../store/record-store.ts'
import { awaitAll } from './await-all.ts'
import { keyOf } from './epoch-outcome.ts'
import { keysOf } from './own-keys.ts'

/**
 * Removes every shard that this ceremony staged here, or sealed anew and never used, `but` that of one outcome. The caller knows that no vote was given
 * for any that goes.
 */
export const dropStaged = async (
  shards: ShardStore,
  log: LogView,
  definition: Definition,
  but?: Hash,
): Promise<void> => {
  for (const { what, object, ceremony } of log.replay()) {
    const bytes = what === 'outcome' && object !== null && object !== but ? log.body(object) : undefined
    // A log also names the outcome of the epoch that its ceremony uses or replaces.
    if (bytes === undefined || outcomeCodec.decode(bytes).ceremony !== ceremony) continue
    await shards.dropStaged(keyOf(definition, hashOf(bytes)), hashOf(bytes))
  }
  if ('witnesses' in definition) await shards.dropRewrap(definition.key, ceremonyId(definition))
}

/** True where this site staged a shard in this ceremony: it may still be voted for. */
export const hasStaged = (ceremony: Ceremony): boolean =>
  [...ceremony.events('staged'), ...ceremony.events('rewrapped')].some(({ site }) => site === ceremony.seat.name)

/**
 * Seals the share, makes it durable, and opens it again from disk through each KMS key: that copy is what proves and signs.
 * The caller wipes the share that it gave.
 */
export const stage = async (
  ceremony: Ceremony,
  outcome: Outcome,
  share: Secret,
  supersedes: readonly Hash[],
): Promise<{ share: Secret; envelope: Hash }> => {
  const { site, seat, authority } = ceremony
  const { definition } = authority
  const epoch = recordKind(definition).epoch(definition)
  if (epoch === null) throw new TypeError('a kind that makes no epoch stages nothing')
  const bytes = outcomeCodec.encode(outcome)
  const hash = hashOf(bytes)
  const key = keyOf(definition, hash)
  ceremony.note('outcome', bytes)
  // Durable before the shard is: a shard that no log knows would lie there for ever.
  await ceremony.log.barrier()
  const keys = await keysOf(site, seat.entry.kms)
  const verifyingShare = outcome.verifyingShares[seat.index - 1] as string
  const sealed = await sealShard({
    core: {
      // Its codec takes the kinds that make an epoch alone.
      kind: definition.kind as ShardCore['kind'],
      key,
      protocol: outcome.protocol,
      epoch,
      index: seat.index,
      threshold: outcome.threshold,
      sites: authority.receivers.length,
      verifyingShare,
      outcome: hash,
      jurisdiction: seat.entry.jurisdiction,
      access: accessIn(seat.entry),
    },
    share,
    keys,
    random: hedged(ceremony.site, hash, 'sealing'),
  })
  await site.shards.stage(sealed, outcome, supersedes)
  const envelope = (await site.shards.read(key, hash))?.envelope
  if (envelope === undefined)
    throw new QuorateError(
      'E_DISK',
      'the sealed shard is not there after it was written',
      'check this machine’s disk, then run join again',
    )
  const reopened = await site.shards.reopen(key, hash, envelope, keys, 'all')
  const { attempt } = outcome
  try {
    await ceremony.publish('staged', {
      ceremony: authority.hash,
      attempt,
      site: seat.name,
      index: seat.index,
      outcome: hash,
      envelope,
    })
  } catch (error) {
    reopened.wipe()
    throw error
  }
  return { share: reopened, envelope }
}

/** The envelopes of all receivers, in index order. `own`: this site's; undefined where it receives no share. */
export const everyStaged = async (
  ceremony: Ceremony,
  session: Session,
  attempt: HeldAttempt,
  outcome: Outcome,
  own: Hash | undefined,
): Promise<readonly Hash[]> => {
  const { store, authority, options, seat } = ceremony
  const total = authority.receivers.length
  const expected = hashOf(outcomeCodec.encode(outcome))
  const look = () => {
    const staged = store.staged.get(attempt.hash)
    const missing = authority.receivers
      .filter((member) => staged?.has(member.name) !== true)
      .map((member) => member.name)
    options.progress({ phase: 'step', step: 'staged', got: total - missing.length, total, waiting: missing })
    return missing.length === 0 ? staged : undefined
  }
  const staged = await awaitAll(ceremony, session, 'staged', look, () =>
    authority.receivers.filter((m) => store.staged.get(attempt.hash)?.has(m.name) !== true).map((m) => m.name),
  )
  // All honest sites hold the same messages, or one of them now holds the proof of who sent others.
  await session.agree()
  for (const { site, signed, envelope } of staged.values()) {
    if (signed.value.outcome === expected) continue
    const fault = { site, check: 'staged-outcome', records: [{ key: signed.key, envelope }] }
    throw new BlameError(recordBlame(ceremony, fault, session.received(site), attempt))
  }
  const envelopes = authority.receivers.map((member) => staged.get(member.name)?.signed.value.envelope as Hash)
  if (own !== undefined && envelopes[seat.index - 1] !== own) throw new Error('another envelope of this site')
  return envelopes
}
