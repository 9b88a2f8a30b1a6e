import * as v from 'valibot'
import type { Hash, Index, Party } from '../../lib/brand.ts'
import { fromHex, u32 } from '../../lib/bytes.ts'
import type { Random } from '../../lib/ports.ts'
import { type Codec, cborCodec } from '../../records/codec.ts'
import { bytes } from '../../records/fields.ts'
import type { Element, Scalar, ScalarField } from '../group/group.ts'
import type { KeygenContext } from '../scheme.ts'
import type { DealingCheck, ShareCheck } from './facts.ts'
import { evaluate, evaluateCommitment, randomScalar } from './polynomial.ts'
import { proofBytes, prove, proves } from './proof.ts'
import { proveKnowledge, provesKnowledge } from './proof-of-knowledge.ts'
import type { Suite } from './suite.ts'

/** Commitment to the polynomial (constant term first), proof of knowledge as RFC 9591's peers write it, and our own. */
export type Dealt = readonly [commitment: readonly Uint8Array[], proof: Uint8Array, sessionProof: Uint8Array]

export const MOST_COEFFICIENTS = 32

/** Schema and largest size of a dealing's parts. */
const dealtParts = (suite: Suite) => {
  const { group, signatureBytes } = suite
  const element = bytes(group.bytes, group.bytes)
  const own = proofBytes(suite)
  return {
    commitment: v.pipe(v.array(element), v.minLength(1), v.maxLength(MOST_COEFFICIENTS)),
    proof: bytes(signatureBytes, signatureBytes),
    sessionProof: bytes(own, own),
    most: MOST_COEFFICIENTS * (group.bytes + 2) + signatureBytes + own + 64,
  }
}

/** A dealing by itself, as the first version sent it. */
export const dealtCodec = (suite: Suite): Codec<Dealt> => {
  const { commitment, proof, sessionProof, most } = dealtParts(suite)
  return cborCodec(`${suite.id}/keygen-commitments/v1`, v.strictTuple([commitment, proof, sessionProof]), most)
}

export const SALT_BYTES = 32

/** A salt and the dealing that it hides until it is opened. */
export type Opening = readonly [salt: Uint8Array, ...Dealt]

export const openingCodec = (suite: Suite): Codec<Opening> => {
  const { commitment, proof, sessionProof, most } = dealtParts(suite)
  const schema = v.strictTuple([bytes(SALT_BYTES, SALT_BYTES), commitment, proof, sessionProof])
  return cborCodec(`${suite.id}/keygen-opening/v2`, schema, most + SALT_BYTES + 2)
}

export const shareCodec = ({ id, group }: Suite): Codec<Uint8Array> =>
  cborCodec(`${id}/keygen-share/v1`, bytes(group.field.bytes, group.field.bytes), group.field.bytes + 64)

export const newSalt = (random: Random): Uint8Array => random(SALT_BYTES)

const SESSION_PROOF = 'quorate keygen session proof v1'

const sessionBound = (
  context: KeygenContext,
  session: Hash,
  dealer: Party,
  commitment: readonly Uint8Array[],
): readonly Uint8Array[] => [fromHex(session), u32(dealer), u32(context.threshold), u32(context.parties), ...commitment]

export interface Dealing {
  readonly coefficients: readonly Scalar[]
  readonly elements: readonly Element[]
  readonly message: Dealt
}

/**
 * A random polynomial, or one with this constant term, whose value at no party's index is zero: its dealer can be held
 * to the check `share-zero`.
 */
export const drawPolynomial = (
  field: ScalarField,
  { threshold, parties }: KeygenContext,
  random: Random,
  constant?: Scalar,
): readonly Scalar[] => {
  for (;;) {
    const drawn = Array.from({ length: constant === undefined ? threshold : threshold - 1 }, () =>
      randomScalar(field, random),
    )
    const coefficients = constant === undefined ? drawn : [constant, ...drawn]
    const zero = Array.from({ length: parties }, (_, at) => {
      const share = evaluate(field, coefficients, (at + 1) as Index)
      const isZero = field.isZero(share)
      field.wipe(share)
      return isZero
    }).includes(true)
    if (!zero) return coefficients
    for (const one of drawn) field.wipe(one)
  }
}

/** A dealer's polynomial of `threshold` coefficients, the commitment to it and both proofs. */
export const deal = (
  suite: Suite,
  context: KeygenContext,
  session: Hash,
  dealer: Party,
  random: Random,
  coefficients: readonly Scalar[] = drawPolynomial(suite.group.field, context, random),
): Dealing => {
  const { group } = suite
  const elements = coefficients.map((coefficient) => group.timesBase(coefficient))
  const commitment = elements.map((element) => group.encode(element))
  const [secret] = coefficients as [Scalar]
  const [constant] = commitment as [Uint8Array]
  const proof = proveKnowledge(suite, dealer, secret, constant, random)
  const bound = sessionBound(context, session, dealer, commitment)
  return {
    coefficients,
    elements,
    message: [commitment, proof, prove(suite, SESSION_PROOF, bound, secret, random)],
  }
}

/** A peer's commitment as elements, or the first check that it fails. */
export const openDealt = (
  suite: Suite,
  context: KeygenContext,
  session: Hash,
  dealer: Party,
  [commitment, proof, sessionProof]: Dealt,
): readonly Element[] | DealingCheck => {
  if (commitment.length !== context.threshold) return 'commitment-count'
  const elements: Element[] = []
  for (const one of commitment) {
    const element = suite.group.decode(one)
    if (element === undefined) return 'commitment-point'
    elements.push(element)
  }
  const [constant] = commitment as [Uint8Array]
  const [element] = elements as [Element]
  if (!provesKnowledge(suite, dealer, constant, element, proof)) return 'proof-of-knowledge'
  const bound = sessionBound(context, session, dealer, commitment)
  if (!proves(suite, SESSION_PROOF, bound, element, sessionProof)) return 'session-proof'
  return elements
}

/** True where a share is the value that its dealer committed to. It meets only the constant-time multiplication. */
export const shareFits = (
  { group }: Suite,
  commitment: readonly Element[],
  receiver: Index,
  share: Scalar,
): boolean => {
  const expected = evaluateCommitment(group, commitment, receiver)
  return group.field.isZero(share) ? group.isIdentity(expected) : group.equals(group.timesBase(share), expected)
}

/** The check that a share fails against its dealer's commitment, if any. */
export const failedShare = (
  suite: Suite,
  commitment: readonly Element[],
  receiver: Index,
  share: Uint8Array,
): ShareCheck | undefined => {
  const { field } = suite.group
  const value = field.decode(share)
  if (value === undefined) return 'share-scalar'
  if (field.isZero(value)) return 'share-zero'
  const fits = shareFits(suite, commitment, receiver, value)
  field.wipe(value)
  return fits ? undefined : 'share-commitment'
}
