import { allReadmissions } from '../ceremony/epoch/readmissions.ts'
import type { Hash, SiteId } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { ceremonyId } from '../records/definition.ts'
import { votesOfHome } from './votes.ts'

/** A site of a key whose ledger went back, and that was taken back: by this home, or it is this one. */
export interface ReadmittedHere {
  readonly key: Hash
  readonly ceremony: Hash
  readonly site: SiteId
  /** By this site's own clock. */
  readonly at: string
  readonly reason: string
}

/** All of them, oldest first; none where this home has no ledger that can be read. */
export const allReadmitted = async (home: string): Promise<readonly ReadmittedHere[]> => {
  try {
    const all = await votesOfHome(home, allReadmissions)
    return all.map(({ definition, at }) => ({
      key: definition.key,
      ceremony: ceremonyId(definition),
      site: definition.returning,
      at: `${new Date(at).toISOString().slice(0, 19)}Z`,
      reason: definition.reason,
    }))
  } catch (error) {
    if (error instanceof QuorateError) return []
    throw error
  }
}
