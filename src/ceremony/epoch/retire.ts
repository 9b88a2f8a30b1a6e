import type { Hash } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { shortId } from '../../records/short-id.ts'
import type { StoredEpoch } from '../../shards/epochs.ts'
import { recordHashOf, supersededIn, topicOf } from '../../shards/rival.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { awaitEach } from './await-each.ts'
import type { Epoch } from './epoch.ts'

/** The record that came true; a site that receives no share of it has no files of it. */
interface CameTrue {
  readonly hash: Hash
  readonly outcome?: Hash
}

/**
 * Destroys this site's share of the epoch that was replaced, and all others that come before the new one: those of older
 * ones that a ceremony which nobody came back to has left, and those of records that were superseded. Then it says so.
 * Called once enough receipts are here: a quorum of honest sites can use the new epoch.
 */
export const retireBase = async (ceremony: Ceremony, made: CameTrue, base: Epoch): Promise<void> => {
  const { store, seat, authority } = ceremony
  const newest = await newestOf(ceremony, base.key, made)
  const receives = authority.receivers.some(({ name }) => name === seat.name)
  const newestRecord = newest && recordHashOf(newest)
  const isUsed = newestRecord === made.hash
  const isOld =
    newest === undefined ||
    newest.core.epoch <= base.number ||
    namedIn(ceremony).some((record) => record === newestRecord)
  if (receives ? isUsed : isOld) await destroyBefore(ceremony, made, base)
  else refuseNewerUnfinished(ceremony, newest)
  if (!store.retired.has(seat.name))
    await ceremony.publish('retired', {
      ceremony: authority.hash,
      site: seat.name,
      record: made.hash,
      base: base.hash,
    })
}

/**
 * Waits until the close deadline for the same word of the others that take part; those that are missing stand in the
 * bundle as an open point, for who still has an old share could use it.
 */
export const awaitRetired = async (ceremony: Ceremony, record: Hash): Promise<void> => {
  const { holders, candidates } = ceremony.authority
  const asked = holders.filter((member) => candidates.includes(member))
  const said = () =>
    asked.map(({ name }) => name).filter((name) => ceremony.store.retired.get(name)?.signed.value.record === record)
  if (asked.length > 0) await awaitEach(ceremony, 'retired', asked, said)
}

/** The epoch that this site uses. Throws E_SHARD where the new one is damaged: no old share goes for it. */
const newestOf = async (
  { site: { shards } }: Ceremony,
  key: Hash,
  made: CameTrue,
): Promise<StoredEpoch | undefined> => {
  const { whole, damaged } = await shards.ofKey(key)
  for (const { outcome, fault } of damaged) if (outcome === made.outcome) throw fault
  return whole.filter(({ state }) => state === 'installed').at(-1)
}

/** Records that the definition takes the place of. A site that receives no share has them from nowhere else. */
const namedIn = ({ authority: { definition } }: Ceremony): readonly Hash[] =>
  'supersedes' in definition ? definition.supersedes : []

const destroyBefore = async (ceremony: Ceremony, { hash }: CameTrue, base: Epoch): Promise<void> => {
  const { shards } = ceremony.site
  const { whole, damaged } = await shards.ofKey(base.key)
  const before = new Set([...supersededIn(whole), ...namedIn(ceremony)])
  const isBefore = (one: (typeof whole)[number] | (typeof damaged)[number]): boolean =>
    [...before].some((record) => record === recordHashOf(one))
  for (const one of whole) {
    if (one.state === 'installed' && recordHashOf(one) !== hash) await shards.retire(one.key, one.outcome, hash)
    if (one.state === 'staged' && isBefore(one)) await shards.dropStaged(one.key, one.outcome)
  }
  for (const one of damaged) if (isBefore(one)) await shards.retire(one.key, one.outcome, hash)
  await shards.retire(base.key, base.record.outcome, hash)
}

/** Old shares go by the receipts for the newest record that a site uses, never by those for one that came before it. */
const refuseNewerUnfinished = ({ site: { ledger } }: Ceremony, newest: StoredEpoch | undefined): void => {
  if (newest === undefined) throw new TypeError('an epoch is retired after the new one is installed')
  const { ceremony } = newest.made
  if ([...ledger.replay()].some((event) => event.what === 'retired' && event.ceremony === ceremony)) return
  const id = shortId(ceremony)
  throw new QuorateError(
    'E_NOT_FINISHED',
    `this site uses a newer record, of ceremony ${id}, and destroys old shares by the receipts for that one`,
    `finish that one first: quorate ${topicOf(newest)} join --ceremony ${id}; then run join here again`,
    { ceremony },
  )
}
