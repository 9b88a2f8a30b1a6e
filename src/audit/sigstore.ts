import * as v from 'valibot'
import { keyId } from '../identity/dsse.ts'
import { verifyEd25519 } from '../identity/ed25519.ts'
import type { KeyHex } from '../lib/brand.ts'
import { equal, toBase64 } from '../lib/bytes.ts'
import { fromCanonicalJson, toCanonicalJson } from '../lib/canonical.ts'
import { DecodeError } from '../records/codec.ts'
import { decodeEnvelope, pae } from '../records/signed.ts'

/** Payload type of every manifest: DSSE names in-toto statements so. */
export const IN_TOTO = 'application/vnd.in-toto+json'
const MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json'

/**
 * A signed statement as a Sigstore bundle (v0.3) with a bare key: canonical JSON of a DSSE envelope and, as a hint, the
 * key's id in the OpenSSH form that cosign, sigstore-go and @sigstore/verify take.
 */
export const encodeSigstore = (statement: Uint8Array, key: KeyHex, signature: Uint8Array): Uint8Array =>
  toCanonicalJson({
    mediaType: MEDIA_TYPE,
    verificationMaterial: { publicKey: { hint: keyId(key) }, tlogEntries: [] },
    dsseEnvelope: {
      payload: toBase64(statement),
      payloadType: IN_TOTO,
      signatures: [{ keyid: keyId(key), sig: toBase64(signature) }],
    },
  })

const schema = v.strictObject({
  mediaType: v.literal(MEDIA_TYPE),
  verificationMaterial: v.strictObject({
    publicKey: v.strictObject({ hint: v.string() }),
    tlogEntries: v.strictTuple([]),
  }),
  dsseEnvelope: v.unknown(),
})

/** True of a signature as `encodeSigstore` takes it. */
export const signsStatement = (statement: Uint8Array, key: KeyHex, signature: Uint8Array): boolean =>
  verifyEd25519(key, pae(IN_TOTO, statement), signature)

/** The signature of a Sigstore bundle over exactly this statement by `key`. Throws DecodeError on anything else. */
export const openSigstore = (bytes: Uint8Array, statement: Uint8Array, key: KeyHex): Uint8Array => {
  let envelope: ReturnType<typeof decodeEnvelope>
  try {
    const { dsseEnvelope } = v.parse(schema, fromCanonicalJson(bytes))
    envelope = decodeEnvelope(toCanonicalJson(dsseEnvelope), statement.length)
  } catch {
    throw new DecodeError('manifest signature: not a Sigstore bundle of the kind that is written here')
  }
  if (!equal(envelope.payload, statement)) throw new DecodeError('manifest signature: over another manifest')
  if (!equal(encodeSigstore(statement, key, envelope.signature), bytes))
    throw new DecodeError('manifest signature: of another key')
  if (!signsStatement(statement, key, envelope.signature)) throw new DecodeError('manifest signature: does not verify')
  return envelope.signature
}
