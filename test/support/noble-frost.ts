import type { FROST } from '@noble/curves/abstract/frost.js'
import { ed448_FROST } from '@noble/curves/ed448.js'
import { ed25519_FROST, ristretto255_FROST } from '@noble/curves/ed25519.js'
import { p256_FROST } from '@noble/curves/nist.js'
import { schnorr_FROST, secp256k1_FROST } from '@noble/curves/secp256k1.js'
import type { ProtocolId } from '../../src/records/definition-fields.ts'

/** noble's own FROST of each protocol: what ours must agree with byte for byte. */
export const nobleFrost: Readonly<Record<ProtocolId, FROST>> = {
  'frost-ed25519': ed25519_FROST,
  'frost-ed448': ed448_FROST,
  'frost-p256': p256_FROST,
  'frost-ristretto255': ristretto255_FROST,
  'frost-secp256k1': secp256k1_FROST,
  'frost-secp256k1-tr': schnorr_FROST,
}
