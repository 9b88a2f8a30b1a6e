import * as v from 'valibot'
import type { Hash, KeyHex, SiteId } from '../lib/brand.ts'
import { concat, fromBase64, toBase64, utf8 } from '../lib/bytes.ts'
import { fromCanonicalJson, toCanonicalJson } from '../lib/canonical.ts'
import { hashOf } from '../lib/hash.ts'
import { type Codec, conform, DecodeError, parsed } from './codec.ts'

/** A record, its exact bytes, and one signature over DSSE's pre-authentication encoding of both. */
export interface Signed<T> {
  readonly type: string
  readonly bytes: Uint8Array
  readonly value: T
  readonly key: KeyHex
  readonly signature: Uint8Array
}

/** Signs typed records for one purpose, never bytes from outside; async, since the key may be remote. */
export interface Signer {
  readonly site: SiteId
  readonly key: KeyHex
  sign<T>(codec: Codec<T>, value: T): Promise<Signed<T>>
}

/** `application/vnd.quorate.hello.v1+json` of `hello/v1`; the manifest keeps in-toto's own. */
export const payloadType = (type: string): string =>
  type.startsWith('application/') ? type : `application/vnd.quorate.${type.replace('/', '.')}+json`

/** DSSE v1 pre-authentication encoding: the bytes that are signed. */
export const pae = (type: string, payload: Uint8Array): Uint8Array => {
  const name = utf8(type)
  return concat(utf8(`DSSEv1 ${name.length} `), name, utf8(` ${payload.length} `), payload)
}

const envelopeSchema = v.strictObject({
  payload: v.string(),
  payloadType: v.string(),
  signatures: v.strictTuple([v.strictObject({ keyid: v.string(), sig: v.string() })]),
})

/** A DSSE envelope with one signature, before its signature is verified. `keyid` only says which key to try. */
export interface Envelope {
  readonly type: string
  readonly payload: Uint8Array
  readonly keyid: string
  readonly signature: Uint8Array
}

/** Canonical JSON of a DSSE envelope: how a signed record is stored and sent. */
export const encodeEnvelope = (envelope: Envelope): Uint8Array =>
  toCanonicalJson({
    payload: toBase64(envelope.payload),
    payloadType: envelope.type,
    signatures: [{ keyid: envelope.keyid, sig: toBase64(envelope.signature) }],
  })

/** Throws DecodeError. The limit is on the payload. */
export const decodeEnvelope = (bytes: Uint8Array, limit: number): Envelope => {
  if (bytes.length > limit * 2 + 1024) throw new DecodeError(`envelope: ${bytes.length} bytes, too many`)
  const value = parsed('envelope', 'JSON', () => fromCanonicalJson(bytes))
  const { payload, payloadType: type, signatures } = conform('envelope', envelopeSchema, value)
  return parsed('envelope', 'base64', () => {
    const signature = fromBase64(signatures[0].sig)
    if (signature.length !== 64) throw new RangeError('signature is not 64 bytes')
    return { type, payload: fromBase64(payload), keyid: signatures[0].keyid, signature }
  })
}

/**
 * The name of a signed record: the hash of what was signed, so that a second signature over it is not a second record.
 */
export const recordHash = (signed: { readonly bytes: Uint8Array }): Hash => hashOf(signed.bytes)
