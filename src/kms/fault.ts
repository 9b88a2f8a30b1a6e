import { loadOptional } from '../lib/call.ts'
import { type ErrorCode, QuorateError } from '../lib/errors.ts'

/** Faults by what happened at a provider, whatever the provider calls it. */
const faults = {
  refused: [
    'E_KMS_DENIED',
    'refuses this site',
    'let this site use it (docs/kms.md names the rights that it needs), then run the same command again',
  ],
  'wrong key': [
    'E_KMS_DENIED',
    'does not open this piece',
    'name the key under which this shard was sealed in site.yaml, then run the same command again',
  ],
  unfit: ['E_KMS_UNAVAILABLE', 'takes no such request', 'make a key as docs/kms.md says, and name that one'],
  missing: [
    'E_KMS_UNAVAILABLE',
    'is not there',
    'look for it at the provider, and write its name into site.yaml as it is there',
  ],
  ambiguous: [
    'E_KMS_UNAVAILABLE',
    'is not one key',
    'write its name into site.yaml so that it fits one alone, then run the same command again',
  ],
  disabled: [
    'E_KMS_UNAVAILABLE',
    'is disabled, or is about to be deleted',
    'enable it at the provider, then run the same command again',
  ],
  throttled: ['E_KMS_UNAVAILABLE', 'is asked too often', 'run the same command again later'],
  unreachable: ['E_KMS_UNAVAILABLE', 'cannot be reached', 'look at network and credentials, then run it again'],
  'wrong answer': [
    'E_KMS_UNAVAILABLE',
    'was not the one that answered, or its answer was changed on the way',
    'run it again; if it stays so, ask whoever runs the provider and the network between',
  ],
} as const satisfies Readonly<Record<string, readonly [ErrorCode, string, string]>>

export type KmsFault = keyof typeof faults

/** The key is named as PROVIDER:KEY. `more` is what the provider itself said, or which part of its answer is wrong. */
export const kmsFault = (what: KmsFault, key: string, more = '', cause?: unknown): QuorateError => {
  const [code, says, hint] = faults[what]
  return new QuorateError(
    code,
    `the KMS key ${key} ${says}${more === '' ? '' : ` (${more})`}`,
    hint,
    { kms: what },
    cause,
  )
}

/** The class of a fault that a provider told; undefined: another error. */
export const kmsFaultIn = (error: unknown): KmsFault | undefined =>
  error instanceof QuorateError && typeof error.details['kms'] === 'string'
    ? (error.details['kms'] as KmsFault)
    : undefined

/** How long one call to a provider may take, its repetitions included, in milliseconds. */
export const KMS_DEADLINE = 20_000

/** A provider's SDK is loaded where a key needs it. Throws E_KMS_UNAVAILABLE where it is not installed, or was not built. */
export const loadSdk = <T>(name: string, load: () => Promise<T>): Promise<T> =>
  loadOptional(name, load, 'E_KMS_UNAVAILABLE', "this site's KMS key")
