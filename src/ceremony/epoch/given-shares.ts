import type { Hash, Identity } from '../../lib/brand.ts'
import { type Definition, receiversIn, recordKind } from '../../records/definition.ts'
import { recordHashOf } from '../../shards/rival.ts'
import { definitionAt } from '../definition/definition-at.ts'
import type { Votes } from './rivals.ts'

/** Indices of the shares that each identity was given, as far as a home knows. */
type GivenShares = ReadonlyMap<Identity, ReadonlySet<number>>

/**
 * Shares of a record's polynomial, and to whom they were given: since the ceremony that made them, by each repair that keeps
 * them, and in each repair that this site began and that may have failed. Nobody may have two of them.
 */
export const givenShares = async (site: Votes, key: Hash, record: Hash): Promise<GivenShares> => {
  const given = new Map<Identity, Set<number>>()
  const add = (definition: Definition | undefined): void => {
    for (const [at, { identity }] of (definition === undefined ? [] : receiversIn(definition)).entries())
      given.set(identity, (given.get(identity) ?? new Set()).add(at + 1))
  }
  const epochs = (await site.shards.ofKey(key)).whole
  const records = new Set<Hash | null>()
  for (let next: Hash | null = record; next !== null && !records.has(next); ) {
    records.add(next)
    const epoch = epochs.find((one) => recordHashOf(one) === next)
    if (epoch === undefined) break
    add(await definitionAt(site, epoch.made.ceremony))
    next = recordKind({ kind: epoch.core.kind }).keepsShares === true ? epoch.made.base : null
  }
  const begun = new Set(
    [...site.ledger.replay()].map((event) => (event.what === 'attempt-signed' ? event.ceremony : null)),
  )
  for (const ceremony of begun) {
    const definition = ceremony === null ? undefined : await definitionAt(site, ceremony)
    if (definition === undefined || !records.has(definition.base)) continue
    const { keepsShares, key: keyIn } = recordKind(definition)
    if (keepsShares === true && keyIn(definition) === key) add(definition)
  }
  return given
}
