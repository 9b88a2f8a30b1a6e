import type { Hash, Identity, KeyHex } from '../lib/brand.ts'
import { DecodeError } from '../records/codec.ts'
import { type Certificate, certificateCodec, type Purpose } from '../records/identity.ts'
import { decodeEnvelope, type Signed, type Signer } from '../records/signed.ts'
import { fromEnvelope } from './dsse.ts'
import { parseIdentity } from './identity.ts'

/** `identity` says what `key` is for. Home keys have no authority and no expiry; a join's keys have both. */
export const certify = (
  signer: Signer,
  identity: Identity,
  purpose: Purpose,
  key: KeyHex,
  join?: { readonly authority: Hash; readonly expires: number },
): Promise<Signed<Certificate>> =>
  signer.sign(certificateCodec, {
    identity,
    purpose,
    key,
    authority: join?.authority ?? null,
    expires: join?.expires ?? null,
  })

/** The identity that a certificate names. Nothing is verified. Throws DecodeError. */
export const namedIn = (envelope: Uint8Array): Identity =>
  certificateCodec.decode(decodeEnvelope(envelope, certificateCodec.limit).payload).identity

/**
 * The certificate in a DSSE envelope, signed by the identity that it names, for exactly this purpose and authority (null:
 * a key made with the home). Throws DecodeError. Expiry is for the caller: it limits only when an attempt begins.
 */
export const readCertificate = (
  envelope: Uint8Array,
  identity: Identity,
  purpose: Purpose,
  authority: Hash | null,
): Signed<Certificate> => {
  const signer = parseIdentity(identity)
  if (signer === undefined) throw new DecodeError('key-certificate/v1: not an identity')
  const certificate = fromEnvelope(certificateCodec, envelope, [signer.key])
  const { value } = certificate
  if (value.identity !== identity) throw new DecodeError("key-certificate/v1: another identity's")
  if (value.purpose !== purpose) throw new DecodeError('key-certificate/v1: for another purpose')
  if (value.authority !== authority) throw new DecodeError('key-certificate/v1: for another ceremony')
  if ((authority === null) !== (value.expires === null))
    throw new DecodeError('key-certificate/v1: a key of a join expires, a key of the home does not')
  return certificate
}
