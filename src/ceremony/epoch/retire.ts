import type { Hash } from '../../lib/brand.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { awaitEach } from './await-each.ts'
import type { Epoch } from './epoch.ts'

/**
 * Destroys this site's share of the epoch that was replaced, and those of older ones that a ceremony which nobody came back
 * to has left, and says so. Called once enough receipts are here: a quorum of honest sites can use the new epoch.
 */
export const retireBase = async (ceremony: Ceremony, record: Hash, base: Epoch): Promise<void> => {
  const { store, seat, site, authority } = ceremony
  for (const { key, state, core, outcome } of await site.shards.list())
    if (key === base.key && state === 'installed' && core.epoch < base.number)
      await site.shards.retire(key, outcome, record)
  await site.shards.retire(base.key, base.record.outcome, record)
  if (!store.retired.has(seat.name))
    await ceremony.publish('retired', {
      ceremony: authority.hash,
      site: seat.name,
      record,
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
