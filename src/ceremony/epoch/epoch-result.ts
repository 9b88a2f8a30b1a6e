import type { LogView } from '../../audit/disk-log.ts'
import type { SiteId } from '../../lib/brand.ts'
import type { CeremonyResult } from '../kinds/kind.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { keyOf } from './epoch-outcome.ts'
import { votedBefore } from './vote.ts'

/** The epoch that this site voted for; undefined where it has not voted. */
export const epochResult = (ceremony: Ceremony): CeremonyResult | undefined => {
  const voted = votedBefore(ceremony)
  if (voted === undefined) return undefined
  const { protocol, publicKey } = voted.outcome
  const { candidates, definition } = ceremony.authority
  return {
    key: { id: keyOf(definition, voted.record.outcome), protocol, publicKey },
    signature: null,
    signers: [],
    sites: candidates.map((member) => member.name),
  }
}

/** A site that voted cannot leave: the others may have its vote. */
export const boundByVote = (log: LogView, site: SiteId): string | undefined =>
  [...log.replay()].some((event) => event.what === 'ready' && event.site === site) ? 'it has voted ready' : undefined
