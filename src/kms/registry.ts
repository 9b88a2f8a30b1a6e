import { QuorateError } from '../lib/errors.ts'
import type { KmsSlot } from '../records/definition-fields.ts'
import type { KmsContext, KmsKey, KmsProvider } from './port.ts'

const providers: Readonly<Record<string, () => Promise<KmsProvider>>> = {
  local: async () => (await import('./local.ts')).localKms,
}

const kmsProviders: readonly string[] = Object.keys(providers)

/** `local:/path/to/key` as provider and key. Throws E_USAGE. */
export const parseKmsSlot = (text: string): KmsSlot => {
  const [, provider, key] = /^([a-z0-9-]+):(.+)$/.exec(text) ?? []
  if (provider === undefined || key === undefined || !kmsProviders.includes(provider))
    throw new QuorateError(
      'E_USAGE',
      'a KMS key is written PROVIDER:KEY',
      `the providers are ${kmsProviders.join(', ')}; for example local:/path/outside/the/home/site.key`,
    )
  return { provider, key }
}

const load = async (name: string): Promise<KmsProvider> => {
  const provider = kmsProviders.includes(name) ? providers[name] : undefined
  if (provider === undefined)
    throw new QuorateError(
      'E_KMS_UNAVAILABLE',
      'site.yaml names a KMS provider that this version does not have',
      `the providers are ${kmsProviders.join(', ')}`,
    )
  return provider()
}

export const openKmsKey = async ({ provider, key }: KmsSlot, context: KmsContext): Promise<KmsKey> =>
  (await load(provider)).open(key, context)

export const ensureKmsKey = async ({ provider, key }: KmsSlot, context: KmsContext): Promise<boolean> =>
  (await load(provider)).ensure(key, context)
