import type { SiteId } from '../../lib/brand.ts'
import type { SiteEntry } from '../../records/definition-fields.ts'

/** Somebody who can make KMS keys open something, and the sites whose shards that opens. */
export interface ControlDomain {
  readonly kind: 'organisation' | 'account' | 'administrator'
  readonly name: string
  readonly opens: readonly SiteId[]
}

const kinds = ['organisation', 'account', 'administrator'] as const

/** Spelling apart: "Acme Corp" and "acme corp" are one party. */
const folded = (name: string): string => name.normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ').trim()

/**
 * Control domains that open more than one site's shard. With one key a site, each of its domains opens its shard. Then
 * fewer than t domains open t shards or more exactly if some domain opens two: with it, t-2 others that open one further
 * shard each make t. So a definition is independent if this is empty, and no set of t domains opens more than t shards.
 */
export const sharedControl = (sites: readonly SiteEntry[]): readonly ControlDomain[] => {
  const domains = new Map<string, ControlDomain & { opens: SiteId[] }>()
  for (const site of sites)
    for (const kind of kinds) {
      const key = `${kind} ${folded(site.control[kind])}`
      const domain = domains.get(key) ?? { kind, name: site.control[kind], opens: [] }
      domain.opens.push(site.name)
      domains.set(key, domain)
    }
  return [...domains.values()].filter((domain) => domain.opens.length > 1)
}
