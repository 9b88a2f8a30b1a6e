import type { Readable } from 'node:stream'
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3'
import { toBase64, toHex } from '../../lib/bytes.ts'
import { demandTls, LateAnswer, providerSays, withinDeadline } from '../../lib/call.ts'
import { QuorateError } from '../../lib/errors.ts'
import { sha256 } from '../../lib/hash.ts'
import { bounded, objectBytes, PAGE_LIMIT } from './answer.ts'
import { loadSdk, type StoreFault, storeFault } from './fault.ts'
import { keyOf, keysBelow, namesOf, refuseLarge } from './name.ts'
import { LIST_LIMIT, STORE_DEADLINE, type Store, type StoreContext } from './port.ts'
import { storeTable } from './table.ts'

const ATTEMPTS = 3
/** S3 says 409 where another writer is in the middle of the same name, and wants to be asked again. */
const RACES = 8
const MARK = 'quorate-mark'

/** The parts of an error that tell one fault from another: of S3, of the SDK, or of Node under it. */
interface SdkError {
  readonly name: string
  readonly message: string
  readonly code?: unknown
  readonly $fault?: 'client' | 'server'
  readonly $metadata?: { readonly httpStatusCode?: number }
}

const named: readonly (readonly [RegExp, StoreFault])[] = [
  [/^(?:NoSuchBucket|PermanentRedirect|TemporaryRedirect|AuthorizationHeaderMalformed|IllegalLocation)/, 'missing'],
  [/^(?:ObjectLocked|InvalidRetention)/, 'locked'],
  [/^(?:AccessDenied|AllAccessDisabled|AccountProblem|NotSignedUp|Forbidden)/, 'refused'],
  [/^(?:SlowDown|Throttl|RequestThrottl|RequestLimitExceeded|TooManyRequests|BandwidthLimit)/, 'throttled'],
  [/^(?:BadDigest|InvalidDigest|XAmzContent\w*Mismatch|LongAnswer)/, 'wrong answer'],
  [/^NotImplemented/, 'unfit'],
  // The site has no credentials, or old or mistyped ones: nobody at the store can mend that.
  [
    /^(?:CredentialsProviderError|TokenProviderError|InvalidAccessKeyId|ExpiredToken|InvalidToken|SignatureDoesNotMatch|RequestExpired|RequestTimeTooSkewed|TokenRefreshRequired)/,
    'unreachable',
  ],
]

const statusOf = (error: unknown): number | undefined => (error as SdkError).$metadata?.httpStatusCode

const faultOf = ({ name, message, code, $fault, $metadata }: SdkError): StoreFault => {
  if (message.startsWith('Checksum mismatch')) return 'damaged'
  if (/object lock|WORM protected/i.test(message)) return 'locked'
  const byName = named.find(([names]) => names.test(name))?.[1]
  if (byName !== undefined) return byName
  const status = $metadata?.httpStatusCode
  // A connection that broke in the middle of an answer has a status, too.
  if (status === undefined || status >= 500 || typeof code === 'string') return 'unreachable'
  if (status === 429) return 'throttled'
  if (status === 301 || status === 307) return 'missing'
  if (status === 401 || status === 403) return 'refused'
  return $fault === 'client' ? 'unfit' : 'wrong answer'
}

/** Only errors that the store itself named are quoted. */
const said = ({ name, message, code, $fault, $metadata }: SdkError): string => {
  if (name === 'CredentialsProviderError')
    return providerSays(name, 'no AWS credentials, by any way that the AWS SDK looks for them')
  if ($fault !== undefined || name === 'LongAnswer' || name === 'TimeoutError') return providerSays(name, message)
  const status = $metadata?.httpStatusCode
  return providerSays(name, typeof code === 'string' ? code : status === undefined ? '' : `HTTP ${status}`)
}

/** Nothing leaves this machine without TLS, and no answer is read to its end however long it is. */
const guarded = (client: S3Client): S3Client => {
  client.middlewareStack.add(
    (next) => async (args) => {
      const { protocol, hostname } = args.request as { readonly protocol: string; readonly hostname: string }
      demandTls(protocol, hostname)
      return next(args)
    },
    { step: 'finalizeRequest', priority: 'low', name: 'quorateOverTls' },
  )
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      const response = result.response as { body?: Readable; headers: Readonly<Record<string, string | undefined>> }
      if (response.body !== undefined)
        response.body = bounded(response.body, PAGE_LIMIT, response.headers['content-length'])
      return result
    },
    { step: 'deserialize', priority: 'low', name: 'quorateBounded' },
  )
  return client
}

