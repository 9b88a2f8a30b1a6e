import type { Party } from '../../src/lib/brand.ts'
import { concat } from '../../src/lib/bytes.ts'
import type { RefreshCheck } from '../../src/mpc/frost/facts.ts'
import { randomScalar } from '../../src/mpc/frost/polynomial.ts'
import type { Suite } from '../../src/mpc/frost/suite.ts'
import { dealVss, type Terms, type VssOpening } from '../../src/mpc/frost/vss.ts'
import type { Scalar } from '../../src/mpc/group/group.ts'
import { multipleOfBase, notAnElement, order, plusOne } from './crooked.ts'
import { sessionOf } from './epochs.ts'
import { seededRandom } from './random.ts'

/** A dealing of a polynomial that begins with `constant`, or of any. */
export const dealAny = (suite: Suite, terms: Terms, seed: string, constant?: Scalar): VssOpening => {
  const random = seededRandom(seed)
  const rest = Array.from({ length: terms.length }, () => randomScalar(suite.group.field, random))
  const coefficients = constant === undefined ? rest : [constant, ...rest.slice(1)]
  return dealVss(suite, terms, coefficients, random).opening
}

type VssLie = (suite: Suite, terms: Terms, honest: VssOpening, constant: Scalar | undefined) => VssOpening

/** Lies that their dealer committed to: it opens what it hashed. The polynomial has at least two coefficients. */
export const vssLies: Record<'commitment-count' | 'commitment-point' | 'session-proof', readonly VssLie[]> = {
  'commitment-count': [
    (suite, terms, _, constant) =>
      dealAny(suite, { ...terms, length: terms.length - 1 }, 'a lower threshold', constant),
    (suite, terms, _, constant) =>
      dealAny(suite, { ...terms, length: terms.length + 1 }, 'a higher threshold', constant),
    // The honest proof beside a commitment that has lost its end.
    (_, __, [salt, commitment, proof]) => [salt, commitment.slice(0, -1), proof],
  ],
  'commitment-point': [
    (suite, _, [salt, [, ...rest], proof]) => [salt, [notAnElement(suite), ...rest], proof],
    (suite, _, [salt, commitment, proof]) => [salt, [...commitment.slice(0, -1), notAnElement(suite)], proof],
    // As the identity is written where a group has an encoding of it.
    (suite, _, [salt, commitment, proof]) => {
      const identity = new Uint8Array(suite.group.bytes)
      if (suite.id === 'frost-ed25519' || suite.id === 'frost-ed448') identity[0] = 1
      return [salt, [...commitment.slice(0, -1), identity], proof]
    },
  ],
  'session-proof': [
    (suite, _, [salt, commitment, proof]) => {
      const cut = proof.length - suite.group.field.bytes
      return [salt, commitment, concat(proof.subarray(0, cut), plusOne(suite, proof.subarray(cut)))]
    },
    (suite, _, [salt, commitment, proof]) => {
      const cut = proof.length - suite.group.field.bytes
      return [salt, commitment, concat(proof.subarray(0, cut), order(suite))]
    },
    // Dealings made for something else, committed to anew.
    (suite, terms, _, constant) => dealAny(suite, { ...terms, session: sessionOf('another') }, 'replay', constant),
    (suite, terms, _, constant) => dealAny(suite, { ...terms, dealer: (terms.dealer + 1) as Party }, 'other', constant),
    (suite, terms, _, constant) => dealAny(suite, { ...terms, context: new Uint8Array(32) }, 'base', constant),
    (suite, terms, _, constant) => {
      const protocol = terms.protocol === 'refresh' ? 'reshare' : 'refresh'
      return dealAny(suite, { ...terms, protocol }, 'protocol', constant)
    },
    // The last coefficient replaced after the proof was made.
    (suite, _, [salt, commitment, proof]) => [salt, [...commitment.slice(0, -1), multipleOfBase(suite, 7)], proof],
  ],
}

/** Opened instead of what was committed to. */
export const openingLies: readonly VssLie[] = [
  (_, __, [, ...rest]) => [new Uint8Array(32), ...rest],
  // Dealt anew, when all others' dealings are known; the proof holds.
  (suite, terms, _, constant) => dealAny(suite, terms, 'rushing', constant),
]

/** Lies about one private share. */
export const shareLies: readonly {
  readonly check: RefreshCheck
  readonly lie: (suite: Suite, share: Uint8Array) => Uint8Array
}[] = [
  { check: 'share-scalar', lie: order },
  { check: 'share-zero', lie: ({ group: { field } }) => field.encode(field.fromNumber(0)) },
  { check: 'share-commitment', lie: plusOne },
]
