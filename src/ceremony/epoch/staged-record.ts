import type { Hash } from '../../lib/brand.ts'
import { hashOf } from '../../lib/hash.ts'
import { type EpochRecord, type Outcome, outcomeCodec, recordCodec } from '../../records/outcome.ts'
import type { Ceremony } from '../store/ceremony.ts'

/** A record that this site staged its shard for: the outcome that it names, and the hash that votes are for. */
export interface StagedRecord {
  readonly outcome: Outcome
  readonly record: EpochRecord
  readonly hash: Hash
}

/** `envelopes`: hashes of the sealed shards, in index order. */
export const recordOf = (outcome: Outcome, envelopes: readonly Hash[]): StagedRecord => {
  const record: EpochRecord = { outcome: hashOf(outcomeCodec.encode(outcome)), envelopes: [...envelopes] }
  return { outcome, record, hash: hashOf(recordCodec.encode(record)) }
}

/** The record behind a vote, where this site staged its shard for it and holds all that the vote rests on. */
export const stagedRecord = (ceremony: Ceremony, hash: Hash): StagedRecord | undefined => {
  for (const event of ceremony.events('outcome')) {
    const bytes = event.object === null ? undefined : ceremony.log.body(event.object)
    if (bytes === undefined) continue
    const outcome = outcomeCodec.decode(bytes)
    const staged = ceremony.store.staged.get(outcome.attempt)
    const envelopes = ceremony.authority.roster.map((member) => staged?.get(member.name)?.signed.value)
    if (envelopes.some((one) => one === undefined || one.outcome !== event.object)) continue
    const voted = recordOf(
      outcome,
      envelopes.map((one) => one?.envelope as Hash),
    )
    if (voted.hash === hash) return voted
  }
  return undefined
}

/** A later attempt has begun here, and with it the shards of those before it went: see dropOlder. */
export const isDropped = (ceremony: Ceremony, outcome: Hash): boolean => {
  const staged = ceremony.events('outcome').find((event) => event.object === outcome)?.seq ?? -1
  return ceremony.events('started').some(({ seq }) => seq > staged)
}
