import { x25519 } from '@noble/curves/ed25519.js'
import type { Hash, KeyHex } from '../lib/brand.ts'
import { toHex } from '../lib/bytes.ts'
import type { Random } from '../lib/ports.ts'
import { Secret } from '../lib/secret.ts'
import type { Certificate } from '../records/identity.ts'
import type { Signed } from '../records/signed.ts'
import { certify } from './certificate.ts'
import { type RawSigner, rawSigner } from './ed25519.ts'
import type { IdentityKey } from './identity-key.ts'

/** Keys of one join: never written, and useless for any other ceremony. */
export interface JoinKeys {
  readonly channel: {
    /** X25519 scalar bytes, RFC 7748. */
    readonly secret: Secret
    readonly key: KeyHex
    readonly certificate: Signed<Certificate>
  }
  readonly message: { readonly raw: RawSigner; readonly certificate: Signed<Certificate> }
}

/** `expires` in milliseconds since 1970: after it no attempt begins under these keys. */
export const joinKeys = async (
  { identity, signer }: IdentityKey,
  authority: Hash,
  expires: number,
  random: Random,
): Promise<JoinKeys> => {
  const secret = new Secret(random(32))
  const key = toHex(x25519.getPublicKey(secret.reveal())) as KeyHex
  const seed = new Secret(random(32))
  const raw = rawSigner(seed)
  seed.wipe()
  const join = { authority, expires }
  return {
    channel: { secret, key, certificate: await certify(signer, identity, 'channel', key, join) },
    message: { raw, certificate: await certify(signer, identity, 'message', raw.key, join) },
  }
}
