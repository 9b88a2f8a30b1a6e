import type { Hash } from '../lib/brand.ts'
import type { Random } from '../lib/ports.ts'
import type { Secret } from '../lib/secret.ts'

/** A wrapped piece and the key version that the provider says it used. */
export interface Wrapped {
  readonly provider: string
  /** The provider's own name of the key and version. */
  readonly key: string
  readonly version: string
  readonly ciphertext: Uint8Array
}

interface Capabilities {
  /** The provider authenticates the context itself. */
  readonly context: boolean
  readonly hardware: boolean
  /** One line for cards, screens and bundles (providers.ts). */
  readonly protection: string
}

/** One key in one place. The context is a hash, so that providers without associated data can be compensated. */
export interface KmsKey {
  readonly ref: { readonly provider: string; readonly key: string }
  readonly can: Capabilities
  wrap(piece: Secret, context: Hash): Promise<Wrapped>
  /** Throws E_KMS_DENIED or E_KMS_UNAVAILABLE. */
  unwrap(piece: Wrapped, context: Hash): Promise<Secret>
}

/** Parts of the machine that a provider may need to open a key. */
export interface KmsContext {
  /** Absolute path of the home that the key protects: a local key must not lie in it. */
  readonly home: string
  readonly random: Random
  /** Asked where the key lies under a passphrase, once a key version. */
  readonly passphrase?: () => Promise<Secret>
  /** For a provider without an SDK that looks for its credentials itself. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

export interface KmsProvider {
  /** Asks nobody yet, where the key lies elsewhere. Throws E_KMS_DENIED, E_KMS_UNAVAILABLE or E_PASSPHRASE. */
  open(key: string, context: KmsContext): Promise<KmsKey>
  /** Makes the key where there is none, if the provider lets a site do so; true where it was made. */
  ensure(key: string, context: KmsContext): Promise<boolean>
}
