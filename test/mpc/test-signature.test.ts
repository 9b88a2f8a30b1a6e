import fc from 'fast-check'
import { expect, it } from 'vitest'
import { toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { testSignatureMessage, testSignerSets } from '../../src/mpc/test-signature.ts'

it('test signatures sign a fixed tag and the record’s hash', () => {
  const record = hashOf(utf8('record'))
  const message = testSignatureMessage(record)
  expect(message[0]).toBe(0xff)
  expect(toHex(message)).toBe(`ff${toHex(utf8('quorate test signature v1\n'))}${record}`)
})

it('signer sets are ⌈n/t⌉, of t, in order, and leave no site out', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 32 }), fc.integer({ min: 2, max: 32 }), (a, b) => {
      const [t, n] = [Math.min(a, b), Math.max(a, b)]
      const sets = testSignerSets(n, t)
      expect(sets.length).toBe(Math.ceil(n / t))
      for (const set of sets) expect(set).toEqual(Array.from({ length: t }, (_, at) => (set[0] as number) + at))
      expect(sets.at(-1)?.at(-1)).toBe(n)
      expect(new Set(sets.flat()).size).toBe(n)
    }),
  )
  expect(testSignerSets(5, 2)).toEqual([
    [1, 2],
    [3, 4],
    [4, 5],
  ])
})
