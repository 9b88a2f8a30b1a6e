import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Index } from '../../src/lib/brand.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { evaluate, evaluateCommitment, lagrange, randomScalar } from '../../src/mpc/frost/polynomial.ts'
import type { Scalar } from '../../src/mpc/group/group.ts'
import { nobleGroups } from '../../src/mpc/group/noble.ts'
import { seededRandom } from '../support/random.ts'

const indices = fc.uniqueArray(fc.integer({ min: 1, max: 255 }), { minLength: 2, maxLength: 4 }) as fc.Arbitrary<
  Index[]
>

describe.each(Object.entries(nobleGroups))('polynomials over %s', (_, group) => {
  const { field } = group
  const hex = (a: Scalar): string => toHex(field.encode(a))

  it('come back from as many values as they have coefficients, in scalars and in the exponent', () => {
    fc.assert(
      fc.property(indices, fc.string(), (members, seed) => {
        const random = seededRandom(seed)
        const coefficients = members.map(() => randomScalar(field, random))
        const values = members.map((i) => evaluate(field, coefficients, i))
        const weights = members.map((i) => lagrange(field, i, members))
        const secret = weights
          .map((weight, at) => field.multiply(weight, values[at] as Scalar))
          .reduce((a, b) => field.add(a, b))
        expect(hex(secret)).toBe(hex(coefficients[0] as Scalar))
        const commitment = coefficients.map((coefficient) => group.timesBase(coefficient))
        for (const [at, i] of members.entries())
          expect(group.equals(evaluateCommitment(group, commitment, i), group.timesBase(values[at] as Scalar))).toBe(
            true,
          )
      }),
      { numRuns: 5 },
    )
  })

  it('are not drawn from zero', () => {
    let calls = 0
    const random = (length: number): Uint8Array => new Uint8Array(length).fill(calls++ === 0 ? 0 : 1)
    expect(field.isZero(randomScalar(field, random))).toBe(false)
    expect(calls).toBe(2)
  })
})