interface Listed {
  readonly Key?: string | undefined
  readonly VersionId?: string | undefined
}

interface Version {
  readonly id: string
  /** Of a removal, which hides the versions below it. */
  readonly isMarker: boolean
}

/** undefined: a lock keeps it, or this site may not do it. */
const unlessKept = async <T>(act: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await act()
  } catch (error) {
    const what = faultOf(error as SdkError)
    if (what === 'locked' || what === 'refused') return undefined
    throw error
  }
}

/** A bucket of S3, or of a server that speaks as S3 does: AWS_ENDPOINT_URL_S3 names it, as the SDK reads it. */
export const openS3Store = async (
  uri: string,
  { random, environment = {}, deadline = STORE_DEADLINE }: StoreContext,
): Promise<Store> => {
  const sdk = await loadSdk('@aws-sdk/client-s3', () => import('@aws-sdk/client-s3'))
  const [, Bucket = '', prefix = ''] = /^s3:\/\/([^/?]+)\/?([^?]*)\?/.exec(uri) ?? []
  const config: S3ClientConfig = {
    region: storeTable.s3.region(uri) ?? '',
    maxAttempts: ATTEMPTS,
    retryMode: 'standard',
    // Another server may have no name for each bucket.
    forcePathStyle: Boolean(environment['AWS_ENDPOINT_URL_S3'] || environment['AWS_ENDPOINT_URL']),
    // Each checksum is named here.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: false,
    requestHandler: {
      connectionTimeout: deadline / ATTEMPTS,
      requestTimeout: deadline / ATTEMPTS,
      throwOnRequestTimeout: true,
    },
  }
  const client = guarded(new sdk.S3Client(config))

  const toFault = (error: unknown): QuorateError => {
    if (error instanceof QuorateError) return error
    if (error instanceof LateAnswer) return storeFault('unreachable', uri, error.message)
    return storeFault(faultOf(error as SdkError), uri, said(error as SdkError))
  }
  const within = async <T>(act: (abortSignal: AbortSignal) => Promise<T>): Promise<T> => {
    try {
      return await withinDeadline(act, deadline)
    } catch (error) {
      throw toFault(error)
    }
  }

  /** The mark of the write that made the object; undefined: nothing is there. */
  const markAt = async (Key: string, abortSignal: AbortSignal): Promise<string | undefined> => {
    try {
      const { Metadata } = await client.send(new sdk.HeadObjectCommand({ Bucket, Key }), { abortSignal })
      return Metadata?.[MARK]
    } catch (error) {
      if (statusOf(error) === 404) return undefined
      throw error
    }
  }

  /** True where the write was made, by the condition, at this attempt or at an earlier one whose answer was lost. */
  const write = async (
    name: string,
    bytes: Uint8Array,
    condition: { readonly IfNoneMatch: '*' } | { readonly IfMatch: string },
  ): Promise<boolean> => {
    refuseLarge(bytes)
    const [Key, mark, ChecksumSHA256] = [keyOf(prefix, name), toHex(random(16)), toBase64(sha256(bytes))]
    return within(async (abortSignal) => {
      const command = new sdk.PutObjectCommand({
        ...{ Bucket, Key, ...condition, Body: bytes, ContentLength: bytes.length, ChecksumSHA256 },
        ContentType: 'application/octet-stream',
        Metadata: { [MARK]: mark },
      })
      for (let left = RACES; ; left--)
        try {
          const answer = await client.send(command, { abortSignal })
          if (answer.ChecksumSHA256 !== undefined && answer.ChecksumSHA256 !== ChecksumSHA256)
            throw storeFault('wrong answer', uri, 'it states another SHA-256 than that of the object')
          return true
        } catch (error) {
          const status = statusOf(error)
          // Gone, where something was to be replaced; a bucket that is not there is another matter.
          if (status === 404 && (error as SdkError).name !== 'NoSuchBucket' && 'IfMatch' in condition) return false
          if (status === 412) return (await markAt(Key, abortSignal)) === mark
          if (status !== 409 || left === 0) throw error
          const [jitter = 0] = random(1)
          await new Promise((resolve) => setTimeout(resolve, 20 + jitter))
        }
    })
  }

  const versionsOf = async (Key: string, abortSignal: AbortSignal): Promise<readonly Version[]> => {
    const found: Version[] = []
    let from: { readonly KeyMarker?: string | undefined; readonly VersionIdMarker?: string | undefined } = {}
    for (;;) {
      const page = await client.send(new sdk.ListObjectVersionsCommand({ Bucket, Prefix: Key, ...from }), {
        abortSignal,
      })
      const add = (isMarker: boolean, all: readonly Listed[] = []) => {
        for (const one of all)
          if (one.Key === Key && one.VersionId !== undefined) found.push({ id: one.VersionId, isMarker })
      }
      add(false, page.Versions)
      add(true, page.DeleteMarkers)
      // Other names begin alike, and stand behind it.
      if (page.IsTruncated !== true || (page.NextKeyMarker ?? Key) > Key || found.length > LIST_LIMIT) return found
      from = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker }
    }
  }

  return {
    uri,
    create: (name, bytes) => write(name, bytes, { IfNoneMatch: '*' }),
    replace: (name, bytes, tag) => write(name, bytes, { IfMatch: tag }),

    async read(name) {
      const command = new sdk.GetObjectCommand({ Bucket, Key: keyOf(prefix, name), ChecksumMode: 'ENABLED' })
      return within(async (abortSignal) => {
        const answer = await client.send(command, { abortSignal }).catch((error: unknown) => {
          if (statusOf(error) === 404 && (error as SdkError).name !== 'NoSuchBucket') return undefined
          throw error
        })
        if (answer === undefined) return undefined
        const { Body, ETag: tag, ChecksumSHA256 } = answer
        if (Body === undefined || tag === undefined) throw storeFault('wrong answer', uri, 'no object in it')
        const bytes = await objectBytes(Body as Readable, abortSignal)
        if (ChecksumSHA256 === undefined) throw storeFault('damaged', uri, `${name}: no SHA-256 beside it`)
        if (ChecksumSHA256 !== toBase64(sha256(bytes)))
          throw storeFault('damaged', uri, `${name}: its SHA-256 is another one`)
        return { bytes, tag }
      })
    },

    async remove(name) {
      const Key = keyOf(prefix, name)
      return within(async (abortSignal): Promise<'gone' | 'kept'> => {
        // At first as if there were no versions: whatever befalls, nothing is read under this name any more.
        const { DeleteMarker, VersionId } = await client.send(new sdk.DeleteObjectCommand({ Bucket, Key }), {
          abortSignal,
        })
        if (DeleteMarker === undefined && VersionId === undefined) return 'gone'
        const versions = await unlessKept(() => versionsOf(Key, abortSignal))
        if (versions === undefined) return 'kept'
        const isGone = async ({ id }: Version): Promise<boolean> => {
          const command = new sdk.DeleteObjectCommand({ Bucket, Key, VersionId: id })
          return (await unlessKept(() => client.send(command, { abortSignal }))) !== undefined
        }
        let kept = false
        for (const one of versions.filter(({ isMarker }) => !isMarker)) if (!(await isGone(one))) kept = true
        // A marker that went before would show what lies below it.
        for (const one of kept ? [] : versions.filter(({ isMarker }) => isMarker)) if (!(await isGone(one))) kept = true
        return kept ? 'kept' : 'gone'
      })
    },

    async list(below) {
      const Prefix = keysBelow(prefix, below)
      return within(async (abortSignal) => {
        const keys: string[] = []
        for (let ContinuationToken: string | undefined; ; ) {
          const command = new sdk.ListObjectsV2Command({ Bucket, Prefix, ContinuationToken })
          const page = await client.send(command, { abortSignal })
          keys.push(...(page.Contents ?? []).flatMap((one) => one.Key ?? []))
          if (keys.length > LIST_LIMIT) throw storeFault('wrong answer', uri, `over ${LIST_LIMIT} objects`)
          if (page.IsTruncated !== true) return namesOf(prefix, keys)
          ContinuationToken = page.NextContinuationToken
        }
      })
    },
  }
}
