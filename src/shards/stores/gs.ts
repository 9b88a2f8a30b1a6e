import type { IncomingMessage } from 'node:http'
import type { File, GetFilesOptions, Storage } from '@google-cloud/storage'
import { toHex } from '../../lib/bytes.ts'
import { demandTls, LateAnswer, providerSays, withinDeadline } from '../../lib/call.ts'
import { crc32c } from '../../lib/crc32c.ts'
import { QuorateError } from '../../lib/errors.ts'
import { objectBytes } from './answer.ts'
import { loadSdk, type StoreFault, storeFault } from './fault.ts'
import { keyOf, keysBelow, namesOf, refuseLarge } from './name.ts'
import { LIST_LIMIT, STORE_DEADLINE, type Store, type StoreContext, type StoredObject } from './port.ts'

const MARK = 'quorate-mark'
const ATTEMPTS = 3

/** The fields of an ApiError that are read; its `response` holds the request, and is never looked at. */
interface Failure {
  readonly name?: string
  /** A status of HTTP; of Node or of the credentials, a text. */
  readonly code?: unknown
  readonly message?: string
  readonly errors?: readonly { readonly reason?: string }[]
}

const byStatus: Readonly<Record<number, StoreFault>> = {
  400: 'unfit',
  401: 'refused',
  403: 'refused',
  404: 'missing',
  429: 'throttled',
  501: 'unfit',
}

const statusOf = (error: unknown): number | undefined => {
  const { code } = error as Failure
  return Number.isInteger(Number(code)) && Number(code) >= 300 ? Number(code) : undefined
}

const reasonOf = ({ errors }: Failure): string => errors?.[0]?.reason ?? ''

const faultOf = (error: unknown): StoreFault => {
  const failure = error as Failure
  if (failure.name === 'LongAnswer') return 'wrong answer'
  const text = `${reasonOf(failure)} ${failure.message ?? ''}`
  const status = statusOf(error)
  // Those who issue credentials said no.
  if (/\binvalid_(?:grant|client)\b|\bunauthorized_client\b/.test(text)) return 'refused'
  if (status === undefined) return 'unreachable'
  if (status === 403 && /retention|\bhold\b|UnderActiveHold/i.test(text)) return 'locked'
  if (status === 400 && /checksum|crc32c|md5/i.test(text)) return 'wrong answer'
  return byStatus[status] ?? (status < 500 ? 'unfit' : 'unreachable')
}

/** Only the store's own reason and status are told: messages may hold a page of somebody in between. */
const said = (error: unknown): string => {
  const failure = error as Failure
  const status = statusOf(error)
  if (status !== undefined) return providerSays(`HTTP ${status}`, reasonOf(failure))
  // The parser quotes what it read, which may be another secret.
  if (error instanceof SyntaxError) return 'the credentials are no JSON'
  return providerSays(typeof failure.code === 'string' ? failure.code : '', failure.message ?? '')
}

/** As a header of an answer writes it: base64 of four bytes, the highest first. */
const crcOf = (bytes: Uint8Array): string => {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32c(bytes))
  return sum.toString('base64')
}

const isNoBucket = (error: unknown): boolean =>
  /bucket (?:does not exist|not found)/i.test(String((error as Failure).message))

const connect = async (deadline: number): Promise<Storage> => {
  const { Storage } = await loadSdk('@google-cloud/storage', () => import('@google-cloud/storage'))
  const storage = new Storage({
    timeout: deadline / ATTEMPTS,
    // Repeated where a condition makes that safe, as each write here has one.
    retryOptions: { autoRetry: true, maxRetries: ATTEMPTS - 1, totalTimeout: deadline / 1000, maxRetryDelay: 4 },
  })
  // For another endpoint the SDK leaves the path out.
  storage.baseUrl = `${storage.apiEndpoint}/storage/v1`
  return storage
}

