import type { Hash, SiteId } from '../../lib/brand.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import type { CeremonyResult } from '../ceremony-result.ts'

/** One site's word, said in an attempt. */
interface Word {
  readonly site: SiteId
  readonly value: { readonly attempt: Hash }
}

/** The result of a ceremony in which each site says its word by itself; the attempt is the one in which most did. */
export const resultByWord = (facts: BundleFacts, words: readonly Word[]): CeremonyResult | undefined => {
  const counts = new Map<Hash, number>()
  for (const { value } of words) counts.set(value.attempt, (counts.get(value.attempt) ?? 0) + 1)
  const [most] = [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
  return most && proofOf(facts, most[0], [...new Set(words.map(({ site }) => site))].sort())
}

/** The result of a ceremony without rounds, made in this attempt with the shares of the epoch that its definition names. */
export const proofOf = (facts: BundleFacts, made: Hash, stated: readonly SiteId[]): CeremonyResult | undefined => {
  const attempt = facts.attempts.get(made)
  const { base } = facts.definition
  if (attempt === undefined || base === null) return undefined
  const outcomeHash = facts.records.get(base)?.outcome
  return {
    makes: 'proof',
    attempt,
    transcript: facts.evidence.transcriptOf([]),
    outcome: outcomeHash && facts.outcomes.get(outcomeHash),
    outcomeHash,
    signature: null,
    stated,
  }
}
