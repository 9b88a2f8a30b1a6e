import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Index } from '../../src/lib/brand.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { interpolate } from '../../src/mpc/frost/base.ts'
import { evaluate, evaluateCommitment, lagrange, randomScalar } from '../../src/mpc/frost/polynomial.ts'
import { loadSuite } from '../../src/mpc/frost/suite.ts'
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

  it('come back anywhere else, too', () => {
    fc.assert(
      fc.property(indices, fc.integer({ min: 1, max: 255 }), fc.string(), (members, at, seed) => {
        const random = seededRandom(seed)
        const coefficients = members.map(() => randomScalar(field, random))
        const x = at as Index
        const wanted = group.timesBase(evaluate(field, coefficients, x))
        const values = members.map((i) => group.timesBase(evaluate(field, coefficients, i)))
        expect(group.equals(interpolate(group, members, values, x), wanted)).toBe(true)
        expect(group.equals(interpolate(group, members.slice(1), values.slice(1), x), wanted)).toBe(
          members.slice(1).includes(x),
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

it('a polynomial of one coefficient gives a scalar of its own: wiping it leaves the coefficient', async () => {
  const { group } = await loadSuite('frost-ed25519')
  const { field } = group
  expect(group.backend).not.toBe('noble')
  const coefficient = randomScalar(field, seededRandom('constant'))
  const before = toHex(field.encode(coefficient))
  const value = evaluate(field, [coefficient], 3 as Index)
  expect(toHex(field.encode(value))).toBe(before)
  field.wipe(value)
  expect(toHex(field.encode(coefficient))).toBe(before)
})
