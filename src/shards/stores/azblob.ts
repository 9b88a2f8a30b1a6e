import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { ContainerClient, StoragePipelineOptions } from '@azure/storage-blob'
import { equal, toHex } from '../../lib/bytes.ts'
import { isHere, LateAnswer, providerSays, withinDeadline } from '../../lib/call.ts'
import { QuorateError } from '../../lib/errors.ts'
import { LongAnswer, objectBytes } from './answer.ts'
import { loadSdk, type StoreFault, storeFault } from './fault.ts'
import { keyOf, keysBelow, namesOf, refuseLarge } from './name.ts'
import { LIST_LIMIT, OBJECT_LIMIT, STORE_DEADLINE, type Store, type StoreContext } from './port.ts'

/** A name of metadata is one of a variable in C#. */
const MARK = 'quoratemark'
const ATTEMPTS = 3

/** The fields of a RestError that are read; its `request` holds the credentials, and is never looked at. */
interface Failure {
  readonly name?: string
  readonly message?: string
  readonly code?: string
  readonly statusCode?: number
}

const byStatus: Readonly<Record<number, StoreFault>> = {
  400: 'unfit',
  401: 'refused',
  403: 'refused',
  404: 'missing',
  429: 'throttled',
  501: 'unfit',
  503: 'throttled',
}

const named: readonly (readonly [RegExp, StoreFault])[] = [
  [/^(?:BlobImmutable|LeaseIdMissing|LeaseIdMismatch|BlobArchived|SnapshotsPresent)/, 'locked'],
  [/^(?:Md5Mismatch|Crc64Mismatch|InvalidMd5)/, 'wrong answer'],
  [/^(?:ServerBusy|OperationTimedOut)/, 'throttled'],
]

const faultOf = (error: unknown): StoreFault => {
  const { name, code = '', message = '', statusCode: status } = error as Failure
  // The SDK throws a RangeError at an answer without a length.
  if (name === 'LongAnswer' || name === 'RangeError') return 'wrong answer'
  const byName = named.find(([names]) => names.test(code))?.[1]
  if (byName !== undefined) return byName
  if (/\bAADSTS\d+|\b(?:invalid_client|unauthorized_client|invalid_grant)\b/.test(message)) return 'refused'
  if (status === undefined) return 'unreachable'
  return byStatus[status] ?? (status < 500 ? 'unfit' : 'unreachable')
}

/** Codes alone where the store answered: its messages end in ids of requests and times, and a URL may hold a signature. */
const said = (error: unknown): string => {
  const { name = '', code, message = '', statusCode } = error as Failure
  // Of those who issue tokens, whose answer has a status too.
  const authority = /\bAADSTS\d+/.exec(message)?.[0]
  if (authority !== undefined) return authority
  if (name === 'LongAnswer' || name === 'RangeError') return providerSays('', message)
  if (code !== undefined && code !== 'PARSE_ERROR' && /^[A-Za-z0-9_]{1,64}$/.test(code)) return code
  return statusCode === undefined ? providerSays(name) : `HTTP ${statusCode}`
}

const isObjectGone = ({ statusCode, code }: Failure): boolean => statusCode === 404 && code !== 'ContainerNotFound'

const md5Of = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('md5').update(bytes).digest())

const connect = async (
  url: string,
  deadline: number,
  environment: StoreContext['environment'] = {},
): Promise<ContainerClient> => {
  const { ContainerClient } = await loadSdk('@azure/storage-blob', () => import('@azure/storage-blob'))
  const options: StoragePipelineOptions = {
    retryOptions: {
      maxTries: ATTEMPTS,
      tryTimeoutInMs: deadline / ATTEMPTS,
      retryDelayInMs: 200,
      maxRetryDelayInMs: 4000,
    },
  }
  // Rights to one container alone, and for some days: as good as an identity, and better than the key of the account.
  const signature = environment['AZURE_STORAGE_SAS_TOKEN']?.replace(/^\?/, '')
  if (signature !== undefined && signature !== '') return new ContainerClient(`${url}?${signature}`, undefined, options)
  const { DefaultAzureCredential } = await loadSdk('@azure/identity', () => import('@azure/identity'))
  // As for keys (kms/azure-kv.ts): the authority is the operator's own word.
  return new ContainerClient(url, new DefaultAzureCredential({ disableInstanceDiscovery: true }), options)
}

/** `HOST/CONTAINER/PREFIX`; on this machine, where an emulator may be, `HOST/ACCOUNT/CONTAINER/PREFIX`. */
const placeOf = (uri: string): { readonly url: string; readonly prefix: string } => {
  const { origin, hostname, pathname } = new URL(uri.slice('azblob:'.length))
  const parts = pathname.split('/').slice(1)
  const own = isHere(hostname) ? 2 : 1
  return { url: [origin, ...parts.slice(0, own)].join('/'), prefix: parts.slice(own).join('/') }
}

