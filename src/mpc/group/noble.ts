import { type CurvePoint, type CurvePointCons, mulAddUnsafe } from '@noble/curves/abstract/curve.js'
import type { IField } from '@noble/curves/abstract/modular.js'
import { ed448, ed448_FROST } from '@noble/curves/ed448.js'
import { ed25519, ristretto255 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { bytesToNumberBE, bytesToNumberLE } from '@noble/curves/utils.js'
import type { Element, Group, Scalar, ScalarField } from './group.ts'

const scalar = (n: bigint): Scalar => n as unknown as Scalar
const integer = (a: Scalar): bigint => a as unknown as bigint

const nobleField = (field: IField<bigint>): ScalarField => {
  const toNumber = field.isLE ? bytesToNumberLE : bytesToNumberBE
  return {
    bytes: field.BYTES,
    wideBytes: 2 * field.BYTES,
    fromNumber: (n) => scalar(field.create(BigInt(n))),
    reduce: (bytes) => scalar(field.create(toNumber(bytes))),
    decode(bytes) {
      if (bytes.length !== field.BYTES) return undefined
      const n = toNumber(bytes)
      return n < field.ORDER ? scalar(n) : undefined
    },
    encode: (a) => field.toBytes(integer(a)),
    isZero: (a) => field.is0(integer(a)),
    add: (a, b) => scalar(field.add(integer(a), integer(b))),
    subtract: (a, b) => scalar(field.sub(integer(a), integer(b))),
    multiply: (a, b) => scalar(field.mul(integer(a), integer(b))),
    invert: (a) => scalar(field.inv(integer(a))),
    // A BigInt cannot be overwritten.
    wipe: () => {},
  }
}

const nobleGroup = <P extends CurvePoint<unknown, P>>(
  Point: CurvePointCons<P>,
  field: IField<bigint>,
  cofactor: 'one' | 'more',
): Group => {
  const element = (p: P): Element => p as unknown as Element
  const point = (p: Element): P => p as unknown as P
  const encode = (p: P): Uint8Array => {
    if (p.is0()) throw new RangeError('the identity has no encoding')
    return p.toBytes()
  }
  const size = Point.BASE.toBytes().length
  return {
    backend: 'noble',
    field: nobleField(field),
    bytes: size,
    timesBase: (k) => element(Point.BASE.multiply(integer(k))),
    combine(k, scalars, elements) {
      const sum = scalars.length === 0 ? Point.ZERO : mulAddUnsafe(Point, elements.map(point), scalars.map(integer))
      return element(k === undefined ? sum : sum.add(Point.BASE.multiplyUnsafe(integer(k))))
    },
    timesSmall: (n, p) => element(point(p).multiplyUnsafe(BigInt(n))),
    add: (p, q) => element(point(p).add(point(q))),
    negate: (p) => element(point(p).negate()),
    equals: (p, q) => point(p).equals(point(q)),
    isIdentity: (p) => point(p).is0(),
    decode(bytes) {
      if (bytes.length !== size) return undefined
      try {
        const p = Point.fromBytes(bytes)
        if (p.is0()) return undefined
        // order·P by a width-4 chain: isTorsionFree says the same in three times the time.
        if (cofactor === 'more' && !mulAddUnsafe(Point, [p], [field.ORDER], true).is0()) return undefined
        return element(p)
      } catch {
        return undefined
      }
    },
    encode: (p) => encode(point(p)),
  }
}

/** Plain @noble/curves arithmetic: every curve, every platform, and what faster backends are compared with. */
export const nobleGroups = {
  ed25519: nobleGroup(ed25519.Point, ed25519.Point.Fn, 'more'),
  // RFC 9591 §6.3 writes scalars of edwards448 in 57 bytes; the point's own field has 56.
  ed448: nobleGroup(ed448.Point, ed448_FROST.utils.Fn, 'more'),
  p256: nobleGroup(p256.Point, p256.Point.Fn, 'one'),
  ristretto255: nobleGroup(ristretto255.Point, ristretto255.Point.Fn, 'one'),
  secp256k1: nobleGroup(secp256k1.Point, secp256k1.Point.Fn, 'one'),
} as const satisfies Record<string, Group>

export type CurveName = keyof typeof nobleGroups
