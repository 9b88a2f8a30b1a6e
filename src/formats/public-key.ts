import { ECDH } from 'node:crypto'
import { concat, fromHex, toBase64, toHex, u32, utf8 } from '../lib/bytes.ts'
import type { ProtocolId } from '../records/definition-fields.ts'
import { protocols } from '../records/protocols.ts'

/** Every form in which users of this kind of key want it; null where the curve has none. */
export interface PublicKeyForms {
  /** As its users show it: 32 bytes x-only for BIP-340, the curve's own encoding elsewhere. */
  readonly hex: string
  /** SubjectPublicKeyInfo (RFC 8410, RFC 5480), uncompressed where the curve has compression. */
  readonly pem: string | null
  /** One line of authorized_keys (RFC 8709, RFC 5656). */
  readonly openssh: string | null
  /** BIP-340. Of taproot: the output key, not the internal one. */
  readonly xOnly: string | null
}

/** Algorithm identifiers up to and with the BIT STRING's count of unused bits. */
const SPKI = {
  ed25519: '302a300506032b6570032100',
  ed448: '3043300506032b6571033a00',
  p256: '3059301306072a8648ce3d020106082a8648ce3d030107034200',
  secp256k1: '3056301006072a8648ce3d020106052b8104000a034200',
}

const pem = (prefix: string, key: Uint8Array): string => {
  const lines = toBase64(concat(fromHex(prefix), key)).match(/.{1,64}/g) ?? []
  return `-----BEGIN PUBLIC KEY-----\n${lines.join('\n')}\n-----END PUBLIC KEY-----\n`
}

const uncompressed = (curve: 'prime256v1' | 'secp256k1', hex: string): Uint8Array =>
  fromHex(ECDH.convertKey(hex, curve, 'hex', 'hex', 'uncompressed').toString())

const openssh = (comment: string, type: string, ...parts: readonly Uint8Array[]): string => {
  const fields = [utf8(type), ...parts].map((part) => concat(u32(part.length), part))
  return `${type} ${toBase64(concat(...fields))} ${comment}`
}

/** `hex` is the key as the outcome holds it; `name` becomes OpenSSH's comment. Throws RangeError on another curve's key. */
export const publicKeyForms = (protocol: ProtocolId, hex: string, name: string): PublicKeyForms => {
  const key = fromHex(hex)
  const none = { pem: null, openssh: null, xOnly: null }
  switch (protocols[protocol].keyForm) {
    case 'ed25519':
      return { hex, pem: pem(SPKI.ed25519, key), openssh: openssh(name, 'ssh-ed25519', key), xOnly: null }
    case 'ed448':
      return { ...none, hex, pem: pem(SPKI.ed448, key) }
    case 'p256': {
      const point = uncompressed('prime256v1', hex)
      const line = openssh(name, 'ecdsa-sha2-nistp256', utf8('nistp256'), point)
      return { hex, pem: pem(SPKI.p256, point), openssh: line, xOnly: null }
    }
    case 'secp256k1':
      return { ...none, hex, pem: pem(SPKI.secp256k1, uncompressed('secp256k1', hex)) }
    case 'bip340': {
      const xOnly = toHex(key.length === 33 ? key.subarray(1) : key)
      return { ...none, hex: xOnly, xOnly }
    }
    case 'raw':
      return { ...none, hex }
  }
}

/** The part that people compare: two groups from each end. */
export const shortKey = (hex: string): string => `${hex.slice(0, 4)} ${hex.slice(4, 8)} … ${hex.slice(-4)}`
