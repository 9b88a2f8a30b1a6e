import type { KMSClient, KMSClientConfig } from '@aws-sdk/client-kms'
import type { Hash } from '../lib/brand.ts'
import { demandTls, providerSays, withinDeadline } from '../lib/call.ts'
import { Secret } from '../lib/secret.ts'
import { KMS_DEADLINE, type KmsFault, kmsFault, loadSdk } from './fault.ts'
import type { KmsKey, KmsProvider, Wrapped } from './port.ts'
import { providerTable } from './providers.ts'

type Sdk = typeof import('@aws-sdk/client-kms')

/** Of the ciphertext of Encrypt and Decrypt, by the API reference of AWS KMS. */
const CIPHERTEXT_LIMIT = 6144
const ATTEMPTS = 3

/** The parts of an error that tell one fault from another: of AWS, of the SDK, or of Node under it. */
interface SdkError {
  readonly name: string
  readonly message: string
  /** Of Node, as ECONNREFUSED. */
  readonly code?: unknown
  /** Only where AWS named the error. */
  readonly $fault?: 'client' | 'server'
  readonly $metadata?: { readonly httpStatusCode?: number }
}

/** Beginnings of names. The same deed bears several: of KMS itself, of the gate before it, and of the SDK. */
const named: readonly (readonly [RegExp, KmsFault])[] = [
  [/^(?:InvalidCiphertext|IncorrectKey)/, 'wrong key'],
  [/^(?:AccessDenied|NotAuthorized)/, 'refused'],
  [/^(?:NotFound|InvalidArn)/, 'missing'],
  [/^(?:Disabled|KMSInvalidState)/, 'disabled'],
  [/^(?:Throttl|RequestThrottl|RequestLimitExceeded|LimitExceeded|TooManyRequests|SlowDown)/, 'throttled'],
  [/^(?:CredentialsProviderError|TokenProviderError)/, 'unreachable'],
  // The site has credentials, and they are old or mistyped: nobody at the key can mend that.
  [
    /^(?:UnrecognizedClient|InvalidClientTokenId|ExpiredToken|InvalidSignature|SignatureDoesNotMatch|RequestExpired|MissingAuthenticationToken|IncompleteSignature|RequestTimeTooSkewed|OptInRequired)/,
    'unreachable',
  ],
]

const faultOf = ({ name, code, $fault, $metadata }: SdkError): KmsFault => {
  const byName = named.find(([names]) => names.test(name))?.[1]
  if (byName !== undefined) return byName
  const status = $metadata?.httpStatusCode
  // A connection that broke in the middle of an answer has a status, too.
  if (status === undefined || status >= 500 || typeof code === 'string') return 'unreachable'
  if (status === 429) return 'throttled'
  // A gate that refuses may do so in a form that the SDK does not read: then the status alone says so.
  if (status === 401 || status === 403) return 'refused'
  return $fault === 'client' ? 'unfit' : 'wrong answer'
}

/**
 * The error's name and one line. Only errors that AWS named are quoted: others may quote an answer that could not be read,
 * with a key in it. A long run of letters may be one that a server sends back, or credentials.
 */
const said = ({ name, message, code, $fault, $metadata }: SdkError, arn: string): string => {
  const status = $metadata?.httpStatusCode
  const line =
    name === 'CredentialsProviderError'
      ? 'no AWS credentials, by any way that the AWS SDK looks for them'
      : $fault !== undefined
        ? message.split(/[\r\n]/, 1)[0]?.replaceAll(arn, 'this key')
        : typeof code === 'string'
          ? code
          : status !== undefined && `HTTP ${status}`
  return providerSays(name, line || '')
}

