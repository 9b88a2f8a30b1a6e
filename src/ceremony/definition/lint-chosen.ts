import type { SiteId } from '../../lib/brand.ts'
import type { SiteEntry } from '../../records/definition-fields.ts'
import { error, type Finding } from './finding.ts'

interface Chosen {
  /** Of a single one; of the order, with `-order`. */
  readonly rule: string
  /** Where they stand in the definition. */
  readonly place: string
  readonly order: string
  /** A site that is none of them, and why. */
  readonly never?: readonly [SiteId, string]
}

/** Sites that a definition chooses of its own: in their order, each once. */
export const lintChosen = (
  sites: readonly SiteEntry[],
  chosen: readonly SiteId[],
  { rule, place, order, never }: Chosen,
): readonly Finding[] => {
  const seats = chosen.map((name) => sites.findIndex((site) => site.name === name))
  return seats.flatMap((seat, n) => {
    const at = `${place}[${n}]`
    if (seat === -1) return [error(rule, at, 'no site of this name')]
    if (never !== undefined && chosen[n] === never[0]) return [error(rule, at, never[1])]
    return n > 0 && seat <= (seats[n - 1] ?? -1) ? [error(`${rule}-order`, at, order)] : []
  })
}
