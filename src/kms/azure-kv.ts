import type { TokenCredential } from '@azure/identity'
import type { CryptographyClient, KeyVaultKey } from '@azure/keyvault-keys'
import type { Hash } from '../lib/brand.ts'
import { concat, equal, fromHex } from '../lib/bytes.ts'
import { LateAnswer, providerSays, withinDeadline } from '../lib/call.ts'
import { QuorateError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import { KMS_DEADLINE, type KmsFault, kmsFault, loadSdk } from './fault.ts'
import type { KmsKey, KmsProvider } from './port.ts'

/** RSA-OAEP, without the 256, is SHA-1, and the SDK runs it itself: the vault would have no record of it. */
const ALGORITHM = 'RSA-OAEP-256'
const CONTEXT = 32
/** Ciphertext of the longest RSA key that a vault makes, 4096 bits. */
const MOST = 512

const parse = (name: string): { readonly vaultUrl: string; readonly key: string; readonly version: string } => {
  const [, vaultUrl = '', key = '', version = ''] = /^(https:\/\/[^/]+)\/keys\/([^/]+)\/([^/]+)$/.exec(name) ?? []
  return { vaultUrl, key, version }
}

/** Names of keys and vaults have no case, and 443 need not be written. */
const isSameKey = (name: unknown, other: string): boolean =>
  typeof name === 'string' &&
  URL.canParse(name) &&
  new URL(name).href.toLowerCase() === new URL(other).href.toLowerCase()

/** The fields of a RestError that are read; its `request` holds the token and the body, and is never looked at. */
interface Failure {
  readonly name?: string
  readonly message?: string
  readonly code?: string
  readonly statusCode?: number
  readonly details?: { readonly error?: { readonly code?: string; readonly innerError?: { readonly code?: string } } }
}

const byStatus: Readonly<Record<number, KmsFault>> = {
  401: 'refused',
  403: 'refused',
  404: 'missing',
  429: 'throttled',
}
const unusable = /^Key(?:Disabled|Expired|NotYetValid)$|^ObjectIsDeletedButRecoverable$|^ObjectIsBeingDeleted$/

/** A vault's own codes, the inner one first: the outer one of a disabled key is that of a missing permission. */
const codesOf = ({ details, code, statusCode }: Failure): string => {
  const told = details?.error?.innerError?.code ?? details?.error?.code ?? code ?? ''
  // Anything else than a code may be all that was sent.
  return /^[A-Za-z0-9_.]{1,64}$/.test(told) ? told : `HTTP ${statusCode}`
}

/** An answer of the vault that is not 200. */
const statusFault = (status: number, failure: Failure, opening: boolean): KmsFault => {
  if (unusable.test(codesOf(failure))) return 'disabled'
  if (status === 400) return opening ? 'wrong key' : 'unfit'
  // Another one in between answered: a proxy, or a page that wants somebody to log in.
  if (status < 400 || status === 407) return 'unreachable'
  return byStatus[status] ?? (status < 500 ? 'unfit' : 'unreachable')
}

/** Neither the vault nor the authority is quoted beyond codes and first lines: messages end in ids of requests and times. */
const toFault = (error: unknown, key: string, opening: boolean, last: number | undefined): QuorateError => {
  if (error instanceof QuorateError) return error
  const failure = error as Failure
  const text = String(failure.message ?? error)
  // Aborted while it waited to ask again: the last answer says why it waited.
  if (error instanceof LateAnswer || failure.name === 'AbortError') {
    const why = last === 429 || (last ?? 0) >= 500 ? `HTTP ${last}` : new LateAnswer(KMS_DEADLINE).message
    return kmsFault(last === 429 ? 'throttled' : 'unreachable', key, why)
  }
  // Where an answer has no body, the SDK fails to read it by a TypeError.
  const status = failure.name === 'TypeError' ? last : failure.name === 'RestError' ? failure.statusCode : undefined
  if (status === 200) return kmsFault('wrong answer', key, 'it is not JSON')
  if (status !== undefined)
    return kmsFault(
      statusFault(status, failure, opening),
      key,
      providerSays(codesOf({ ...failure, statusCode: status })),
    )
  const authority = /\bAADSTS\d+/.exec(text) ?? /\b(?:invalid_client|unauthorized_client|invalid_grant)\b/.exec(text)
  if (authority !== null) return kmsFault('refused', key, authority[0])
  if (text.startsWith('The challenge ')) return kmsFault('wrong answer', key, providerSays('', text))
  return kmsFault('unreachable', key, providerSays(failure.code ?? failure.name ?? '', text))
}

const loadAzure = async () => {
  const [{ DefaultAzureCredential }, { CryptographyClient }] = await Promise.all([
    loadSdk('@azure/identity', () => import('@azure/identity')),
    loadSdk('@azure/keyvault-keys', () => import('@azure/keyvault-keys')),
  ])
  return { DefaultAzureCredential, CryptographyClient }
}

/** The last status that a call got, its repetitions included: an error of the SDK does not tell it. */
const statuses = new WeakMap<object, number>()

let credential: TokenCredential | undefined
const clients = new Map<string, Promise<CryptographyClient>>()

const connect = async (name: string): Promise<CryptographyClient> => {
  const { DefaultAzureCredential, CryptographyClient } = await loadAzure()
  // Asked, the public cloud would say whether it knows the authority of AZURE_AUTHORITY_HOST. It knows none of a private
  // cloud, and may not be in reach from there; the environment is the operator's own word.
  credential ??= new DefaultAzureCredential({ disableInstanceDiscovery: true })
  const { vaultUrl, key, version } = parse(name)
  // Built from a name alone, the client would first get the key, which needs one permission more than wrapping does. It
  // takes a key that was got before; without key material in it nothing is done locally.
  const known: KeyVaultKey = { id: name, name: key, properties: { id: name, name: key, vaultUrl, version } }
  return new CryptographyClient(known, credential, {
    retryOptions: { maxRetries: 8, retryDelayInMs: 200, maxRetryDelayInMs: 4000 },
    additionalPolicies: [
      {
        position: 'perRetry',
        policy: {
          name: 'quorate-last-status',
          async sendRequest(request, next) {
            const response = await next(request)
            if (request.abortSignal !== undefined) statuses.set(request.abortSignal, response.status)
            return response
          },
        },
      },
    ],
  })
}

/** One client a key, and one credential for all. Idle connections hold no process. */
const clientOf = (name: string): Promise<CryptographyClient> => {
  const client = clients.get(name) ?? connect(name)
  clients.set(name, client)
  return client
}

const ask = async (name: string, operation: 'wrapKey' | 'unwrapKey', value: Uint8Array): Promise<Uint8Array> => {
  const key = `azure-kv:${name}`
  let signalled: AbortSignal | undefined
  // The SDK reports the name that it was given; the answer's own is seen here alone.
  let answered: unknown
  try {
    const client = await clientOf(name)
    const { result } = await withinDeadline((signal) => {
      signalled = signal
      return client[operation](ALGORITHM, value, {
        abortSignal: signal,
        onResponse: ({ parsedBody }) => {
          answered = (parsedBody as { kid?: unknown } | undefined)?.kid
        },
      })
    }, KMS_DEADLINE)
    if (!isSameKey(answered, name)) throw kmsFault('wrong answer', key, 'kid of another key or version')
    if (!(result instanceof Uint8Array) || result.length === 0 || result.length > MOST)
      throw kmsFault('wrong answer', key, 'no value')
    return result
  } catch (error) {
    throw toFault(error, key, operation === 'unwrapKey', signalled && statuses.get(signalled))
  }
}

const azureKey = (name: string): KmsKey => ({
  ref: { provider: 'azure-kv', key: name },
  can: {
    context: false,
    hardware: false,
    // Premium vaults hold RSA-HSM keys, and neither the name nor an answer says so.
    protection: 'azure-kv: held by Azure Key Vault, protection level not proven',
  },

  // RSA-OAEP has no associated data. The context is wrapped before the piece, and compared when both are unwrapped.
  async wrap(piece, context) {
    const bound = concat(contextBytes(context), piece.reveal())
    try {
      const ciphertext = await ask(name, 'wrapKey', bound)
      return { provider: 'azure-kv', key: name, version: parse(name).version, ciphertext: Uint8Array.from(ciphertext) }
    } finally {
      bound.fill(0)
    }
  },
  async unwrap({ ciphertext }, context) {
    const bound = await ask(name, 'unwrapKey', ciphertext)
    try {
      if (!equal(bound.subarray(0, CONTEXT), contextBytes(context)))
        throw kmsFault('wrong key', `azure-kv:${name}`, 'it was wrapped for another shard')
      return new Secret(Uint8Array.from(bound.subarray(CONTEXT)))
    } finally {
      bound.fill(0)
    }
  },
})

const contextBytes = (context: Hash): Uint8Array => fromHex(context)

/**
 * RSA keys of Azure Key Vault and Managed HSM, each by one version of it, under RSA-OAEP-256; asks for the permissions
 * wrapKey and unwrapKey alone. Credentials are found as DefaultAzureCredential finds them. The symmetric keys of Managed
 * HSM (A256GCM, A256KW) are not supported: their wrapped pieces would need a form of their own, and no server to try
 * against is to be had.
 */
export const azureKv: KmsProvider = {
  async open(key) {
    await clientOf(key)
    return azureKey(key)
  },
  async ensure(key) {
    await clientOf(key)
    return false
  },
}
