import { createHash } from 'node:crypto'
import type { KeyHex } from '../lib/brand.ts'
import { concat, fromHex, u32, utf8 } from '../lib/bytes.ts'
import { type Codec, DecodeError, versionsOf } from '../records/codec.ts'
import { decodeEnvelope, type Envelope, encodeEnvelope, pae, payloadType, type Signed } from '../records/signed.ts'
import { verifyEd25519 } from './ed25519.ts'

const field = (bytes: Uint8Array): Uint8Array => concat(u32(bytes.length), bytes)

/** `SHA256:…` of the OpenSSH key blob, unpadded base64: the one form that cosign, sigstore and securesystemslib all take. */
export const keyId = (key: KeyHex): string => {
  const blob = concat(field(utf8('ssh-ed25519')), field(fromHex(key)))
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`
}

/** DSSE envelope bytes of a signed record. */
export const toEnvelope = (signed: Signed<unknown>): Uint8Array =>
  encodeEnvelope({
    type: payloadType(signed.type),
    payload: signed.bytes,
    keyid: keyId(signed.key),
    signature: signed.signature,
  })

/**
 * The record in a DSSE envelope, verified under one of `keys`. `keyid` only chooses which key is tried first. Throws
 * DecodeError where the envelope, the type, the signature or the record is wrong.
 */
export const fromEnvelope = <T>(codec: Codec<T>, bytes: Uint8Array, keys: readonly KeyHex[]): Signed<T> =>
  verified(codec, decodeEnvelope(bytes, codec.limit), keys)

const verified = <T>(codec: Codec<T>, envelope: Envelope, keys: readonly KeyHex[]): Signed<T> => {
  const reader = versionsOf(codec).find(({ type }) => envelope.type === payloadType(type))
  if (reader === undefined) throw new DecodeError(`${codec.type}: envelope of another type`)
  const message = pae(envelope.type, envelope.payload)
  const key = keys.find((one) => keyId(one) === envelope.keyid && verifyEd25519(one, message, envelope.signature))
  if (key === undefined) throw new DecodeError(`${codec.type}: signed by none of the keys allowed`)
  return {
    type: reader.type,
    bytes: envelope.payload,
    value: reader.decode(envelope.payload),
    key,
    signature: envelope.signature,
  }
}

/**
 * A signed record under the key that its envelope names. `keyOf` finds a key by its id among those allowed: it costs one
 * signature check, however many there are. Throws DecodeError.
 */
export const openRecord = <T>(
  codec: Codec<T>,
  bytes: Uint8Array,
  keyOf: (keyid: string) => KeyHex | undefined,
): Signed<T> => {
  const envelope = decodeEnvelope(bytes, codec.limit)
  const key = keyOf(envelope.keyid)
  return verified(codec, envelope, key === undefined ? [] : [key])
}
