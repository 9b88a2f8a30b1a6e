import type { Hash, SiteId } from '../lib/brand.ts'
import { fromHex } from '../lib/bytes.ts'
import type { EpochRecord, Outcome, SignResult } from '../records/outcome.ts'
import type { BundleFacts } from './bundle-facts.ts'
import type { HeldAttempt } from './record-facts.ts'
import { postsOfTranscript } from './transcripts.ts'

interface Made {
  readonly attempt: HeldAttempt
  /** Hash of the transcript that it follows from; null where no site states one. */
  readonly transcript: Hash | null
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

/** The signed records of the sites themselves. */
interface MadeProof extends Made {
  readonly makes: 'proof'
  readonly stated: readonly SiteId[]
}

/** The key, signature or proof that a ceremony made, by its records. */
export type CeremonyResult = MadeKey | MadeSignature | MadeProof

/** The record with most votes. */
export const madeKey = (facts: BundleFacts): MadeKey | undefined => {
  const votes = new Map<Hash, Set<SiteId>>()
  for (const { site, value } of facts.ready) votes.set(value.record, (votes.get(value.record) ?? new Set()).add(site))
  // A vote for a record that nobody shows makes nothing.
  const known = [...votes].flatMap(([recordHash, voters]) => {
    const record = facts.records.get(recordHash)
    const outcome = record && facts.outcomes.get(record.outcome)
    const attempt = outcome && facts.attempts.get(outcome.attempt)
    return record && outcome && attempt ? [{ recordHash, voters, record, outcome, attempt }] : []
  })
  const [best] = known.sort((a, b) => b.voters.size - a.voters.size || (a.recordHash < b.recordHash ? -1 : 1))
  if (best === undefined) return undefined
  const { recordHash, voters, record, outcome, attempt } = best
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

/** True where a statement is one of this definition's signature: by the key of its epoch, over the message. */
const isSignature = (facts: BundleFacts, result: SignResult): boolean => {
  const outcomeHash = facts.records.get(result.base)?.outcome
  const outcome = outcomeHash && facts.outcomes.get(outcomeHash)
  return (
    facts.message !== undefined &&
    outcome?.publicKey === result.publicKey &&
    facts.evidence.verifySignature(fromHex(result.publicKey), facts.message, fromHex(result.signature))
  )
}

/**
 * A liar may state a false signature, or the true one with another transcript: of several statements that one stands which
 * verifies, and which the messages here give.
 */
export const madeSignature = (facts: BundleFacts): MadeSignature | undefined => {
  const several = new Set(facts.results.map(({ hash }) => hash)).size > 1
  const signed = several ? facts.results.filter(({ value }) => isSignature(facts, value)) : facts.results
  const given = ({ value }: BundleFacts['results'][number]): boolean =>
    value.transcript !== null && postsOfTranscript(facts, value.attempt, value.transcript) !== undefined
  const first =
    (several ? (signed.find(given) ?? signed.find(({ value }) => value.transcript !== null)) : undefined) ??
    signed[0] ??
    facts.results[0]
  const attempt = first && facts.attempts.get(first.value.attempt)
  if (first === undefined || attempt === undefined) return undefined
  const outcomeHash = facts.records.get(first.value.base)?.outcome
  return {
    makes: 'signature',
    transcript: first.value.transcript,
    signature: first.value.signature,
    result: first.value,
    attempt,
    stated: facts.results.flatMap(({ site, value }) => (value.signature === first.value.signature ? site : [])).sort(),
    outcome: outcomeHash && facts.outcomes.get(outcomeHash),
    outcomeHash,
  }
}
