import type { Hash } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Secret } from '../../lib/secret.ts'
import { type EpochRecord, type Outcome, outcomeCodec, recordCodec } from '../../records/outcome.ts'
import type { StoredEpoch } from '../../shards/store.ts'
import type { Site } from '../ports.ts'
import type { Ceremony } from '../store/ceremony.ts'

/** One epoch of a key: what made it, its record, and the envelope of this site's share. */
export interface Epoch {
  readonly key: Hash
  /** From 1. */
  readonly number: number
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
  const epoch = newest && epochOf(newest)
  if (epoch !== undefined) return epoch
  throw new QuorateError(
    'E_NOT_FOUND',
    'this site holds no usable share of the key that the definition names',
    'look at `quorate keys list`; this site may have to finish the keygen first (keygen join)',
  )
}

const epochOf = ({ key, core, record, made, envelope }: StoredEpoch): Epoch | undefined =>
  record === undefined || made === undefined
    ? undefined
    : { key, number: core.epoch, outcome: made, record, hash: hashOf(recordCodec.encode(record)), envelope }

/** The epoch of a record, also one whose share this site has destroyed since. Throws E_NOT_FOUND. */
export const epochOfRecord = async (site: Site, key: Hash, record: Hash): Promise<Epoch> => {
  const found = (await site.shards.list())
    .filter((one) => one.key === key && one.state !== 'staged')
    .flatMap((one) => epochOf(one) ?? [])
  const epoch = found.find(({ hash }) => hash === record)
  if (epoch !== undefined) return epoch
  throw new QuorateError(
    'E_NOT_FOUND',
    'this site does not hold the record that the definition builds on',
    'look at `quorate keys show`; this site may have to finish the ceremony that made it first',
  )
}

/** This site's share of an epoch, from disk through the KMS. The caller wipes it. */
export const openShare = async ({ site, seat }: Ceremony, { key, record }: Epoch): Promise<Secret> => {
  const keys = await Promise.all(seat.entry.kms.map((slot) => site.kms(slot)))
  return site.shards.reopen(key, record.outcome, record.envelopes[seat.index - 1] as Hash, keys)
}

/** Logs the outcome and record of the epoch that is used: an auditor can then read this log alone. */
export const noteEpoch = (ceremony: Ceremony, epoch: Epoch): void => {
  ceremony.note('outcome', outcomeCodec.encode(epoch.outcome))
  ceremony.note('record', recordCodec.encode(epoch.record))
}
