import { verifyEd25519 } from '../../identity/ed25519.ts'
import type { KeyHex } from '../../lib/brand.ts'
import { concat, equal, toHex } from '../../lib/bytes.ts'
import { type Suite, type SuiteId, schnorrHolds, splitSignature, suiteOf, xOnly } from './suite.ts'

/** The one encoding of edwards25519's identity. */
const IDENTITY = Uint8Array.of(1, ...new Uint8Array(31))
/** BIP-340's lift_x: a key is its x alone, or compressed with either Y. */
const evenKey = (publicKey: Uint8Array): Uint8Array => {
  const compressed = publicKey.length === 33 && (publicKey[0] === 2 || publicKey[0] === 3)
  return concat(Uint8Array.of(2), compressed ? xOnly(publicKey) : publicKey)
}

/** Strict verification of a finished signature over one backend. */
export const verify = (suite: Suite, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
  if (signature.length !== suite.signatureBytes) return false
  if (suite.id === 'frost-ed25519') {
    // Cofactorless, and with a key of prime order as strict as the equation below, but faster. OpenSSL takes the identity as R.
    const isIdentity = equal(signature.subarray(0, IDENTITY.length), IDENTITY)
    return !isIdentity && verifyEd25519(toHex(publicKey) as KeyHex, message, signature)
  }
  const encoded = suite.evenY ? evenKey(publicKey) : publicKey
  const key = suite.group.decode(encoded)
  const split = splitSignature(suite, signature)
  if (key === undefined || split === undefined) return false
  return schnorrHolds(suite, split.nonce, suite.challenge(split.nonce, encoded, message), key, split.response)
}

/**
 * True where a finished signature is valid. Keys and nonces are canonical, of prime order and not the identity; no
 * cofactor is cleared; BIP-340 is as the BIP has it and takes the key compressed or as x only. Never throws.
 */
export const verifySignature = (
  id: SuiteId,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean => verify(suiteOf(id), publicKey, message, signature)
