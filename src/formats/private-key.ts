import { createHash } from 'node:crypto'
import { createBase58check } from '@scure/base'
import { concat, toHex } from '../lib/bytes.ts'
import type { ProtocolId } from '../records/definition-fields.ts'
import { protocols } from '../records/protocols.ts'

/** Forms in which the users of a curve take a whole secret key. They are strings: they cannot be wiped. */
interface PrivateKeyForms {
  /** The scalar in the curve's own byte order. */
  readonly hex: string
  /** Byte order and meaning of `hex`, in words. */
  readonly means: string
  /** Wallet import format for a compressed key on Bitcoin's main network; null on another curve. */
  readonly wif: string | null
}

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest())

/** Version 0x80, and 0x01 at the end: the public key is compressed. */
const wifOf = (scalar: Uint8Array): string =>
  createBase58check(sha256).encode(concat(new Uint8Array([0x80]), scalar, new Uint8Array([0x01])))

const MEANS = {
  ed25519:
    'a raw scalar, little-endian, and NOT a seed (RFC 8032): tools that hash a seed first make another key of it; sign with a library that takes the scalar',
  ed448: 'a raw scalar, little-endian, and NOT a seed (RFC 8032)',
  raw: 'a scalar of ristretto255, little-endian',
  p256: 'the private key, big-endian (SEC 1)',
  secp256k1: 'the private key, big-endian (SEC 1)',
  bip340:
    'the private key of the output key, big-endian, tweaked already (BIP-341): import it as rawtr(WIF), and never as tr(WIF), which tweaks it again',
} as const

/** `scalar` is the key as a share is encoded. */
export const privateKeyForms = (protocol: ProtocolId, scalar: Uint8Array): PrivateKeyForms => {
  const { keyForm } = protocols[protocol]
  const wif = keyForm === 'bip340' || keyForm === 'secp256k1' ? wifOf(scalar) : null
  return { hex: toHex(scalar), means: MEANS[keyForm], wif }
}
