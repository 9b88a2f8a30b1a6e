import canonicalize from 'canonicalize'
import { equal, fromUtf8, utf8 } from './bytes.ts'

/** RFC 8785 bytes of a JSON value. Numbers must be safe integers: no float has a place in anything that is signed. */
export const toCanonicalJson = (value: unknown): Uint8Array => {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('value has no JSON form')
  return utf8(text)
}

/** The value of RFC 8785 bytes; throws on any other spelling of the same value (duplicate keys, spaces, escapes, order). */
export const fromCanonicalJson = (bytes: Uint8Array): unknown => {
  const value: unknown = JSON.parse(fromUtf8(bytes))
  if (!equal(toCanonicalJson(value), bytes)) throw new RangeError('not canonical JSON')
  return value
}
