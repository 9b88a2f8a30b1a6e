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

/** Records that this site staged its shard for, oldest first, where it holds what every site staged. */
export const stagedRecords = (ceremony: Ceremony): readonly StagedRecord[] =>
  ceremony.events('outcome').flatMap((event) => {
    const bytes = event.object === null ? undefined : ceremony.log.body(event.object)
    if (bytes === undefined) return []
    const outcome = outcomeCodec.decode(bytes)
    const staged = ceremony.store.staged.get(outcome.attempt)
    const all = ceremony.authority.receivers.map((member) => staged?.get(member.name)?.signed.value)
    const envelopes = all.flatMap((one) => (one?.outcome === event.object ? [one.envelope] : []))
    return envelopes.length === all.length ? [recordOf(outcome, envelopes)] : []
  })

export const stagedRecord = (ceremony: Ceremony, hash: Hash): StagedRecord | undefined =>
  stagedRecords(ceremony).find((one) => one.hash === hash)

/**
 * True where this site may vote for a record that others voted for. It may not once it began a later attempt: the others
 * may be about to vote for what comes of that one. But of t voters one is honest, and it takes part in nothing else: no other
 * record can ever be ready, and the rest may follow. So a shard is kept until its site has voted.
 */
export const mayFollow = (ceremony: Ceremony, { record, hash }: StagedRecord): boolean => {
  const { store, authority } = ceremony
  const staged = ceremony.events('outcome').find((event) => event.object === record.outcome)?.seq ?? -1
  const beganLater = ceremony.events('started').some(({ seq }) => seq > staged)
  return !beganLater || store.votes(hash).size >= authority.threshold
}
