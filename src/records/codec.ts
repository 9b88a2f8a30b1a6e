import * as v from 'valibot'
import { fromCanonicalJson, toCanonicalJson } from '../lib/canonical.ts'
import { fromCbor, toCbor } from '../lib/cbor.ts'

/** The only way bytes become values. `decode` refuses whatever `encode` would not have written. */
export interface Codec<T> extends Reader<T> {
  encode(value: T): Uint8Array
  /** Each version that `decode` reads, alone, the newest first; absent: one. Only the newest is written. */
  readonly versions?: readonly Reader<T>[]
}

/** One version of a record, as far as it is read. */
interface Reader<T> {
  /** Ends in a version, as `hello/v1`. */
  readonly type: string
  /** Most bytes that `decode` looks at. */
  readonly limit: number
  /** Throws DecodeError. */
  decode(bytes: Uint8Array): T
}

/** Bytes from outside that are not a record of the named type. The message says where, never what was there. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
}

type Schema<T> = v.GenericSchema<unknown, T>
type Path = readonly (string | number)[]

/** `sites[1].identity`; a key that is no plain word is shown as `?`, since the text is a stranger's. */
export const pathText = (path: Path): string =>
  path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${/^[A-Za-z0-9_-]{1,64}$/.test(part) ? part : '?'}`))
    .join('')
    .replace(/^\./, '')

export const issuePath = (issue: v.BaseIssue<unknown>): Path =>
  (issue.path ?? []).map((item) => (typeof item.key === 'number' ? item.key : String(item.key)))

/** One issue of a schema, in words that never repeat what was found. */
export const expectation = (issue: v.BaseIssue<unknown>): string => {
  if (!issue.message.startsWith('Invalid ')) return issue.message
  if (issue.kind === 'schema' && issue.type === 'strict_object' && issue.path?.at(-1)?.origin === 'key')
    return issue.expected === 'never' ? 'unknown key' : 'missing'
  return `expected ${issue.expected ?? 'another value'}`
}

/** The value as the schema has it. Throws DecodeError with the place and what was expected there. */
export const conform = <T>(type: string, schema: Schema<T>, value: unknown): T => {
  const result = v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true })
  if (result.success) return result.output
  const issue = result.issues[0]
  const path = pathText(issuePath(issue))
  throw new DecodeError(`${type}${path === '' ? '' : ` at ${path}`}: ${expectation(issue)}`)
}

const bounded = (type: string, limit: number, bytes: Uint8Array): Uint8Array => {
  if (bytes.length > limit) throw new DecodeError(`${type}: ${bytes.length} bytes, more than ${limit}`)
  return bytes
}

/** Faults of a program or of its runtime, which say nothing about the bytes that were read meanwhile. */
const isProgramFault = (error: unknown): boolean =>
  error instanceof ReferenceError ||
  (error instanceof TypeError && !('code' in error && error.code === 'ERR_ENCODING_INVALID_ENCODED_DATA'))

/**
 * Returns the value that a parser of `form` makes of the bytes. Throws DecodeError: other words than ours might repeat
 * the bytes.
 */
export const parsed = <T>(type: string, form: string, parser: () => T): T => {
  try {
    return parser()
  } catch (error) {
    if (isProgramFault(error)) throw error
    throw new DecodeError(`${type}: ${error instanceof RangeError ? error.message : `not ${form}`}`)
  }
}

/** Canonical JSON (RFC 8785): the object's own fields and `type`. */
export const jsonCodec = <T extends object>(type: string, schema: Schema<T>, limit = 65_536): Codec<T> => ({
  type,
  limit,
  encode: (value) => bounded(type, limit, toCanonicalJson({ ...conform(type, schema, value), type })),
  decode: (bytes) => {
    bounded(type, limit, bytes)
    const value = parsed(type, 'JSON', () => fromCanonicalJson(bytes))
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new DecodeError(`${type}: not an object`)
    const { type: found, ...fields } = value as Record<string, unknown>
    if (found !== type) throw new DecodeError(`${type}: another type`)
    return conform(type, schema, fields)
  },
})

/** An earlier version: its values are read as those of the newest, with what it did not say filled in. */
export const readAs = <Old, T>(old: Reader<Old>, upgrade: (value: Old) => T): Reader<T> => ({
  type: old.type,
  limit: old.limit,
  decode: (bytes) => upgrade(old.decode(bytes)),
})

export const versionsOf = <T>(codec: Codec<T>): readonly Reader<T>[] => codec.versions ?? [codec]

/** Writes the newest version of a record and reads the older ones beside it. */
export const withOlder = <T>(newest: Codec<T>, ...older: readonly Reader<T>[]): Codec<T> => ({
  ...newest,
  versions: [newest, ...older],
  decode: (bytes) => {
    try {
      return newest.decode(bytes)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      for (const one of older) {
        try {
          return one.decode(bytes)
        } catch (also) {
          if (!(also instanceof DecodeError)) throw also
        }
      }
      throw error
    }
  },
})

/** Deterministic CBOR (RFC 8949 §4.2.1): the array [type, value]. */
export const cborCodec = <T>(type: string, schema: Schema<T>, limit: number): Codec<T> => ({
  type,
  limit,
  encode: (value) => bounded(type, limit, toCbor([type, conform(type, schema, value)])),
  decode: (bytes) => {
    bounded(type, limit, bytes)
    const value = parsed(type, 'CBOR', () => fromCbor(bytes))
    if (!Array.isArray(value) || value.length !== 2 || value[0] !== type) throw new DecodeError(`${type}: another type`)
    return conform(type, schema, value[1])
  },
})