/** A container of Azure Blob Storage. */
export const openAzureStore = async (
  uri: string,
  { random, environment, deadline = STORE_DEADLINE }: StoreContext,
): Promise<Store> => {
  const { url, prefix } = placeOf(uri)
  const container = await connect(url, deadline, environment)
  const blobOf = (name: string) => container.getBlockBlobClient(keyOf(prefix, name))

  const within = async <T>(act: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    try {
      return await withinDeadline(act, deadline)
    } catch (error) {
      if (error instanceof QuorateError) throw error
      if (error instanceof LateAnswer) throw storeFault('unreachable', uri, error.message)
      throw storeFault(faultOf(error), uri, said(error))
    }
  }

  /** True where the write was made, by the condition, at this attempt or at an earlier one whose answer was lost. */
  const write = async (
    name: string,
    bytes: Uint8Array,
    conditions: { readonly ifNoneMatch: '*' } | { readonly ifMatch: string },
  ): Promise<boolean> => {
    refuseLarge(bytes)
    const [blob, mark, sum] = [blobOf(name), toHex(random(16)), md5Of(bytes)]
    return within(async (abortSignal) => {
      try {
        const { contentMD5 } = await blob.upload(Buffer.from(bytes), bytes.length, {
          abortSignal,
          conditions,
          blobHTTPHeaders: { blobContentType: 'application/octet-stream', blobContentMD5: sum },
          metadata: { [MARK]: mark },
        })
        if (contentMD5 !== undefined && !equal(contentMD5, sum))
          throw storeFault('wrong answer', uri, 'it states another MD5 than that of the object')
        return true
      } catch (error) {
        const { code, statusCode } = error as Failure
        if ('ifMatch' in conditions && isObjectGone(error as Failure)) return false
        // A right to create alone is refused where something is.
        const taken = code === 'BlobAlreadyExists' || code === 'UnauthorizedBlobOverwrite'
        if (!taken && !(statusCode === 412 && code === 'ConditionNotMet')) throw error
        const found = await blob.getProperties({ abortSignal }).catch((absent: unknown) => {
          if ((absent as Failure).statusCode === 404) return undefined
          throw absent
        })
        return found?.metadata?.[MARK] === mark
      }
    })
  }

  /** Versions, snapshots and what was deleted softly; `live` where the object itself is there. */
  const restOf = async (key: string, abortSignal: AbortSignal) => {
    const found: { readonly version: string | undefined; readonly soft: boolean }[] = []
    const wanted = { prefix: key, includeVersions: true, includeDeleted: true, includeSnapshots: true, abortSignal }
    for await (const { name, versionId, deleted, snapshot } of container.listBlobsFlat(wanted)) {
      if (name === key) found.push({ version: versionId, soft: deleted === true || Boolean(snapshot) })
      // Other names begin alike, and stand behind it.
      if (name > key || found.length > LIST_LIMIT) break
    }
    return found
  }

  /** undefined: a lock keeps it, or this site may not do it. */
  const unlessKept = async <T>(act: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await act()
    } catch (error) {
      const what = faultOf(error)
      if (what === 'locked' || what === 'refused') return undefined
      throw error
    }
  }

  return {
    uri,
    create: (name, bytes) => write(name, bytes, { ifNoneMatch: '*' }),
    replace: (name, bytes, tag) => write(name, bytes, { ifMatch: tag }),

    async read(name) {
      const blob = blobOf(name)
      return within(async (abortSignal) => {
        const answer = await blob
          .download(0, undefined, { abortSignal, maxRetryRequests: 0 })
          .catch((error: unknown) => {
            if (isObjectGone(error as Failure)) return undefined
            throw error
          })
        if (answer === undefined) return undefined
        const { readableStreamBody: body, contentLength = 0, contentMD5, etag: tag } = answer
        if (body === undefined || tag === undefined) throw storeFault('wrong answer', uri, 'no object in it')
        if (contentLength > OBJECT_LIMIT) {
          ;(body as Readable).destroy()
          throw new LongAnswer(OBJECT_LIMIT)
        }
        const bytes = await objectBytes(body as Readable, abortSignal)
        if (contentMD5 === undefined) throw storeFault('damaged', uri, `${name}: no MD5 beside it`)
        if (!equal(contentMD5, md5Of(bytes))) throw storeFault('damaged', uri, `${name}: its MD5 is another one`)
        return { bytes, tag }
      })
    },

    async remove(name) {
      const [key, blob] = [keyOf(prefix, name), blobOf(name)]
      return within(async (abortSignal): Promise<'gone' | 'kept'> => {
        const isGone = await unlessKept(() => blob.deleteIfExists({ deleteSnapshots: 'include', abortSignal }))
        const rest = isGone && (await unlessKept(() => restOf(key, abortSignal)))
        if (rest === undefined) return 'kept'
        for (const { version } of rest)
          if (version !== undefined) await unlessKept(() => blob.withVersion(version).delete({ abortSignal }))
        return rest.length > 0 && (await restOf(key, abortSignal)).length > 0 ? 'kept' : 'gone'
      })
    },

    async list(below) {
      const beginning = keysBelow(prefix, below)
      return within(async (abortSignal) => {
        const keys: string[] = []
        for await (const { name } of container.listBlobsFlat({ prefix: beginning, abortSignal })) {
          keys.push(name)
          if (keys.length > LIST_LIMIT) throw storeFault('wrong answer', uri, `over ${LIST_LIMIT} objects`)
        }
        return namesOf(prefix, keys)
      })
    },
  }
}
