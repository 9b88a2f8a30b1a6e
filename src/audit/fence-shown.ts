import type { Hash, Identity, SiteId, Time } from '../lib/brand.ts'
import { type Definition, fencedIn, fenceIn } from '../records/definition.ts'
import type { BundleFacts } from './bundle-facts.ts'

/** The old key of an emergency, and the words of those who hold its shares. */
export interface FenceShown {
  readonly key: Hash
  readonly name: string
  /** Its newest record, by the definition. */
  readonly base: Hash
  readonly threshold: number
  /** In index order. */
  readonly holders: readonly Identity[]
  /** Holders that promised to leave it alone, in index order, by their names in this ceremony. */
  readonly fenced: readonly SiteId[]
  /** Holders that did not, by their names as holders. */
  readonly left: readonly SiteId[]
  /** As many promised as sign together. */
  readonly retired: boolean
  /** Fewer are left than sign together: those who keep their word leave nobody a quorum. */
  readonly outOfUse: boolean
  /** Until when a signature of it is taken for one that moves what it protects. */
  readonly sweep: Time
}

/** `promised`: identities whose promise is known. Undefined where the definition takes no key out of use. */
export const fenceShown = (definition: Definition, promised: ReadonlySet<Identity>): FenceShown | undefined => {
  const fence = fenceIn(definition)
  if (fence === undefined) return undefined
  const { key, name, base, threshold, holders, sweep } = fence
  const sites = new Map(fencedIn(definition).map((site) => [site.identity, site.name]))
  const fenced = holders.flatMap(({ identity }) => (promised.has(identity) ? (sites.get(identity) ?? []) : []))
  const left = holders.filter(({ identity }) => !promised.has(identity)).map((one) => one.name)
  return {
    ...{ key, name, base, threshold, fenced, left, sweep },
    holders: holders.map(({ identity }) => identity),
    retired: fenced.length >= threshold,
    outOfUse: left.length < threshold,
  }
}

export const fenceOf = ({ definition, held }: Pick<BundleFacts, 'definition' | 'held'>): FenceShown | undefined =>
  fenceShown(definition, new Set(held('fenced').map(({ author }) => author.identity)))
