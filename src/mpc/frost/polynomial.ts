import type { Index } from '../../lib/brand.ts'
import type { Random } from '../../lib/ports.ts'
import type { Element, Group, Scalar, ScalarField } from '../group/group.ts'

/** A uniform scalar that is not zero. */
export const randomScalar = (field: ScalarField, random: Random): Scalar => {
  for (;;) {
    const bytes = random(field.wideBytes)
    const a = field.reduce(bytes)
    bytes.fill(0)
    if (!field.isZero(a)) return a
  }
}

/** a + b·c, and nothing left of the product. */
export const plusProduct = (field: ScalarField, a: Scalar, b: Scalar, c: Scalar): Scalar => {
  const product = field.multiply(b, c)
  const sum = field.add(a, product)
  field.wipe(product)
  return sum
}

/**
 * f(x) for the polynomial with these coefficients, constant term first (RFC 9591 appendix C.1.1), in a scalar of its
 * own; nothing is left of partial sums.
 */
export const evaluate = (field: ScalarField, coefficients: readonly Scalar[], x: Index): Scalar => {
  const at = field.fromNumber(x)
  return coefficients.reduceRight((sum, coefficient) => {
    const next = plusProduct(field, coefficient, sum, at)
    field.wipe(sum)
    return next
  }, field.fromNumber(0))
}

/** f(x)·G from the commitments to f's coefficients (RFC 9591 appendix C.2). */
export const evaluateCommitment = (group: Group, commitment: readonly Element[], x: Index): Element =>
  commitment.reduceRight((sum, element) => group.add(group.timesSmall(x, sum), element))

/** Sums commitments coefficient by coefficient: the commitment to the sum of the polynomials. */
export const sumCommitments = (group: Group, commitments: readonly (readonly Element[])[]): readonly Element[] =>
  commitments.reduce((sum, one) => sum.map((element, k) => group.add(element, one[k] as Element)))

/**
 * The weight of f(i) in f(x), for the points `members` (RFC 9591 §4.2 has x = 0). `i` is one of them; none stands
 * twice.
 */
export const lagrange = (field: ScalarField, i: Index, members: readonly Index[], x: Index | 0 = 0): Scalar => {
  const at = field.fromNumber(x)
  let numerator = field.fromNumber(1)
  let denominator = numerator
  for (const j of members) {
    if (j === i) continue
    numerator = field.multiply(numerator, field.subtract(field.fromNumber(j), at))
    denominator = field.multiply(denominator, field.subtract(field.fromNumber(j), field.fromNumber(i)))
  }
  return field.multiply(numerator, field.invert(denominator))
}
