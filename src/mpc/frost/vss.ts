import * as v from 'valibot'
import type { Hash, Index, Party } from '../../lib/brand.ts'
import { equal, fromHex, u32, utf8 } from '../../lib/bytes.ts'
import { tupleHash } from '../../lib/hash.ts'
import type { Random } from '../../lib/ports.ts'
import { bytes } from '../../records/fields.ts'
import type { Element, Scalar } from '../group/group.ts'
import { failedShare, MOST_COEFFICIENTS, newSalt, SALT_BYTES } from './dealing.ts'
import type { RefreshCheck, ShareCheck } from './facts.ts'
import { evaluateCommitment } from './polynomial.ts'
import { proofBytes, prove, proves } from './proof.ts'
import type { Scratch } from './scratch.ts'
import type { Suite } from './suite.ts'

/** Everything that one dealing for an existing key is bound to. */
export interface Terms {
  readonly protocol: 'refresh' | 'reshare'
  readonly session: Hash
  readonly dealer: Party
  /** Of the polynomial: exactly so many, or the threshold would become another one. */
  readonly length: number
  /** Hash of all public facts that the dealing rests on. */
  readonly context: Uint8Array
}

/** Of a hash that stands for what will be opened. */
export const HASH_BYTES = 32

/** A salt, the commitment to the polynomial (constant term first) and a proof of knowledge of its constant term. */
export type VssOpening = readonly [salt: Uint8Array, commitment: readonly Uint8Array[], proof: Uint8Array]

/** Schema and largest size of an opening. */
export const vssOpening = (suite: Suite) => {
  const { bytes: size } = suite.group
  const own = proofBytes(suite)
  return {
    schema: v.strictTuple([
      bytes(SALT_BYTES, SALT_BYTES),
      v.pipe(v.array(bytes(size, size)), v.minLength(1), v.maxLength(MOST_COEFFICIENTS)),
      bytes(own, own),
    ]),
    most: SALT_BYTES + MOST_COEFFICIENTS * (size + 2) + own + 64,
  }
}

const boundTo = ({ session, dealer, length, context }: Terms): readonly Uint8Array[] => [
  fromHex(session),
  u32(dealer),
  u32(length),
  context,
]

const proofLabel = ({ protocol }: Terms): string => `quorate ${protocol} session proof v1`

/** Hides by the salt, binds by SHA-256: to everything that is opened and to its terms. */
export const vssHash = (suite: Suite, terms: Terms, [salt, commitment, proof]: VssOpening): Uint8Array =>
  tupleHash(
    `quorate ${terms.protocol} dealing v1`,
    utf8(suite.id),
    ...boundTo(terms),
    salt,
    tupleHash('commitment', ...commitment),
    proof,
  )

/**
 * Feldman's commitment to a polynomial, and our proof: the FROST paper's, which can be replayed, is for keygen's peers
 * alone.
 */
export const dealVss = (
  suite: Suite,
  terms: Terms,
  coefficients: readonly Scalar[],
  random: Random,
): { readonly elements: readonly Element[]; readonly opening: VssOpening } => {
  const elements = coefficients.map((coefficient) => suite.group.timesBase(coefficient))
  const commitment = elements.map((element) => suite.group.encode(element))
  const [constant] = coefficients as [Scalar]
  const proof = prove(suite, proofLabel(terms), [...boundTo(terms), ...commitment], constant, random)
  return { elements, opening: [newSalt(random), commitment, proof] }
}

/** A peer's commitment as elements, or the first check that its first two messages fail. */
export const openVss = (
  suite: Suite,
  terms: Terms,
  committed: Uint8Array,
  opening: VssOpening,
): readonly Element[] | RefreshCheck => {
  if (!equal(vssHash(suite, terms, opening), committed)) return 'opening'
  const [, commitment, proof] = opening
  if (commitment.length !== terms.length) return 'commitment-count'
  const elements: Element[] = []
  for (const one of commitment) {
    const element = suite.group.decode(one)
    if (element === undefined) return 'commitment-point'
    elements.push(element)
  }
  const [constant] = elements as [Element]
  const bound = [...boundTo(terms), ...commitment]
  return proves(suite, proofLabel(terms), bound, constant, proof) ? elements : 'session-proof'
}

/** One receiver's shares and what it can hold them against. */
interface Received {
  readonly receiver: Index
  /** Of its own dealing, where it has one. */
  readonly own: Scalar | undefined
  /** Of the other dealers. */
  readonly shares: ReadonlyMap<Party, Uint8Array>
  readonly commitments: ReadonlyMap<Party, readonly Element[]>
  /** Sum of all commitments. */
  readonly total: readonly Element[]
}

/**
 * The sum of a receiver's shares, or the first dealer whose share does not fit its commitment. The sum is checked; each
 * share by itself only where the sum does not hold: nothing but the sum is ever used.
 */
export const sumShares = (
  suite: Suite,
  { receiver, own, shares, commitments, total }: Received,
  scratch: Scratch,
): { readonly sum: Scalar } | { readonly dealer: Party; readonly check: ShareCheck } => {
  const { group } = suite
  const { field } = group
  const scalars = [...shares.values()].map((share) => field.decode(scratch.encoding(share)))
  let sum = own ?? scratch.scalar(field.fromNumber(0))
  for (const share of scalars) if (share !== undefined) sum = scratch.scalar(field.add(sum, scratch.scalar(share)))
  const expected = evaluateCommitment(group, total, receiver)
  const whole = scalars.every((share) => share !== undefined && !field.isZero(share))
  if (whole && !field.isZero(sum) && group.equals(group.timesBase(sum), expected)) return { sum }
  for (const [dealer, share] of shares) {
    const check = failedShare(suite, commitments.get(dealer) as readonly Element[], receiver, share)
    if (check !== undefined) return { dealer, check }
  }
  // Each share holds, so their sum is the sum's share: zero, where the commitments say so.
  if (!group.isIdentity(expected)) throw new Error('shares that all hold have a sum that does not')
  return { sum }
}
