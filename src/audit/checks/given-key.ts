import type { ReconstructDefinition } from '../../records/kinds/reconstruct.ts'
import type { RewrapDefinition } from '../../records/kinds/rewrap.ts'
import type { CeremonyResult } from '../ceremony-result.ts'
import { type Finding, fails } from '../check.ts'

/** A failure where a definition says of the key and its shares otherwise than the record that it names. */
export const otherKey = (
  { base, key, of, protocol, threshold }: ReconstructDefinition | RewrapDefinition,
  { outcome, outcomeHash }: Pick<CeremonyResult, 'outcome' | 'outcomeHash'>,
): Finding | undefined =>
  outcome !== undefined &&
  outcome.publicKey === of.publicKey &&
  outcome.verifyingShares.join() === of.verifyingShares.join() &&
  outcome.protocol === protocol &&
  outcome.threshold === threshold &&
  (outcome.base !== null || outcomeHash === key)
    ? undefined
    : fails('the definition says another key, quorum or shares than the record that it names', [key, base])
