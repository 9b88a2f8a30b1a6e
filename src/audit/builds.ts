import type { Hash, SiteId } from '../lib/brand.ts'
import type { Hello } from '../records/attempt.ts'

/** Sites that state one build and one runtime in their hellos. */
export interface BuildShown {
  readonly sites: readonly SiteId[]
  readonly build: Hash
  /** null: a hello that does not say (v1). */
  readonly runtime: string | null
  /** Code by which they reach their KMS, by provider. */
  readonly sdks: Hello['sdks']
}

/** Builds and runtimes by the sites that state them; a site that changed its own stands under both. */
export const buildsOf = (
  hellos: Iterable<Pick<Hello, 'site' | 'build' | 'runtime' | 'sdks'>>,
): readonly BuildShown[] => {
  const found = new Map<string, BuildShown & { readonly by: Set<SiteId> }>()
  for (const { site, build, runtime, sdks } of hellos) {
    const key = JSON.stringify([build, runtime, sdks])
    const known = found.get(key) ?? { sites: [], build, runtime, sdks, by: new Set<SiteId>() }
    known.by.add(site)
    found.set(key, known)
  }
  return [...found.values()].map(({ by, ...shown }) => ({ ...shown, sites: [...by].sort() }))
}
