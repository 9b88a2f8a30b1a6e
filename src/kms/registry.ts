import { QuorateError } from '../lib/errors.ts'
import type { KmsSlot } from '../records/definition-fields.ts'
import type { KmsContext, KmsKey, KmsProvider } from './port.ts'
import { type ProviderName, providerNames, providerRow, providerTable, rowOf } from './providers.ts'

const load: Readonly<Record<ProviderName, () => Promise<KmsProvider>>> = {
  local: async () => (await import('./local.ts')).localKms,
  'aws-kms': async () => (await import('./aws-kms.ts')).awsKms,
  'gcp-kms': async () => (await import('./gcp-kms.ts')).gcpKms,
  transit: async () => (await import('./transit.ts')).transit,
  'azure-kv': async () => (await import('./azure-kv.ts')).azureKv,
  pkcs11: async () => (await import('./pkcs11.ts')).pkcs11,
}

/** `local:/path/to/key` as provider and key. Throws E_USAGE. */
export const parseKmsSlot = (text: string): KmsSlot => {
  const [, provider = '', key = ''] = /^([a-z0-9-]+):(.+)$/.exec(text) ?? []
  const row = providerRow(provider)
  if (row === undefined)
    throw new QuorateError(
      'E_USAGE',
      'a KMS key is written PROVIDER:KEY',
      `the providers are ${providerNames.join(', ')}; for example local:${providerTable.local.example}`,
    )
  if (rowOf({ provider, key }) === undefined) {
    const flaw = row.form.test(key) ? row.flaw?.(key) : undefined
    throw new QuorateError(
      'E_USAGE',
      `this is not the name of a key of ${provider}${flaw === undefined ? '' : `: ${flaw}`}`,
      `write it in full and without an alias, for example ${provider}:${row.example}`,
    )
  }
  return { provider, key }
}

const providerOf = async ({ provider, key }: KmsSlot): Promise<KmsProvider> => {
  if (providerRow(provider) === undefined)
    throw new QuorateError(
      'E_KMS_UNAVAILABLE',
      'site.yaml names a KMS provider that this version does not have',
      `the providers are ${providerNames.join(', ')}`,
    )
  parseKmsSlot(`${provider}:${key}`)
  return load[provider as ProviderName]()
}

export const openKmsKey = async (slot: KmsSlot, context: KmsContext): Promise<KmsKey> =>
  (await providerOf(slot)).open(slot.key, context)

export const ensureKmsKey = async (slot: KmsSlot, context: KmsContext): Promise<boolean> =>
  (await providerOf(slot)).ensure(slot.key, context)
