import type { Ceremony } from '../store/ceremony.ts'
import { awaitEach } from './await-each.ts'
import type { Epoch } from './epoch.ts'
import type { StagedRecord } from './staged-record.ts'

/**
 * Destroys this site's share of the epoch that was replaced, and those of older ones that a ceremony which nobody came back
 * to has left, and says so. Called once enough receipts are here: a quorum of honest sites can use the new epoch. The words
 * of others are waited for until the close deadline; those that are missing stand in the bundle as an open point, for who
 * still has an old share could use it.
 */
export const retireBase = async (ceremony: Ceremony, voted: StagedRecord, base: Epoch): Promise<void> => {
  const { store, seat, site, authority } = ceremony
  for (const { key, state, core, outcome } of await site.shards.list())
    if (key === base.key && state === 'installed' && core.epoch < base.number)
      await site.shards.retire(key, outcome, voted.hash)
  await site.shards.retire(base.key, base.record.outcome, voted.hash)
  if (!store.retired.has(seat.name))
    await ceremony.publish('retired', {
      ceremony: authority.hash,
      site: seat.name,
      record: voted.hash,
      base: base.hash,
    })
  const said = () =>
    authority.holders
      .map(({ name }) => name)
      .filter((name) => store.retired.get(name)?.signed.value.record === voted.hash)
  await awaitEach(ceremony, 'retired', authority.holders, said)
}
