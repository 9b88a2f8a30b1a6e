import type { Hash, SiteId } from '../lib/brand.ts'
import type { EpochRecord, Outcome, SignResult } from '../records/outcome.ts'
import type { BundleFacts, HeldAttempt } from './bundle-facts.ts'
import { postsOfTranscript } from './transcripts.ts'

interface Made {
  readonly attempt: HeldAttempt
  /** Hash of the transcript that it follows from. */
  readonly transcript: Hash
  /** Of the epoch that was made, or that signed; undefined where no log shows it. */
  readonly outcome: Outcome | undefined
  readonly outcomeHash: Hash | undefined
  /** Hex; null where no signature was made. */
  readonly signature: string | null
}

/** A new epoch of a key. */
export interface MadeKey extends Made {
  readonly makes: 'key'
  readonly record: EpochRecord
  readonly recordHash: Hash
  readonly outcome: Outcome
  readonly outcomeHash: Hash
  readonly voters: readonly SiteId[]
}

export interface MadeSignature extends Made {
  readonly makes: 'signature'
  readonly result: SignResult
  readonly stated: readonly SiteId[]
}

/** What a ceremony made, where its records say that it made something. */
export type CeremonyResult = MadeKey | MadeSignature

/** The record with most votes. */
export const madeKey = (facts: BundleFacts): MadeKey | undefined => {
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
    makes: 'key',
    transcript: outcome.transcript,
    signature: null,
    record,
    recordHash,
    outcome,
    outcomeHash: record.outcome,
    attempt,
    voters: [...voters].sort(),
  }
}

/** A liar may state the true signature with a transcript of its own: what the messages here give stands for the attempt. */
export const madeSignature = (facts: BundleFacts): MadeSignature | undefined => {
  const several = new Set(facts.results.map(({ value }) => value.transcript)).size > 1
  const given = ({ value }: BundleFacts['results'][number]): boolean =>
    postsOfTranscript(facts, value.attempt, value.transcript) !== undefined
  const first = (several ? facts.results.find(given) : undefined) ?? facts.results[0]
  const attempt = first && facts.attempts.get(first.value.attempt)
  if (first === undefined || attempt === undefined) return undefined
  const outcomeHash = facts.records.get(first.value.base)?.outcome
  return {
    makes: 'signature',
    transcript: first.value.transcript,
    signature: first.value.signature,
    result: first.value,
    attempt,
    stated: facts.results.map(({ site }) => site).sort(),
    outcome: outcomeHash && facts.outcomes.get(outcomeHash),
    outcomeHash,
  }
}