const awsKey = ({ EncryptCommand, DecryptCommand }: Sdk, client: KMSClient, arn: string, deadline: number): KmsKey => {
  const key = `aws-kms:${arn}`

  /** The bytes of an answer, if the key that was asked gave them. */
  const asked = async (
    ask: (options: { readonly abortSignal: AbortSignal }) => Promise<{
      readonly KeyId?: string | undefined
      readonly bytes: Uint8Array | undefined
    }>,
  ): Promise<Uint8Array> => {
    const { KeyId, bytes } = await withinDeadline((abortSignal) => ask({ abortSignal }), deadline).catch(
      (error: SdkError) => {
        // Without its cause: that error holds the answer, and the key with it.
        throw kmsFault(faultOf(error), key, said(error, arn))
      },
    )
    // The SDK hands on a number for bytes where the server sent one.
    const given = bytes instanceof Uint8Array ? bytes : new Uint8Array()
    if (given.length > 0 && KeyId === arn) return given
    given.fill(0)
    throw kmsFault('wrong answer', key, KeyId === arn ? 'nothing in it' : 'another key gave it')
  }

  const common = (context: Hash) =>
    ({
      KeyId: arn,
      // One entry: some servers join entries without anything between, and `a`=`bc` would then be `ab`=`c`.
      EncryptionContext: { quorate: context },
      EncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
    }) as const

  return {
    ref: { provider: 'aws-kms', key: arn },
    can: { context: true, hardware: true, protection: 'aws-kms: in hardware modules of AWS, as AWS states' },
    async wrap(piece, context): Promise<Wrapped> {
      const command = new EncryptCommand({ ...common(context), Plaintext: piece.reveal() })
      const ciphertext = await asked(async (options) => {
        const { KeyId, CiphertextBlob } = await client.send(command, options)
        return { KeyId, bytes: CiphertextBlob }
      })
      if (ciphertext.length > CIPHERTEXT_LIMIT)
        throw kmsFault('wrong answer', key, `a ciphertext of ${ciphertext.length} bytes`)
      // AWS finds the key material by the ciphertext, and does not say which it was.
      return { provider: 'aws-kms', key: arn, version: 'managed', ciphertext: new Uint8Array(ciphertext) }
    },
    async unwrap({ ciphertext }, context) {
      if (ciphertext.length === 0 || ciphertext.length > CIPHERTEXT_LIMIT)
        throw kmsFault('wrong key', key, `no key of AWS KMS makes a ciphertext of ${ciphertext.length} bytes`)
      const command = new DecryptCommand({ ...common(context), CiphertextBlob: ciphertext })
      const plaintext = await asked(async (options) => {
        const { KeyId, Plaintext } = await client.send(command, options)
        return { KeyId, bytes: Plaintext }
      })
      const piece = new Uint8Array(plaintext)
      plaintext.fill(0)
      return new Secret(piece)
    },
  }
}

/** An endpoint that was named for another service may be plain HTTP, and each request has a data key in it. */
const overTls = (client: KMSClient): KMSClient => {
  client.middlewareStack.add(
    (next) => async (args) => {
      const { protocol, hostname } = args.request as { readonly protocol: string; readonly hostname: string }
      demandTls(protocol, hostname)
      return next(args)
    },
    { step: 'finalizeRequest', priority: 'low', name: 'quorateOverTls' },
  )
  return client
}

/** Keys of AWS KMS, each call to which may take so many milliseconds, all attempts together. */
export const awsKmsWithin = (deadline: number): KmsProvider => {
  const clients = new Map<string, KMSClient>()

  const open = async (arn: string): Promise<KmsKey> => {
    const region = providerTable['aws-kms'].region(arn)
    if (region === null) throw kmsFault('missing', `aws-kms:${arn}`, 'its name states no region')
    const sdk = await loadSdk('@aws-sdk/client-kms', () => import('@aws-sdk/client-kms'))
    // Endpoint and credentials are those that the SDK finds by itself.
    const config: KMSClientConfig = {
      region,
      maxAttempts: ATTEMPTS,
      retryMode: 'standard',
      // Nobody answers at a connection that a router dropped: another attempt may find one that works.
      requestHandler: {
        connectionTimeout: deadline / ATTEMPTS,
        requestTimeout: deadline / ATTEMPTS,
        throwOnRequestTimeout: true,
      },
    }
    const client = clients.get(region) ?? overTls(new sdk.KMSClient(config))
    clients.set(region, client)
    return awsKey(sdk, client, arn, deadline)
  }

  return {
    open,
    /** Their administrators make them: a site that could would choose who else may use them. */
    async ensure(arn) {
      await open(arn)
      return false
    },
  }
}

export const awsKms = awsKmsWithin(KMS_DEADLINE)
