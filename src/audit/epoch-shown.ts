import type { Hash, Identity } from '../lib/brand.ts'
import { recordKind } from '../records/definition.ts'
import type { BundleFacts } from './bundle-facts.ts'
import type { CeremonyResult } from './ceremony-result.ts'

/** The epoch that a bundle made, or whose shares were used in it. */
export interface BundleEpoch {
  /** From 1; null of a signature, whose bundle does not say it. */
  readonly number: number | null
  readonly record: Hash
  /** The record that it replaced; null of a keygen. */
  readonly base: Hash | null
  /** Records of the same key that the definition names: this one takes their place. */
  readonly supersedes: readonly Hash[]
  /** Sites that voted for the record; none where it was used. */
  readonly voters: readonly Identity[]
  /** Sites that hold shares of `base`, or of the epoch that was used, as far as the definition names their identities. */
  readonly holders: readonly Identity[]
  /** How many sites sign together; null where no outcome of it is here. */
  readonly threshold: number | null
}

const identitiesOf = (seats: BundleFacts['roster']): readonly Identity[] => seats.map(({ identity }) => identity)

export const epochOf = (
  { definition, roster, holders }: BundleFacts,
  made: CeremonyResult | undefined,
): BundleEpoch | null => {
  if (made === undefined) return null
  const number = recordKind(definition).epoch(definition)
  const supersedes = 'supersedes' in definition ? definition.supersedes : []
  if (made.makes === 'key') {
    const { base, threshold } = made.outcome
    const voters = identitiesOf(roster.filter(({ name }) => made.voters.includes(name)))
    return { number, record: made.recordHash, base, supersedes, voters, holders: identitiesOf(holders), threshold }
  }
  const { outcome } = made
  const record = made.makes === 'signature' ? made.result.base : definition.base
  if (record === null || (made.makes === 'proof' && outcome === undefined)) return null
  const used = { number, record, supersedes, voters: [], holders: identitiesOf(roster) }
  return { ...used, base: outcome?.base ?? null, threshold: outcome?.threshold ?? null }
}
