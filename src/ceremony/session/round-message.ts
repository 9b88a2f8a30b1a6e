import { type RawSigner, verifyEd25519 } from '../../identity/ed25519.ts'
import type { Hash, KeyHex, Party } from '../../lib/brand.ts'
import { equal, fromHex } from '../../lib/bytes.ts'
import { tupleHash } from '../../lib/hash.ts'
import { DecodeError } from '../../records/codec.ts'
import { headerCodec, messageCodec, type RoundHeader } from '../../records/round.ts'
import { pae } from '../../records/signed.ts'

/** One signed message of a session: `to` 0 is a broadcast. `payload` is undefined where only the header is known. */
export interface SignedMessage {
  readonly protocol: string
  readonly session: Uint8Array
  readonly round: string
  readonly from: Party
  readonly to: number
  readonly length: number
  readonly digest: Uint8Array
  readonly headerBytes: Uint8Array
  readonly signature: Uint8Array
  readonly payload: Uint8Array | undefined
  /** The whole message, as it is sent and shown as evidence. */
  readonly bytes: Uint8Array
  /** Header and signature only: what logs keep of a private message. */
  readonly stripped: Uint8Array
}

const HEADER = 'application/vnd.quorate.round-header.v1+cbor'
const NONE = new Uint8Array(0)

const payloadDigest = (salt: Uint8Array, payload: Uint8Array): Uint8Array =>
  tupleHash('quorate payload v1', salt, payload)

export const sessionBytes = (session: Hash): Uint8Array => fromHex(session)

const post = (
  header: RoundHeader,
  headerBytes: Uint8Array,
  signature: Uint8Array,
  payload: Uint8Array | undefined,
  salt: Uint8Array,
): SignedMessage => {
  const [protocol, session, round, from, to, length, digest] = header
  const stripped = messageCodec.encode([headerBytes, signature, NONE, NONE])
  const bytes = payload === undefined ? stripped : messageCodec.encode([headerBytes, signature, payload, salt])
  return { protocol, session, round, from, to, length, digest, headerBytes, signature, payload, bytes, stripped }
}

/** Signs one message. A private one (`to` not 0) takes a salt of 32 bytes, so that its logged header tells nothing. */
export const signMessage = (
  signer: RawSigner,
  head: {
    readonly protocol: string
    readonly session: Uint8Array
    readonly round: string
    readonly from: Party
    readonly to: number
  },
  payload: Uint8Array,
  salt: Uint8Array,
): SignedMessage => {
  const header: RoundHeader = [
    head.protocol,
    head.session,
    head.round,
    head.from,
    head.to,
    payload.length,
    payloadDigest(salt, payload),
  ]
  const headerBytes = headerCodec.encode(header)
  return post(header, headerBytes, signer.sign(pae(HEADER, headerBytes)), payload, salt)
}

/**
 * Reads a message; the signature is not verified yet. A payload that is not the one in the header leaves only the header:
 * nobody signed such a pair. Throws DecodeError.
 */
export const readSignedMessage = (bytes: Uint8Array): SignedMessage => {
  const [headerBytes, signature, payload, salt] = messageCodec.decode(bytes)
  const header = headerCodec.decode(headerBytes)
  const [, , , from, to, length, digest] = header
  if (from === to) throw new DecodeError('round-message/v1: to its own sender')
  if ((to === 0) !== (salt.length === 0) && payload.length > 0)
    throw new DecodeError('round-message/v1: salt does not fit')
  const whole = payload.length === length && equal(payloadDigest(salt, payload), digest)
  return post(header, headerBytes, signature, whole ? payload : undefined, salt)
}

export const readStripped = (headerBytes: Uint8Array, signature: Uint8Array): SignedMessage =>
  post(headerCodec.decode(headerBytes), headerBytes, signature, undefined, NONE)

export const signedBy = (one: Pick<SignedMessage, 'headerBytes' | 'signature'>, key: KeyHex): boolean =>
  verifyEd25519(key, pae(HEADER, one.headerBytes), one.signature)
