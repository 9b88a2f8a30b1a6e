import type { Identity, SiteId } from '../lib/brand.ts'
import type { Secret } from '../lib/secret.ts'
import type { Codec } from '../records/codec.ts'
import type { Signed, Signer } from '../records/signed.ts'
import { type RawSigner, rawSigner, recordSigner } from './ed25519.ts'

/** The long-lived key of a home, in memory while it is needed. */
export interface IdentityKey {
  readonly identity: Identity
  /** Signs cards, approvals, key certificates, manifests, reports of rehearsals and drills, heads; throws TypeError for any other type. */
  readonly signer: Signer
}

/** A signer of these record types only: one purpose, one key. */
export const limitedSigner = (site: SiteId, raw: RawSigner, types: readonly string[]): Signer => {
  const signer = recordSigner(site, raw)
  return {
    ...signer,
    async sign<T>(codec: Codec<T>, value: T): Promise<Signed<T>> {
      if (!types.includes(codec.type)) throw new TypeError(`this key does not sign ${codec.type}`)
      return signer.sign(codec, value)
    },
  }
}

/** Types that an identity signs, by its role; the manifest keeps in-toto's own type. */
const relayTypes = ['relay-challenge/v1', 'key-certificate/v1']
const siteTypes = [
  'card/v1',
  'approval/v1',
  'key-certificate/v1',
  'application/vnd.in-toto+json',
  'rehearsal/v1',
  'drill/v1',
  'key-head/v1',
]

/** Wipes the seed: the key lives on only inside the signer. */
export const identityKey = (identity: Identity, name: SiteId, seed: Secret): IdentityKey => {
  const raw = rawSigner(seed)
  seed.wipe()
  return { identity, signer: limitedSigner(name, raw, identity.startsWith('qrelay1') ? relayTypes : siteTypes) }
}
