import * as v from 'valibot'
import { fromCanonicalJson, toCanonicalJson } from '../lib/canonical.ts'
import { fromCbor, toCbor } from '../lib/cbor.ts'

/** The only way bytes become values. `decode` refuses whatever `encode` would not have written. */
export interface Codec<T> {
  /** Ends in a version, as `hello/v1`. */
  readonly type: string
  /** Most bytes that `decode` looks at. */
  readonly limit: number
  encode(value: T): Uint8Array
  /** Throws DecodeError. */
  decode(bytes: Uint8Array): T
}

/** Bytes from outside that are not a record of the named type. The message says where, never what was there. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
}

type Schema<T> = v.GenericSchema<unknown, T>

const check = <T>(type: string, schema: Schema<T>, value: unknown): T => {
  const result = v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true })
  if (result.success) return result.output
  const issue = result.issues[0]
  const path = v.getDotPath(issue)
  throw new DecodeError(`${type}${path === null ? '' : ` at ${path}`}: ${issue.message}`)
}

const bounded = (type: string, limit: number, bytes: Uint8Array): Uint8Array => {
  if (bytes.length > limit) throw new DecodeError(`${type}: ${bytes.length} bytes, more than ${limit}`)
  return bytes
}

const parse = (type: string, parser: (bytes: Uint8Array) => unknown, bytes: Uint8Array): unknown => {
  try {
    return parser(bytes)
  } catch (error) {
    throw new DecodeError(`${type}: ${error instanceof Error ? error.message : 'unreadable'}`)
  }
}

/** Canonical JSON (RFC 8785): the object's own fields and `type`. */
export const jsonCodec = <T extends object>(type: string, schema: Schema<T>, limit = 65_536): Codec<T> => ({
  type,
  limit,
  encode: (value) => bounded(type, limit, toCanonicalJson({ ...check(type, schema, value), type })),
  decode: (bytes) => {
    const value = parse(type, fromCanonicalJson, bounded(type, limit, bytes))
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new DecodeError(`${type}: not an object`)
    const { type: found, ...fields } = value as Record<string, unknown>
    if (found !== type) throw new DecodeError(`${type}: another type`)
    return check(type, schema, fields)
  },
})

/** Deterministic CBOR (RFC 8949 §4.2.1): the array [type, value]. */
export const cborCodec = <T>(type: string, schema: Schema<T>, limit: number): Codec<T> => ({
  type,
  limit,
  encode: (value) => bounded(type, limit, toCbor([type, check(type, schema, value)])),
  decode: (bytes) => {
    const value = parse(type, fromCbor, bounded(type, limit, bytes))
    if (!Array.isArray(value) || value.length !== 2 || value[0] !== type) throw new DecodeError(`${type}: another type`)
    return check(type, schema, value[1])
  },
})
