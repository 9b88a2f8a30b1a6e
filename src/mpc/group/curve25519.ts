import { equal } from '../../lib/bytes.ts'
import { timesBySmall } from './double-and-add.ts'
import type { Element, Group, Scalar, ScalarField } from './group.ts'

/** libsodium's functions for one of its two groups, from bytes to bytes. Elements are encoded; they throw where libsodium returns −1. */
export interface SodiumElements {
  readonly backend: string
  readonly identity: Uint8Array
  timesBase(k: Uint8Array): Uint8Array
  times(k: Uint8Array, p: Uint8Array): Uint8Array
  add(p: Uint8Array, q: Uint8Array): Uint8Array
  subtract(p: Uint8Array, q: Uint8Array): Uint8Array
  /** Canonical and in the prime-order group. */
  isValid(p: Uint8Array): boolean
}

/** libsodium's arithmetic modulo the order that both groups share. Written to be constant-time. */
export interface SodiumScalars {
  reduce(wide: Uint8Array): Uint8Array
  add(a: Uint8Array, b: Uint8Array): Uint8Array
  subtract(a: Uint8Array, b: Uint8Array): Uint8Array
  multiply(a: Uint8Array, b: Uint8Array): Uint8Array
  invert(a: Uint8Array): Uint8Array
}

const BYTES = 32
const WIDE_BYTES = 64

const scalar = (bytes: Uint8Array): Scalar => bytes as unknown as Scalar
const raw = (a: Scalar): Uint8Array => a as unknown as Uint8Array
const element = (bytes: Uint8Array): Element => bytes as unknown as Element
const encoded = (p: Element): Uint8Array => p as unknown as Uint8Array

const widened = (bytes: Uint8Array): Uint8Array => {
  if (bytes.length > WIDE_BYTES) throw new RangeError(`at most ${WIDE_BYTES} bytes are reduced`)
  const wide = new Uint8Array(WIDE_BYTES)
  wide.set(bytes)
  return wide
}
const isZero = (bytes: Uint8Array): boolean => equal(bytes, new Uint8Array(BYTES))

export const sodiumField = (scalars: SodiumScalars): ScalarField => {
  const reduced = (bytes: Uint8Array): Uint8Array => {
    const wide = widened(bytes)
    const out = scalars.reduce(wide)
    wide.fill(0)
    return out
  }
  return {
    bytes: BYTES,
    wideBytes: WIDE_BYTES,
    fromNumber(n) {
      const bytes = new Uint8Array(BYTES)
      new DataView(bytes.buffer).setUint32(0, n, true)
      return scalar(bytes)
    },
    reduce: (bytes) => scalar(reduced(bytes)),
    decode(bytes) {
      if (bytes.length !== BYTES) return undefined
      const out = reduced(bytes)
      return equal(out, bytes) ? scalar(out) : undefined
    },
    encode: (a) => new Uint8Array(raw(a)),
    isZero: (a) => isZero(raw(a)),
    add: (a, b) => scalar(scalars.add(raw(a), raw(b))),
    subtract: (a, b) => scalar(scalars.subtract(raw(a), raw(b))),
    multiply: (a, b) => scalar(scalars.multiply(raw(a), raw(b))),
    invert(a) {
      if (isZero(raw(a))) throw new RangeError('zero has no inverse')
      return scalar(scalars.invert(raw(a)))
    },
    wipe: (a) => {
      raw(a).fill(0)
    },
  }
}

/** ed25519's prime-order group or ristretto255 on libsodium. Elements stay encoded between operations. */
export const sodiumGroup = (field: ScalarField, elements: SodiumElements): Group => {
  const { identity } = elements
  const isIdentity = (p: Uint8Array): boolean => equal(p, identity)
  // libsodium refuses what gives the identity, which in a group of prime order only these do.
  const times = (k: Uint8Array, p: Uint8Array): Uint8Array =>
    isZero(k) || isIdentity(p) ? identity : elements.times(k, p)
  const add = (p: Uint8Array, q: Uint8Array): Uint8Array => (isIdentity(p) ? q : isIdentity(q) ? p : elements.add(p, q))
  const timesBase = (k: Uint8Array): Uint8Array => (isZero(k) ? identity : elements.timesBase(k))
  return {
    backend: elements.backend,
    field,
    bytes: BYTES,
    timesBase: (k) => element(elements.timesBase(raw(k))),
    combine(k, scalars, points) {
      const start = k === undefined ? identity : timesBase(raw(k))
      return element(points.reduce((sum, p, at) => add(sum, times(raw(scalars[at] as Scalar), encoded(p))), start))
    },
    timesSmall(n, p) {
      // An addition takes an eighth of a multiplication.
      const few = timesBySmall(n, encoded(p), add, 8)
      return element(few ?? times(raw(field.fromNumber(n)), encoded(p)))
    },
    add: (p, q) => element(add(encoded(p), encoded(q))),
    negate: (p) => element(elements.subtract(identity, encoded(p))),
    equals: (p, q) => equal(encoded(p), encoded(q)),
    isIdentity: (p) => isIdentity(encoded(p)),
    decode: (bytes) =>
      bytes.length === BYTES && !isIdentity(bytes) && elements.isValid(bytes)
        ? element(new Uint8Array(bytes))
        : undefined,
    encode(p) {
      if (isIdentity(encoded(p))) throw new RangeError('the identity has no encoding')
      return new Uint8Array(encoded(p))
    },
  }
}
