import type { Hash } from '../../lib/brand.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import type { CeremonyResult } from '../ceremony-result.ts'
import { type AuditKind, mustAlways } from './kind.ts'

/** Each site gave its share by itself; the attempt is the one in which most did. */
const result = (facts: BundleFacts): CeremonyResult | undefined => {
  const given = facts.held('release')
  const counts = new Map<Hash, number>()
  for (const { value } of given) counts.set(value.attempt, (counts.get(value.attempt) ?? 0) + 1)
  const [most] = [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
  const attempt = most && facts.attempts.get(most[0])
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
    stated: [...new Set(given.map(({ site }) => site))].sort(),
  }
}

export const reconstruct = {
  result,
  isFinal: ({ definition }, made) => made.makes === 'proof' && made.stated.length >= definition.threshold,
  must: [...mustAlways, 'release.shares', 'release.key'],
  order: () => ({}),
  outputs: [],
  transcript: ', and it is empty: each site gave its share by itself',
  notShown: [
    'that what each site sealed is its share: a recipient finds out, and the site’s signature proves it',
    'how the key was made: its keygen bundle shows that',
  ],
} as const satisfies AuditKind
