import fc from 'fast-check'
import { expect, test } from 'vitest'
import { definitionIn, takenRequest } from '../../src/site/home-request.ts'

/** A request at a home's socket: another version, or any program of the same user, may write it. */

const hash = 'ab'.repeat(32)
const good = [
  { do: 'running', ceremony: hash },
  { do: 'approved', ceremony: hash, object: hash },
  { do: 'abort', ceremony: hash, reason: 'wrong payee' },
  { do: 'join', ceremony: hash, definition: '{}', check: false },
] as const

test('is taken as it would have been written', () => {
  for (const request of good) expect(takenRequest(request)).toEqual(request)
})

test('is refused by name in any other form', () => {
  const near = fc
    .tuple(fc.constantFrom(...good), fc.string(), fc.jsonValue())
    .map(([request, key, value]) => ({ ...request, [key]: value }))
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), near), (request) => {
      try {
        expect(takenRequest(request)).toEqual(request)
      } catch (error) {
        expect(error).toMatchObject({ code: 'E_HOME_BUSY', message: expect.stringContaining('nothing was done') })
      }
    }),
    { numRuns: 500 },
  )
})

test('brings no definition but that of its ceremony', () => {
  for (const text of ['', '{}', 'null', '[', '{"type":"definition/v1"}'])
    expect(() => definitionIn(text, hash)).toThrow(expect.objectContaining({ code: 'E_HOME_BUSY' }))
})
