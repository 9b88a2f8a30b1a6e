import { holderOf } from '../../kms/providers.ts'
import type { SiteId } from '../../lib/brand.ts'
import { accessOf, accessRules } from '../../records/access.ts'
import type { SiteEntry } from '../../records/definition-fields.ts'

/**
 * Those who can make KMS keys open something, and the sites whose shards that opens: one that sites state themselves, or
 * accounts that the names of their keys state, as many as it takes together.
 */
export interface ControlDomain {
  readonly kind: 'organisation' | 'account' | 'administrator' | 'key-account'
  readonly name: string
  /** How many they are. */
  readonly size: number
  readonly opens: readonly SiteId[]
}

const kinds = ['organisation', 'account', 'administrator'] as const

/** Spelling apart: "Acme Corp" and "acme corp" are one party. */
const folded = (name: string): string => name.normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ').trim()

/** A domain that a site states opens its shard, however many keys that lies under. */
const stated = (sites: readonly SiteEntry[]): readonly ControlDomain[] => {
  const domains = new Map<string, ControlDomain & { opens: SiteId[] }>()
  for (const site of sites)
    for (const kind of kinds) {
      const key = `${kind} ${folded(site.control[kind])}`
      const domain = domains.get(key) ?? { kind, name: site.control[kind], size: 1, opens: [] }
      domain.opens.push(site.name)
      domains.set(key, domain)
    }
  return [...domains.values()].filter((domain) => domain.opens.length > 1)
}

/** Most sets of one size that are looked at; six accounts that sites share make twenty. */
const MOST_SETS = 20_000

function* setsOf(all: readonly string[], size: number, from = 0): Generator<readonly string[]> {
  if (size === 0) yield []
  for (let at = from; size > 0 && at <= all.length - size; at++)
    for (const rest of setsOf(all, size - 1, at + 1)) yield [all[at] as string, ...rest]
}

const choose = (from: number, size: number): number =>
  Array.from({ length: size }, (_, k) => (from - k) / (k + 1)).reduce((product, factor) => product * factor, 1)

/** The account of each key by its name, for each site; and the accounts in which more than one site has keys. */
const accountsOf = (sites: readonly SiteEntry[]) => {
  const holders = sites.map(({ kms }) => kms.map(holderOf))
  const held = new Map<string, Set<number>>()
  for (const [site, names] of holders.entries())
    for (const name of names) if (name !== null) held.set(name, (held.get(name) ?? new Set()).add(site))
  return { holders, sharedByMore: [...held].flatMap(([name, at]) => (at.size > 1 ? [name] : [])) }
}

/** False where so many accounts are shared that not every set of them is looked at. */
export const searchedWhole = (sites: readonly SiteEntry[], threshold: number): boolean => {
  const { length } = accountsOf(sites).sharedByMore
  return Array.from({ length: Math.min(threshold, length) }, (_, n) => choose(length, n + 1)).every(
    (sets) => sets <= MOST_SETS,
  )
}

/**
 * Smallest sets of at most `most` accounts that open more shards than they are. An account that holds keys of one site alone
 * is in none of them: without it the set would open one shard less, and be one smaller.
 */
const byKeys = (sites: readonly SiteEntry[], most: number): readonly ControlDomain[] => {
  const { holders, sharedByMore } = accountsOf(sites)
  const found: { set: readonly string[]; opens: readonly SiteId[] }[] = []
  for (let size = 1; size <= Math.min(most, sharedByMore.length); size++) {
    if (choose(sharedByMore.length, size) > MOST_SETS) break
    for (const set of setsOf(sharedByMore, size)) {
      if (found.some((one) => one.set.every((name) => set.includes(name)))) continue
      const opens = sites.filter(({ kms }, at) => {
        const keys = holders[at]?.filter((name) => name !== null && set.includes(name)).length ?? 0
        return keys >= accessRules[accessOf(kms) ?? 'one-key'].enough
      })
      if (opens.length > size) found.push({ set, opens: opens.map(({ name }) => name) })
    }
  }
  return found.map(({ set, opens }) => ({ kind: 'key-account', name: set.join(' and '), size: set.length, opens }))
}

/**
 * Sets of at most t control domains that open more shards than they are. Each site states domains that open its shard. So
 * fewer than t domains open t shards or more exactly if a set of fewer than t is here: as many as are left, up to t-1, open
 * one further shard each. And t domains open more than t shards exactly if a set of at most t is here.
 */
export const sharedControl = (sites: readonly SiteEntry[], threshold: number): readonly ControlDomain[] => [
  ...stated(sites),
  ...byKeys(sites, threshold),
]
