import type { Hash } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import { type EpochRecord, type Outcome, outcomeCodec, recordCodec } from '../../records/outcome.ts'
import type { Site } from '../ports.ts'
import type { Ceremony } from '../store/ceremony.ts'

/** The epoch that signs: what made it, its record, and the envelope of this site's share. */
export interface Epoch {
  readonly key: Hash
  readonly outcome: Outcome
  readonly record: EpochRecord
  readonly hash: Hash
  readonly envelope: Hash
}

/** The newest epoch of a key whose ready set this site can show. Throws E_NOT_FOUND; E_SHARD where a file of this key is damaged. */
export const newestEpoch = async (site: Site, key: Hash): Promise<Epoch> => {
  // A damaged epoch may be the newest.
  for (const one of await site.shards.listDamaged()) if (one.key === key) throw one.fault
  const newest = (await site.shards.list()).filter((one) => one.key === key && one.state === 'installed').at(-1)
  if (newest?.record === undefined || newest.made === undefined)
    throw new QuorateError(
      'E_NOT_FOUND',
      'this site holds no usable share of the key that the definition names',
      'look at `quorate keys list`; this site may have to finish the keygen first (keygen join)',
    )
  return {
    key,
    outcome: newest.made,
    record: newest.record,
    hash: hashOf(recordCodec.encode(newest.record)),
    envelope: newest.envelope,
  }
}

/** Logs the outcome and record of the epoch that signs: an auditor can then read this log alone. */
export const noteEpoch = (ceremony: Ceremony, epoch: Epoch): void => {
  ceremony.note('outcome', outcomeCodec.encode(epoch.outcome))
  ceremony.note('record', recordCodec.encode(epoch.record))
}
