import type { Hash } from '../lib/brand.ts'
import type { QuorateError } from '../lib/errors.ts'
import type { EpochRecord, Outcome } from '../records/outcome.ts'
import type { ShardCore } from '../records/sealed-shard.ts'
import { recordHashOf } from './rival.ts'

/**
 * One generation of a key's shares in this home. `staged`: sealed and durable; `installed`: its ready set stands beside it;
 * `retired`: a newer one replaced it, and its share is destroyed.
 */
export interface StoredEpoch {
  readonly key: Hash
  readonly outcome: Hash
  readonly state: 'staged' | 'installed' | 'retired'
  readonly core: ShardCore
  /** The one that opens the share: that of the record or, after a rewrap, a newer one. */
  readonly envelope: Hash
  /** Kept before the vote; undefined before that. */
  readonly record: EpochRecord | undefined
  /** Public key, verifying shares, and what the epoch replaces. */
  readonly made: Outcome
  /** Records that were voted for on the way to this one, and that it comes after. */
  readonly supersedes: readonly Hash[]
  /** Envelope bytes of the ready votes; empty before `installed`. */
  readonly votes: readonly Uint8Array[]
}

/** One of whose files is damaged: which one, says `fault`. */
export interface DamagedEpoch {
  readonly key: Hash
  readonly outcome: Hash
  /** undefined where this file itself is damaged or missing. */
  readonly made: Outcome | undefined
  /** The same. */
  readonly record: EpochRecord | undefined
  /** Empty where this file itself is damaged or missing. */
  readonly supersedes: readonly Hash[]
  readonly fault: QuorateError
}

/** Epochs as one reading of the disk found them: of two readings each could leave out what failed in the other one. */
export interface Epochs {
  /** By key and then in the order in which each comes after the one before. */
  readonly whole: readonly StoredEpoch[]
  readonly damaged: readonly DamagedEpoch[]
}

const numberOf = (epoch: StoredEpoch | DamagedEpoch): number => ('fault' in epoch ? -1 : epoch.core.epoch)

/**
 * Damaged ones first. Of two with one number that came true the later one names the other, and all of that number that the
 * other names: it was voted for while they were undecided.
 */
export const inOrder = (epochs: readonly (StoredEpoch | DamagedEpoch)[]): readonly (StoredEpoch | DamagedEpoch)[] => {
  const named = (one: StoredEpoch | DamagedEpoch): number =>
    epochs.filter(
      (other) => numberOf(other) === numberOf(one) && one.supersedes.some((hash) => hash === recordHashOf(other)),
    ).length
  return epochs.toSorted((a, b) => numberOf(a) - numberOf(b) || named(a) - named(b))
}

export const apart = (found: readonly (StoredEpoch | DamagedEpoch)[]): Epochs => ({
  whole: found.flatMap((one) => ('fault' in one ? [] : [one])),
  damaged: found.flatMap((one) => ('fault' in one ? [one] : [])),
})
