import type { LogView } from '../../audit/disk-log.ts'
import type { Hash, Identity } from '../../lib/brand.ts'
import type { Disk } from '../../lib/ports.ts'
import type { SiteEntry } from '../../records/definition-fields.ts'
import { type RewrapDefinition, rewrappedEntry } from '../../records/kinds/rewrap.ts'
import { definitionAt } from './definition-at.ts'

/** The part of a home that knows of rewraps. */
export interface RewrapsKnown {
  readonly home: { readonly disk: Pick<Disk, 'read'> }
  readonly ledger: Pick<LogView, 'replay'>
  ceremonyLog(ceremony: Hash): Promise<Pick<LogView, 'replay' | 'body'>>
}

/** A site's share that lies in another envelope than the record names. */
interface RewrapInUse {
  readonly ceremony: Hash
  readonly definition: RewrapDefinition
  readonly envelope: Hash
}

/**
 * Rewraps of a record's shares that are in use, oldest first: this site's own by its ledger, and those that it cosigned and
 * whose site said in their log that it went over.
 */
export const rewrapsInUse = async (site: RewrapsKnown, record: Hash): Promise<readonly RewrapInUse[]> => {
  const found: RewrapInUse[] = []
  for (const { what, ceremony, object: envelope } of site.ledger.replay()) {
    if ((what !== 'replaced' && what !== 'witnessed') || ceremony === null || envelope === null) continue
    const definition = await definitionAt(site, ceremony)
    if (definition === undefined || !('witnesses' in definition) || definition.base !== record) continue
    const said = what === 'replaced' || (await hasReplaced(site, ceremony, definition))
    if (said) found.push({ ceremony, definition, envelope })
  }
  return found
}

const hasReplaced = async (site: RewrapsKnown, ceremony: Hash, { site: name }: RewrapDefinition): Promise<boolean> =>
  [...(await site.ceremonyLog(ceremony)).replay()].some((event) => event.what === 'replaced' && event.site === name)

/** The newest entry of each site whose share was sealed anew. */
export const entriesSince = (rewraps: readonly RewrapInUse[]): ReadonlyMap<Identity, SiteEntry> =>
  new Map(
    rewraps.flatMap(({ definition }) => {
      const entry = rewrappedEntry(definition)
      return entry === undefined ? [] : [[entry.identity, entry] as const]
    }),
  )