/** A bucket of Google Cloud Storage. STORAGE_EMULATOR_HOST names another endpoint, as the SDK reads it. */
export const openGcsStore = async (
  uri: string,
  { random, deadline = STORE_DEADLINE }: StoreContext,
): Promise<Store> => {
  const [, name = '', prefix = ''] = /^gs:\/\/([^/]+)\/?(.*)$/.exec(uri) ?? []
  const storage = await connect(deadline)
  const bucket = storage.bucket(name)
  const fileOf = (object: string, generation?: string): File =>
    bucket.file(keyOf(prefix, object), generation === undefined ? {} : { generation })

  const within = async <T>(act: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    try {
      const { protocol, hostname } = new URL(storage.apiEndpoint)
      demandTls(protocol, hostname)
      return await withinDeadline(act, deadline)
    } catch (error) {
      if (error instanceof QuorateError) throw error
      if (error instanceof LateAnswer) throw storeFault('unreachable', uri, error.message)
      throw storeFault(faultOf(error), uri, said(error))
    }
  }

  /** True where the write was made, by the condition, at this attempt or at an earlier one whose answer was lost. */
  const write = async (object: string, bytes: Uint8Array, ifGenerationMatch: number | string): Promise<boolean> => {
    refuseLarge(bytes)
    const [file, mark] = [fileOf(object), toHex(random(16))]
    return within(async () => {
      try {
        await file.save(Buffer.from(bytes), {
          resumable: false,
          // Checked here: where it does not hold, the SDK would delete the object.
          validation: false,
          preconditionOpts: { ifGenerationMatch },
          metadata: {
            contentType: 'application/octet-stream',
            cacheControl: 'no-store',
            crc32c: crcOf(bytes),
            metadata: { [MARK]: mark },
          },
        })
      } catch (error) {
        if (statusOf(error) !== 412) throw error
        const [found] = await file.getMetadata().catch((absent: unknown) => {
          if (statusOf(absent) === 404) return [undefined]
          throw absent
        })
        return found?.metadata?.[MARK] === mark
      }
      if (file.metadata.crc32c !== crcOf(bytes))
        throw storeFault('wrong answer', uri, 'it states another CRC-32C than that of the object')
      return true
    })
  }

  const readStream = async (file: File, signal: AbortSignal): Promise<StoredObject | undefined> => {
    const stream = file.createReadStream({ validation: false, decompress: false })
    let headers: IncomingMessage['headers'] = {}
    stream.on('response', (response: IncomingMessage) => {
      headers = response.headers
    })
    const bytes = await objectBytes(stream, signal).catch((error: unknown) => {
      if (statusOf(error) === 404 && !isNoBucket(error)) return undefined
      throw error
    })
    if (bytes === undefined) return undefined
    const tag = String(headers['x-goog-generation'] ?? '')
    if (!/^[1-9]\d{0,19}$/.test(tag)) throw storeFault('wrong answer', uri, 'no generation in it')
    const sum = /(?:^|,\s*)crc32c=([^,]+)/.exec(String(headers['x-goog-hash'] ?? ''))?.[1]
    if (sum !== crcOf(bytes)) throw storeFault('damaged', uri, `${file.name}: its CRC-32C is another one, or none`)
    return { bytes, tag }
  }

  const filesOf = async (wanted: GetFilesOptions): Promise<readonly File[]> => {
    const all: File[] = []
    for (let query: GetFilesOptions | null = { ...wanted, autoPaginate: false, maxResults: 1000 }; query !== null; ) {
      const [files, next]: [File[], (GetFilesOptions | null)?, ...unknown[]] = await bucket.getFiles(query)
      all.push(...files)
      if (all.length > LIST_LIMIT) throw storeFault('wrong answer', uri, `over ${LIST_LIMIT} objects`)
      query = next ?? null
    }
    return all
  }

  const isDeleted = async (file: File): Promise<boolean> => {
    try {
      await file.delete({ ignoreNotFound: true })
      return true
    } catch (error) {
      const what = faultOf(error)
      if (what === 'locked' || what === 'refused') return false
      throw error
    }
  }

  /** Objects that a bucket keeps for some days after they were deleted, as new buckets do. */
  const isSoft = async (key: string): Promise<boolean> => {
    try {
      return (await filesOf({ prefix: key, softDeleted: true })).some((file) => file.name === key)
    } catch (error) {
      // A bucket that keeps none does not take the question; a site that may not ask does not know.
      const status = statusOf(error)
      if (status === 400 || status === 412) return false
      if (status === 403) return true
      throw error
    }
  }

  return {
    uri,
    create: (object, bytes) => write(object, bytes, 0),
    replace: (object, bytes, tag) => write(object, bytes, tag),
    async read(object) {
      const file = fileOf(object)
      return within((signal) => readStream(file, signal))
    },

    async remove(object) {
      const key = keyOf(prefix, object)
      return within(async (): Promise<'gone' | 'kept'> => {
        let kept = false
        for (const file of await filesOf({ prefix: key, versions: true })) {
          if (file.name !== key) continue
          const generation = String(file.metadata.generation ?? '')
          if (!(await isDeleted(fileOf(object, generation)))) kept = true
        }
        return kept || (await isSoft(key)) ? 'kept' : 'gone'
      })
    },

    async list(below) {
      const beginning = keysBelow(prefix, below)
      return within(async () => {
        const files = await filesOf({ prefix: beginning })
        return namesOf(
          prefix,
          files.map((file) => file.name),
        )
      })
    },
  }
}
