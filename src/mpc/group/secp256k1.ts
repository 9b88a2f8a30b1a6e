import { secp256k1 } from '@noble/curves/secp256k1.js'
import { bytesToNumberBE, numberToBytesBE } from '@noble/curves/utils.js'
import { concat, equal } from '../../lib/bytes.ts'
import { timesBySmall } from './double-and-add.ts'
import type { Element, Group, Scalar, ScalarField } from './group.ts'

/** libsecp256k1's functions over points of 65 bytes: no square root between two operations. */
interface Secp256k1Points {
  readonly backend: string
  timesBase(k: Uint8Array): Uint8Array
  /** Variable time. */
  times(k: Uint8Array, p: Uint8Array): Uint8Array
  /** Undefined where the sum is the identity. */
  add(p: Uint8Array, q: Uint8Array): Uint8Array | undefined
  /** 65 bytes of a compressed point; throws for what is none. */
  decompress(bytes: Uint8Array): Uint8Array
}

const IDENTITY = new Uint8Array(0)
const { p: PRIME } = secp256k1.Point.CURVE()
const COMPRESSED = 33

const element = (bytes: Uint8Array): Element => bytes as unknown as Element
const raw = (p: Element): Uint8Array => p as unknown as Uint8Array
const isIdentity = (p: Uint8Array): boolean => p.length === 0

/** secp256k1 on libsecp256k1. */
export const secp256k1Group = (points: Secp256k1Points, field: ScalarField): Group => {
  const add = (p: Uint8Array, q: Uint8Array): Uint8Array =>
    isIdentity(p) ? q : isIdentity(q) ? p : (points.add(p, q) ?? IDENTITY)
  const times = (k: Scalar, p: Uint8Array): Uint8Array =>
    field.isZero(k) || isIdentity(p) ? IDENTITY : points.times(field.encode(k), p)
  return {
    backend: points.backend,
    field,
    bytes: COMPRESSED,
    timesBase(k) {
      const bytes = field.encode(k)
      const out = points.timesBase(bytes)
      bytes.fill(0)
      return element(out)
    },
    combine(k, scalars, elements) {
      const start = k === undefined || field.isZero(k) ? IDENTITY : points.timesBase(field.encode(k))
      return element(elements.reduce((sum, p, at) => add(sum, times(scalars[at] as Scalar, raw(p))), start))
    },
    timesSmall(n, p) {
      // An addition takes a twentieth of a multiplication.
      return element(timesBySmall(n, raw(p), add, 20) ?? times(field.fromNumber(n), raw(p)))
    },
    add: (p, q) => element(add(raw(p), raw(q))),
    negate(p) {
      const bytes = raw(p)
      if (isIdentity(bytes)) return p
      const y = PRIME - bytesToNumberBE(bytes.subarray(33))
      return element(concat(bytes.subarray(0, 33), numberToBytesBE(y, 32)))
    },
    equals: (p, q) => equal(raw(p), raw(q)),
    isIdentity: (p) => isIdentity(raw(p)),
    decode(bytes) {
      if (bytes.length !== COMPRESSED || (bytes[0] !== 2 && bytes[0] !== 3)) return undefined
      try {
        return element(points.decompress(bytes))
      } catch {
        return undefined
      }
    },
    encode(p) {
      const bytes = raw(p)
      if (isIdentity(bytes)) throw new RangeError('the identity has no encoding')
      return concat(Uint8Array.of(2 + ((bytes[64] as number) & 1)), bytes.subarray(1, 33))
    },
  }
}
