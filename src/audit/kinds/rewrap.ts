import type { BundleFacts } from '../bundle-facts.ts'
import type { CeremonyResult } from '../ceremony-result.ts'
import { madeRewrap, witnessesOf } from '../rewrap-shown.ts'
import { proofOf } from './by-word.ts'
import { type AuditKind, mustAlways } from './kind.ts'

const result = (facts: BundleFacts): CeremonyResult | undefined => {
  const said = madeRewrap(facts)
  return said && proofOf(facts, said.value.attempt, witnessesOf(facts, said))
}

export const rewrap = {
  result,
  isFinal: (facts, { makes }) => {
    const said = madeRewrap(facts)
    return (
      makes === 'proof' &&
      said !== undefined &&
      witnessesOf(facts, said).length >= facts.definition.threshold - 1 &&
      facts.held('replaced').some(({ value }) => value.envelope === said.value.envelope)
    )
  },
  must: [...mustAlways, 'rewrap.proven', 'rewrap.witnessed', 'rewrap.key', 'rewrap.replaced'],
  // A witness is asked for no approval.
  order: (definition, site) =>
    'witnesses' in definition && definition.site !== site ? { attempt: ['definition', 'joined'] } : {},
  outputs: [],
  transcript: ', and it is empty: one site proved its share, and others cosigned that',
  notShown: [
    'that the old wrapped pieces are destroyed, and that the KMS key is the one that the card names',
    'how the key was made: its keygen bundle shows that',
  ],
} as const satisfies AuditKind
