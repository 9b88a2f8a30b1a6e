import type { KeyManagementServiceClient } from '@google-cloud/kms'
import { fromHex } from '../lib/bytes.ts'
import { providerSays, withinDeadline } from '../lib/call.ts'
import { crc32c } from '../lib/crc32c.ts'
import { QuorateError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import { KMS_DEADLINE, type KmsFault, kmsFault, loadSdk } from './fault.ts'
import { openRaw, type Raw, sealRaw } from './gcp-raw.ts'
import type { KmsKey, KmsProvider } from './port.ts'

/** A key's name in its parts. `version` is there where the name states one, and then `resource` ends in it. */
interface Named {
  readonly name: string
  /** Null: the SDK's own. */
  readonly host: string | null
  readonly port: number | null
  readonly resource: string
  readonly version: string | null
}

const parse = (name: string): Named => {
  const [, host = null, port = null, resource = name, version = null] =
    /^(?:\/\/([^/:]+)(?::(\d+))?\/)?(projects\/.*?(?:\/cryptoKeyVersions\/(\d+))?)$/.exec(name) ?? []
  return { name, host, port: port === null ? null : Number(port), resource, version }
}

const statuses: Readonly<Record<number, readonly [name: string, fault: KmsFault]>> = {
  3: ['INVALID_ARGUMENT', 'unfit'],
  5: ['NOT_FOUND', 'missing'],
  7: ['PERMISSION_DENIED', 'refused'],
  8: ['RESOURCE_EXHAUSTED', 'throttled'],
  9: ['FAILED_PRECONDITION', 'unfit'],
  15: ['DATA_LOSS', 'wrong answer'],
  16: ['UNAUTHENTICATED', 'refused'],
}
/** A little more than the SDK was given: its own error says why it waited. */
const GRACE = 1500
const [LATE, EXHAUSTED, UNAVAILABLE, UNAUTHENTICATED] = [4, 8, 14, 16] as const
const RETRIED = /\b(RESOURCE_EXHAUSTED|UNAVAILABLE): ([^\n{}]*)/

/** The service tells by its words alone why it does not take an argument, or in which state a key is. */
const faultOf = (code: number, message: string, opening: boolean): KmsFault => {
  if (code === 3 && /checksum/i.test(message)) return 'wrong answer'
  if (code === 3 && opening) return 'wrong key'
  if (code === 9 && /not enabled|DISABLED|DESTROY/.test(message)) return 'disabled'
  return statuses[code]?.[1] ?? 'unreachable'
}

/** An error of the SDK. Its own text may hold the request, so it is no cause of the fault. */
const toFault = (error: unknown, key: string, opening: boolean): QuorateError => {
  if (error instanceof QuorateError) return error
  const { code, message } = error as { code?: unknown; message?: unknown }
  const text = String(message ?? error)
  if (typeof code !== 'number') {
    // No status of gRPC: nobody was asked, since there are no credentials, or those who issue them said no.
    const refused = /\binvalid_(?:grant|client)\b|\bunauthorized_client\b/.exec(text)
    // A file of credentials that is none may hold another secret, and the parser quotes it.
    const said = error instanceof SyntaxError ? 'the credentials are no JSON' : text
    return refused === null
      ? kmsFault('unreachable', key, providerSays(typeof code === 'string' ? code : '', said))
      : kmsFault('refused', key, refused[0])
  }
  // Told by this side's own gRPC, under the status of a service that is asked too often.
  if (text.includes('Received message larger than max')) return kmsFault('wrong answer', key, 'it is far too long')
  // Repeated until the deadline, it comes out as DEADLINE_EXCEEDED, and earlier answers stand in the message alone.
  const [, last, why] = (code === LATE ? RETRIED.exec(text) : null) ?? []
  if (last !== undefined)
    return kmsFault(last === 'UNAVAILABLE' ? 'unreachable' : 'throttled', key, providerSays(last, why))
  const plain = text.replace(/^\d+ [A-Z_]+: /, '')
  return kmsFault(faultOf(code, text, opening), key, providerSays(statuses[code]?.[0] ?? `gRPC status ${code}`, plain))
}

/** A wrapper message of the protocol: absent where no checksum was sent, also where the sum is 0. */
type Sum = { readonly value?: unknown } | null | undefined
const sumOf = (bytes: Uint8Array) => ({ value: crc32c(bytes) })
const sumHolds = (bytes: Uint8Array, sum: Sum): boolean =>
  sum !== null && sum !== undefined && Number(sum.value ?? 0) === crc32c(bytes)

const MOST = 4096
const bytesOf = (value: unknown): Uint8Array => (value instanceof Uint8Array ? value : new Uint8Array(0))

const connect = async ({ host, port }: Named): Promise<KeyManagementServiceClient> => {
  const { KeyManagementServiceClient } = await loadSdk('@google-cloud/kms', () => import('@google-cloud/kms'))
  return new KeyManagementServiceClient({
    ...(host !== null && { apiEndpoint: host }),
    ...(port !== null && { port }),
    'grpc.max_receive_message_length': 65_536,
  })
}

interface Endpoint {
  readonly client: Promise<KeyManagementServiceClient>
  calls: number
}
/** One client an endpoint. Its idle connections hold no process. */
const endpoints = new Map<string, Endpoint>()
const endpointName = ({ host, port }: Named): string => `${host}:${port}`

const endpointOf = (named: Named): Endpoint => {
  const endpoint = endpoints.get(endpointName(named)) ?? { client: connect(named), calls: 0 }
  endpoints.set(endpointName(named), endpoint)
  return endpoint
}

/**
 * A client keeps the credentials that it found, also where they were none, and goes on connecting to whom it did not reach:
 * the next call begins with a new one, and the last call of the old one closes it. A server that takes a connection and
 * never answers its handshake still holds a process, which then has to be ended: grpc-js does not give such a socket up.
 */
const leave = async (named: Named, { client, calls }: Endpoint, failed: boolean): Promise<void> => {
  const name = endpointName(named)
  if (failed && endpoints.get(name)?.client === client) endpoints.delete(name)
  if (calls === 0 && endpoints.get(name)?.client !== client) await (await client).close().catch(() => undefined)
}

/** Between two attempts, with jitter. By itself the SDK waits up to a minute, beyond the time that it was given. */
const waits = {
  initialRetryDelayMillis: 100,
  retryDelayMultiplier: 1.5,
  maxRetryDelayMillis: 1000,
  initialRpcTimeoutMillis: KMS_DEADLINE,
  rpcTimeoutMultiplier: 1,
  maxRpcTimeoutMillis: KMS_DEADLINE,
}

interface CallOptions {
  readonly timeout: number
  readonly retry: {
    readonly retryCodes: number[]
    readonly backoffSettings: typeof waits & { readonly totalTimeoutMillis: number }
  }
}
type Call<T> = (client: KeyManagementServiceClient, options: CallOptions) => Promise<readonly [T, ...unknown[]]>

const ask = async <T>(named: Named, opening: boolean, call: Call<T>): Promise<T> => {
  const began = performance.now()
  const endpoint = endpointOf(named)
  const client = await endpoint.client
  let failed = false
  endpoint.calls += 1
  try {
    // Called by the SDK itself, it would reject where nobody listens, and end the process.
    await withinDeadline(() => client.initialize(), KMS_DEADLINE)
    const timeout = Math.max(1, KMS_DEADLINE - (performance.now() - began))
    const backoffSettings = { ...waits, totalTimeoutMillis: timeout }
    const options = { timeout, retry: { retryCodes: [LATE, EXHAUSTED, UNAVAILABLE], backoffSettings } }
    // Its own waits between two attempts may go beyond what it was given.
    const [answer] = await withinDeadline(() => call(client, options), timeout + GRACE)
    return answer
  } catch (error) {
    const { code } = error as { code?: unknown }
    failed = typeof code !== 'number' || !(code in statuses) || code === UNAUTHENTICATED
    throw toFault(error, `gcp-kms:${named.name}`, opening)
  } finally {
    endpoint.calls -= 1
    await leave(named, endpoint, failed)
  }
}

const gcpKey = (named: Named): KmsKey => {
  const { name, resource, version } = named
  const demand = (part: string, holds: boolean | null | undefined): void => {
    if (holds !== true) throw kmsFault('wrong answer', `gcp-kms:${name}`, part)
  }
  const common = (context: Uint8Array) => ({
    name: resource,
    additionalAuthenticatedData: context,
    additionalAuthenticatedDataCrc32c: sumOf(context),
  })
  const opened = (plaintext: Uint8Array, sum: Sum): Secret => {
    demand('checksum of the plaintext', sumHolds(plaintext, sum))
    const piece = new Secret(Uint8Array.from(plaintext))
    plaintext.fill(0)
    return piece
  }

  /** The service chooses the version, and its ciphertext names it. */
  const wrapByKey = async (piece: Uint8Array, context: Uint8Array) => {
    const answer = await ask(named, false, (client, options) =>
      client.encrypt({ ...common(context), plaintext: piece, plaintextCrc32c: sumOf(piece) }, options),
    )
    demand('verified_plaintext_crc32c', answer.verifiedPlaintextCrc32c)
    demand('verified_additional_authenticated_data_crc32c', answer.verifiedAdditionalAuthenticatedDataCrc32c)
    const ciphertext = bytesOf(answer.ciphertext)
    demand('length of the ciphertext', ciphertext.length > 0 && ciphertext.length <= MOST)
    demand('checksum of the ciphertext', sumHolds(ciphertext, answer.ciphertextCrc32c))
    const used = answer.name?.startsWith(`${resource}/cryptoKeyVersions/`) ? answer.name.split('/').at(-1) : undefined
    demand('name of the key', used !== undefined && /^[1-9]\d{0,9}$/.test(used))
    return { version: String(used), ciphertext: Uint8Array.from(ciphertext) }
  }
  const unwrapByKey = async (ciphertext: Uint8Array, context: Uint8Array) => {
    const answer = await ask(named, true, (client, options) =>
      client.decrypt({ ...common(context), ciphertext, ciphertextCrc32c: sumOf(ciphertext) }, options),
    )
    return opened(bytesOf(answer.plaintext), answer.plaintextCrc32c)
  }

  const wrapByVersion = async (piece: Uint8Array, context: Uint8Array) => {
    const answer = await ask(named, false, (client, options) =>
      client.rawEncrypt({ ...common(context), plaintext: piece, plaintextCrc32c: sumOf(piece) }, options),
    )
    demand('verified_plaintext_crc32c', answer.verifiedPlaintextCrc32c)
    demand('verified_additional_authenticated_data_crc32c', answer.verifiedAdditionalAuthenticatedDataCrc32c)
    demand('name of the key version', answer.name === resource)
    const raw: Raw = {
      iv: bytesOf(answer.initializationVector),
      tagLength: Number(answer.tagLength),
      sealed: bytesOf(answer.ciphertext),
    }
    demand('checksum of the ciphertext', sumHolds(raw.sealed, answer.ciphertextCrc32c))
    demand('checksum of the initialization vector', sumHolds(raw.iv, answer.initializationVectorCrc32c))
    const ciphertext = sealRaw(raw)
    demand('lengths of AES-256-GCM', ciphertext !== undefined)
    return { version: String(version), ciphertext: ciphertext ?? new Uint8Array(0) }
  }
  const unwrapByVersion = async (ciphertext: Uint8Array, context: Uint8Array) => {
    const raw = openRaw(ciphertext)
    if (raw === undefined) throw kmsFault('wrong key', `gcp-kms:${name}`, 'not a ciphertext of this key version')
    const answer = await ask(named, true, (client, options) =>
      client.rawDecrypt(
        {
          ...common(context),
          ciphertext: raw.sealed,
          ciphertextCrc32c: sumOf(raw.sealed),
          initializationVector: raw.iv,
          initializationVectorCrc32c: sumOf(raw.iv),
          tagLength: raw.tagLength,
        },
        options,
      ),
    )
    demand('verified_ciphertext_crc32c', answer.verifiedCiphertextCrc32c)
    demand('verified_additional_authenticated_data_crc32c', answer.verifiedAdditionalAuthenticatedDataCrc32c)
    demand('verified_initialization_vector_crc32c', answer.verifiedInitializationVectorCrc32c)
    return opened(bytesOf(answer.plaintext), answer.plaintextCrc32c)
  }

  const [wrap, unwrap] = version === null ? [wrapByKey, unwrapByKey] : [wrapByVersion, unwrapByVersion]
  return {
    ref: { provider: 'gcp-kms', key: name },
    // The name does not say the protection level, and an answer about one version binds no later one.
    can: {
      context: true,
      hardware: false,
      protection: 'gcp-kms: held by Google Cloud KMS, protection level not proven',
    },
    async wrap(piece, context) {
      return { provider: 'gcp-kms', key: name, ...(await wrap(piece.reveal(), fromHex(context))) }
    },
    unwrap: ({ ciphertext }, context) => unwrap(ciphertext, fromHex(context)),
  }
}

/**
 * Keys of Google Cloud KMS. A name without a version is asked by Encrypt and Decrypt (purpose ENCRYPT_DECRYPT), one with a
 * version by RawEncrypt and RawDecrypt (AES_256_GCM). Every checksum is sent and checked here: the SDK checks none.
 * Credentials are found as the SDK finds them (Application Default Credentials); outside of Google's machines
 * METADATA_SERVER_DETECTION=none spares its search for a metadata server.
 */
export const gcpKms: KmsProvider = {
  async open(key) {
    const named = parse(key)
    await endpointOf(named).client
    return gcpKey(named)
  },
  async ensure(key) {
    await endpointOf(parse(key)).client
    return false
  },
}
