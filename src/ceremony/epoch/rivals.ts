import type { Hash } from '../../lib/brand.ts'
import { ceremonyId, type Definition } from '../../records/definition.ts'
import type { RefreshDefinition } from '../../records/kinds/refresh.ts'
import type { ReshareDefinition } from '../../records/kinds/reshare.ts'
import { refuseRival, rivalFound } from '../../shards/rival.ts'
import { definitionAt } from '../definition/key-base.ts'
import type { Site } from '../ports.ts'
import { hasDealtAway } from './dealt.ts'

/** True where this site voted in a ceremony, or dealt its share away there. */
const isPart = async (site: Site, definition: Definition, ceremony: Hash): Promise<boolean> => {
  const voted = [...site.ledger.replay()].some((event) => event.what === 'ready' && event.ceremony === ceremony)
  const name = definition.sites.find(({ identity }) => identity === site.home.identity)?.name
  return voted || (name !== undefined && hasDealtAway(await site.ceremonyLog(ceremony), name, definition))
}

/**
 * Throws E_NOT_FINISHED where this site has a part in another ceremony that replaces the same record: before others are
 * troubled, who may else bind themselves to what this site will never vote for. A vote is known by the ledger too, should
 * the share that it was for be gone from the disk.
 */
export const refuseRivals = async (site: Site, definition: RefreshDefinition | ReshareDefinition): Promise<void> => {
  const { key, base } = definition
  const ceremony = ceremonyId(definition)
  const epochs = (await site.shards.list()).filter((one) => one.key === key)
  refuseRival(epochs, { base, ceremony })
  const others = new Set<Hash>()
  for (const { what, ceremony: other } of site.ledger.replay())
    if ((what === 'ready' || what === 'attempt-signed') && other !== null && other !== ceremony) others.add(other)
  for (const rival of others) {
    const other = await definitionAt(site, rival)
    if (other?.base === base && (await isPart(site, other, rival))) throw rivalFound(rival)
  }
}
