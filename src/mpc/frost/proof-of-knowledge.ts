import type { Party } from '../../lib/brand.ts'
import { concat } from '../../lib/bytes.ts'
import type { Random } from '../../lib/ports.ts'
import type { Element, Scalar } from '../group/group.ts'
import { plusProduct, randomScalar } from './polynomial.ts'
import { encodeSignature, hasOddY, type Suite, schnorrHolds, splitSignature, xOnly } from './suite.ts'

/** HDKG(index, φ0, R): RFC 9591 leaves key generation to the FROST paper; the crates of the Zcash Foundation fix this form. */
const knowledgeChallenge = (suite: Suite, dealer: Party, constant: Uint8Array, nonce: Uint8Array): Scalar => {
  const { field } = suite.group
  return suite.hdkg(concat(field.encode(field.fromNumber(dealer)), constant, nonce))
}

/** The proof of knowledge of a constant term that noble and the Zcash Foundation's crates exchange. It names no session: a replay passes. */
export const proveKnowledge = (
  suite: Suite,
  dealer: Party,
  secret: Scalar,
  constant: Uint8Array,
  random: Random,
): Uint8Array => {
  const { group, evenY } = suite
  const { field } = group
  const drawn = randomScalar(field, random)
  const encoded = group.encode(group.timesBase(drawn))
  const odd = evenY && hasOddY(encoded)
  const k = odd ? field.subtract(field.fromNumber(0), drawn) : drawn
  const nonce = odd ? concat(Uint8Array.of(2), xOnly(encoded)) : encoded
  const challenge = knowledgeChallenge(suite, dealer, constant, nonce)
  const proof = encodeSignature(suite, nonce, plusProduct(field, k, challenge, secret))
  field.wipe(drawn)
  field.wipe(k)
  return proof
}

export const provesKnowledge = (
  suite: Suite,
  dealer: Party,
  constant: Uint8Array,
  element: Element,
  proof: Uint8Array,
): boolean => {
  const split = splitSignature(suite, proof)
  if (split === undefined) return false
  const challenge = knowledgeChallenge(suite, dealer, constant, split.nonce)
  return schnorrHolds(suite, split.nonce, challenge, element, split.response)
}
