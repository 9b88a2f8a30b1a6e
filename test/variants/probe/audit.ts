import type { BundleFacts } from '../bundle-facts.ts'
import type { CeremonyResult } from '../ceremony-result.ts'
import { type AuditKind, mustAlways } from './kind.ts'

/** The value that most voted for. */
const result = (facts: BundleFacts): CeremonyResult | undefined => {
  const made = facts.ready.flatMap(({ value: { record } }) => {
    const { attempt: hash, transcript } = facts.outcomes.get(record) ?? {}
    const attempt = hash && facts.attempts.get(hash)
    if (attempt === undefined || transcript === undefined) return []
    const stated = facts.ready.filter(({ value }) => value.record === record).map(({ site }) => site)
    const nothing = { outcome: undefined, outcomeHash: undefined, signature: null }
    return { makes: 'proof' as const, attempt, transcript, stated, ...nothing }
  })
  return made.sort((a, b) => b.stated.length - a.stated.length)[0]
}

export const probe = {
  result,
  isFinal: ({ roster }, made) => made.makes === 'proof' && made.stated.length === roster.length,
  must: [...mustAlways],
  order: () => ({ ready: ['outcome'] }),
  outputs: [],
  transcript: '; all saw one value',
  notShown: [],
} as const satisfies AuditKind
