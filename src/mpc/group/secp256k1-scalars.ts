import { instantiateSecp256k1 } from '@bitauth/libauth/build/lib/crypto/secp256k1.js'
import { concat, equal, u32 } from '../../lib/bytes.ts'
import type { Scalar, ScalarField } from './group.ts'
import { nobleGroups } from './noble.ts'

const BYTES = 32
const HALF = 16

const scalar = (bytes: Uint8Array): Scalar => bytes as unknown as Scalar
const raw = (a: Scalar): Uint8Array => a as unknown as Uint8Array
const zero = (): Uint8Array => new Uint8Array(BYTES)
const isZero = (bytes: Uint8Array): boolean => equal(bytes, zero())
const fromNumber = (n: number): Uint8Array => concat(new Uint8Array(BYTES - 4), u32(n))

/**
 * Scalars of secp256k1 on libsecp256k1 as WebAssembly: its two "tweaks" of a secret key are a sum and a product modulo the
 * order, written to be constant-time. Time shows a scalar that is zero: libsecp256k1 takes none.
 */
export const loadSecp256k1Field = async (): Promise<ScalarField> => {
  const library = await instantiateSecp256k1()
  const noble = nobleGroups.secp256k1.field
  const minusOne = noble.encode(noble.subtract(noble.fromNumber(0), noble.fromNumber(1)))
  const shift = zero()
  shift[BYTES - HALF - 1] = 1

  const add = (a: Uint8Array, b: Uint8Array): Uint8Array => {
    if (isZero(a)) return new Uint8Array(b)
    if (isZero(b)) return new Uint8Array(a)
    const sum = library.addTweakPrivateKey(a, b)
    // Of two scalars in range, the one sum that is refused is zero.
    return typeof sum === 'string' ? zero() : sum
  }
  const multiply = (a: Uint8Array, b: Uint8Array): Uint8Array => {
    if (isZero(a) || isZero(b)) return zero()
    const product = library.mulTweakPrivateKey(a, b)
    if (typeof product === 'string') throw new Error('libsecp256k1 refused two scalars in range')
    return product
  }
  return {
    bytes: BYTES,
    wideBytes: 2 * BYTES,
    fromNumber: (n) => scalar(fromNumber(n)),
    reduce(bytes) {
      const padded = concat(new Uint8Array((HALF - (bytes.length % HALF)) % HALF), bytes)
      let sum = zero()
      for (let at = 0; at < padded.length; at += HALF) {
        const half = concat(new Uint8Array(BYTES - HALF), padded.subarray(at, at + HALF))
        const shifted = multiply(sum, shift)
        sum.fill(0)
        sum = add(shifted, half)
        shifted.fill(0)
        half.fill(0)
      }
      padded.fill(0)
      return scalar(sum)
    },
    decode(bytes) {
      if (bytes.length !== BYTES) return undefined
      return isZero(bytes) || library.validatePrivateKey(bytes) ? scalar(new Uint8Array(bytes)) : undefined
    },
    encode: (a) => new Uint8Array(raw(a)),
    isZero: (a) => isZero(raw(a)),
    add: (a, b) => scalar(add(raw(a), raw(b))),
    subtract(a, b) {
      const minus = multiply(raw(b), minusOne)
      const difference = add(raw(a), minus)
      minus.fill(0)
      return scalar(difference)
    },
    multiply: (a, b) => scalar(multiply(raw(a), raw(b))),
    invert: (a) => scalar(noble.encode(noble.invert(noble.decode(raw(a)) as Scalar))),
    wipe: (a) => {
      raw(a).fill(0)
    },
  }
}
