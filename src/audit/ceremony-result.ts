import type { Hash, SiteId } from '../lib/brand.ts'
import type { EpochRecord, Outcome, SignResult } from '../records/outcome.ts'
import type { BundleFacts, HeldAttempt } from './bundle-facts.ts'
import { postsOfTranscript } from './transcripts.ts'

/** What a ceremony made, where its records say that it made something. */
export type CeremonyResult =
  | {
      readonly kind: 'keygen'
      readonly record: EpochRecord
      readonly recordHash: Hash
      readonly outcome: Outcome
      readonly outcomeHash: Hash
      readonly attempt: HeldAttempt
      readonly voters: readonly SiteId[]
    }
  | {
      readonly kind: 'sign'
      readonly result: SignResult
      readonly attempt: HeldAttempt
      readonly stated: readonly SiteId[]
      /** The epoch that signed, as the logs show it. */
      readonly outcome: Outcome | undefined
      readonly outcomeHash: Hash | undefined
    }

const madeKey = (facts: BundleFacts): CeremonyResult | undefined => {
  const votes = new Map<Hash, Set<SiteId>>()
  for (const { site, value } of facts.ready) votes.set(value.record, (votes.get(value.record) ?? new Set()).add(site))
  const [best] = [...votes].sort(([, a], [, b]) => b.size - a.size)
  if (best === undefined) return undefined
  const [recordHash, voters] = best
  const record = facts.records.get(recordHash)
  const outcome = record && facts.outcomes.get(record.outcome)
  const attempt = outcome && facts.attempts.get(outcome.attempt)
  if (record === undefined || outcome === undefined || attempt === undefined) return undefined
  return {
    kind: 'keygen',
    record,
    recordHash,
    outcome,
    outcomeHash: record.outcome,
    attempt,
    voters: [...voters].sort(),
  }
}

/** A liar may state the true signature with a transcript of its own: what the messages here give stands for the attempt. */
const madeSignature = (facts: BundleFacts): CeremonyResult | undefined => {
  const several = new Set(facts.results.map(({ value }) => value.transcript)).size > 1
  const given = ({ value }: BundleFacts['results'][number]): boolean =>
    postsOfTranscript(facts, value.attempt, value.transcript) !== undefined
  const first = (several ? facts.results.find(given) : undefined) ?? facts.results[0]
  const attempt = first && facts.attempts.get(first.value.attempt)
  if (first === undefined || attempt === undefined) return undefined
  const outcomeHash = facts.records.get(first.value.base)?.outcome
  return {
    kind: 'sign',
    result: first.value,
    attempt,
    stated: facts.results.map(({ site }) => site).sort(),
    outcome: outcomeHash && facts.outcomes.get(outcomeHash),
    outcomeHash,
  }
}

/** The record with most votes, or the signature that was stated; undefined where the ceremony made nothing. */
export const resultOf = (facts: BundleFacts): CeremonyResult | undefined =>
  facts.definition.kind === 'keygen' ? madeKey(facts) : madeSignature(facts)
