import type { Hash } from '../../lib/brand.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import type { CeremonyResult } from '../ceremony-result.ts'
import { type AuditKind, mustAlways } from './kind.ts'

/** Each site gave its word by itself; the attempt is the one in which most did. */
const result = (facts: BundleFacts): CeremonyResult | undefined => {
  const words = facts.held('readmitted')
  const counts = new Map<Hash, number>()
  for (const { value } of words) counts.set(value.attempt, (counts.get(value.attempt) ?? 0) + 1)
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
    stated: [...new Set(words.map(({ site }) => site))].sort(),
  }
}

export const readmit = {
  result,
  isFinal: (facts, made) =>
    made.makes === 'proof' && made.stated.length >= facts.definition.threshold && facts.held('rebound').length > 0,
  must: [...mustAlways, 'readmit.taken', 'readmit.bound', 'readmit.promises', 'readmit.key'],
  order: () => ({}),
  outputs: [],
  transcript: ', and it is empty: each site gave its word by itself',
  notShown: [
    'what the site promised only to sites that did not take it back',
    'that no older copy of its home runs elsewhere: those who took it back refuse that one',
  ],
} as const satisfies AuditKind
