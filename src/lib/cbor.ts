import { decode, encode, rfc8949EncodeOptions } from 'cborg'
import { equal } from './bytes.ts'

/** Deterministic CBOR (RFC 8949 §4.2.1) of byte strings, text, integers, booleans, null, arrays and string-keyed maps. */
export const toCbor = (value: unknown): Uint8Array => encode(value, rfc8949EncodeOptions)

/** The value of deterministic CBOR; throws on any other encoding of the same value. */
export const fromCbor = (bytes: Uint8Array): unknown => {
  const value: unknown = decode(bytes, {
    strict: true,
    allowIndefinite: false,
    allowUndefined: false,
    allowNaN: false,
    allowInfinity: false,
    allowBigInt: false,
    rejectDuplicateMapKeys: true,
    useMaps: false,
  })
  if (!equal(toCbor(value), bytes)) throw new RangeError('not deterministic CBOR')
  return value
}
