import { hkdfSync } from 'node:crypto'
import { concat, utf8 } from '../../lib/bytes.ts'
import { tupleHash } from '../../lib/hash.ts'
import type { Random } from '../../lib/ports.ts'
import type { Element, Scalar } from '../group/group.ts'
import { plusProduct, randomScalar } from './polynomial.ts'
import { type Suite, schnorrHolds } from './suite.ts'

/**
 * Schnorr proofs of knowledge of a discrete logarithm whose challenge hashes a label, the suite and a tuple of everything
 * that the proof is bound to, each part with its length. Encoded as nonce element and response.
 */
const challengeOf = (suite: Suite, label: string, bound: readonly Uint8Array[], nonce: Uint8Array): Scalar => {
  const seed = tupleHash(label, utf8(suite.id), ...bound, nonce)
  return suite.group.field.reduce(
    new Uint8Array(hkdfSync('sha512', seed, '', 'quorate challenge', suite.group.field.wideBytes)),
  )
}

export const proofBytes = ({ group }: Suite): number => group.bytes + group.field.bytes

/** `bound` holds the encoding of secret·G and the proof's context. */
export const prove = (
  suite: Suite,
  label: string,
  bound: readonly Uint8Array[],
  secret: Scalar,
  random: Random,
): Uint8Array => {
  const { group } = suite
  const k = randomScalar(group.field, random)
  const nonce = group.encode(group.timesBase(k))
  const challenge = challengeOf(suite, label, bound, nonce)
  const response = plusProduct(group.field, k, challenge, secret)
  group.field.wipe(k)
  return concat(nonce, group.field.encode(response))
}

export const proves = (
  suite: Suite,
  label: string,
  bound: readonly Uint8Array[],
  element: Element,
  proof: Uint8Array,
): boolean => {
  const { group } = suite
  if (proof.length !== proofBytes(suite)) return false
  const nonce = proof.subarray(0, group.bytes)
  const response = group.field.decode(proof.subarray(group.bytes))
  if (response === undefined) return false
  return schnorrHolds(suite, nonce, challengeOf(suite, label, bound, nonce), element, response)
}
