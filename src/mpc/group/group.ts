declare const scalar: unique symbol
declare const element: unique symbol

/** An integer modulo the group's order, in the backend's own form. Never mixed between backends. */
export type Scalar = { readonly [scalar]: true }
/** A member of the prime-order group, identity included, in the backend's own form. Never mixed between backends. */
export type Element = { readonly [element]: true }

/** Integers modulo the group's order. Byte order is the suite's: little-endian on Edwards curves, big-endian elsewhere. */
export interface ScalarField {
  /** Length of an encoded scalar. */
  readonly bytes: number
  /** Length of uniform bytes whose reduction is within 2^-128 of uniform. */
  readonly wideBytes: number
  /** A small non-negative integer. */
  fromNumber(n: number): Scalar
  /** Any bytes, taken as an integer and reduced. */
  reduce(bytes: Uint8Array): Scalar
  /** Undefined where the bytes are not the one encoding of an integer below the order. Zero decodes. */
  decode(bytes: Uint8Array): Scalar | undefined
  encode(a: Scalar): Uint8Array
  isZero(a: Scalar): boolean
  add(a: Scalar, b: Scalar): Scalar
  subtract(a: Scalar, b: Scalar): Scalar
  multiply(a: Scalar, b: Scalar): Scalar
  /** Not constant-time: public scalars only. Throws on zero. */
  invert(a: Scalar): Scalar
  /** Overwrites a secret scalar where the backend's form allows it. */
  wipe(a: Scalar): void
}

/**
 * A group of prime order with one backend. Everything but `timesBase` may take time that depends on its arguments, so
 * secret scalars go only there.
 */
export interface Group {
  /** The library that does the arithmetic, for benchmarks and support. */
  readonly backend: string
  readonly field: ScalarField
  /** Length of an encoded element. */
  readonly bytes: number
  /** k·G for a secret k, as constant-time as the backend can; k is not zero. */
  timesBase(k: Scalar): Element
  /** k·G + Σ scalars[i]·elements[i]; all public. */
  combine(k: Scalar | undefined, scalars: readonly Scalar[], elements: readonly Element[]): Element
  /** n·P for a small positive integer. */
  timesSmall(n: number, p: Element): Element
  add(p: Element, q: Element): Element
  negate(p: Element): Element
  equals(p: Element, q: Element): boolean
  isIdentity(p: Element): boolean
  /** Undefined where the bytes are not the one encoding of a member of the prime-order group, or are the identity's (RFC 9591 §3.1). */
  decode(bytes: Uint8Array): Element | undefined
  /** Throws RangeError on the identity. */
  encode(p: Element): Uint8Array
}
