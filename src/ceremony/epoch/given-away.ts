import type { LogView } from '../../audit/disk-log.ts'
import type { Hash } from '../../lib/brand.ts'
import type { Disk } from '../../lib/ports.ts'
import type { ReconstructDefinition } from '../../records/kinds/reconstruct.ts'
import { definitionAt } from '../definition/definition-at.ts'

/** A ceremony in which a site gave its share to recipients of the whole key. */
interface GivenAway {
  readonly definition: ReconstructDefinition
  /** By the site's own clock, in milliseconds since 1970. */
  readonly at: number
}

interface Given {
  readonly ledger: Pick<LogView, 'replay'>
  readonly home: { readonly disk: Pick<Disk, 'read'> }
  ceremonyLog(ceremony: Hash): Promise<Pick<LogView, 'body'>>
}

/** Every such ceremony of a site, oldest first, by its ledger. One whose definition is nowhere in its home tells of no key. */
export const allGivenAway = async (site: Given): Promise<readonly GivenAway[]> => {
  const found: GivenAway[] = []
  for (const { what, ceremony, at } of site.ledger.replay()) {
    if (what !== 'released' || ceremony === null) continue
    const definition = await definitionAt(site, ceremony)
    if (definition !== undefined && 'recipients' in definition) found.push({ definition, at })
  }
  return found
}

/** The same of one key. */
export const givenAway = async (site: Given, key: Hash): Promise<readonly GivenAway[]> =>
  (await allGivenAway(site)).filter(({ definition }) => definition.key === key)
