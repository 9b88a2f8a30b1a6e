import { ceremonyId } from '../../records/definition.ts'
import type { RefreshDefinition } from '../../records/kinds/refresh.ts'
import { refuseRival, rivalFound } from '../../shards/rival.ts'
import { definitionAt } from '../definition/key-base.ts'
import type { Site } from '../ports.ts'

/**
 * Throws E_NOT_FINISHED where this site has a part in another ceremony that replaces the same record: before others are
 * troubled, who may else bind themselves to what this site will never vote for. A vote is known by the ledger too, should
 * the share that it was for be gone from the disk.
 */
export const refuseRivals = async (site: Site, definition: RefreshDefinition): Promise<void> => {
  const { key, base } = definition
  const ceremony = ceremonyId(definition)
  const epochs = (await site.shards.list()).filter((one) => one.key === key)
  refuseRival(epochs, { base, ceremony })
  for (const event of site.ledger.replay()) {
    const rival = event.what === 'ready' && event.ceremony !== ceremony ? event.ceremony : null
    if (rival !== null && (await definitionAt(site, rival))?.base === base) throw rivalFound(rival)
  }
}
