import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openRaw, sealRaw } from '../../src/kms/gcp-raw.ts'
import { SEED } from '../support/report.ts'

test('a ciphertext of a version is encoded in one way', () => {
  const raw = { iv: new Uint8Array(12).fill(1), tagLength: 16, sealed: new Uint8Array(48).fill(2) }
  const bytes = sealRaw(raw) ?? new Uint8Array()
  expect(openRaw(bytes)).toEqual(raw)
  for (const wrong of [
    { iv: new Uint8Array(16) },
    { tagLength: 15 },
    { sealed: new Uint8Array(16) },
    { sealed: new Uint8Array(4097) },
  ])
    expect(sealRaw({ ...raw, ...wrong })).toBeUndefined()
  for (const n of [0, 1, 2]) expect(openRaw(bytes.map((byte, at) => (at === n ? byte ^ 1 : byte)))).toBeUndefined()
  for (const length of [0, 3, 15, 31]) expect(openRaw(bytes.subarray(0, length))).toBeUndefined()
})

test('any bytes are none, or the encoding of what they decode to', () => {
  const near = fc.tuple(fc.uint8Array({ maxLength: 6 }), fc.uint8Array({ maxLength: 80, size: 'max' }))
  const start = sealRaw({ iv: new Uint8Array(12), tagLength: 16, sealed: new Uint8Array(48) }) ?? new Uint8Array()
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 6000, size: 'max' }),
    near.map(([head, rest]) => Uint8Array.from([...start.subarray(0, 3), ...head, ...rest])),
  )
  let opened = 0
  fc.assert(
    fc.property(bytes, (given) => {
      const raw = openRaw(given)
      if (raw === undefined) return
      opened += 1
      expect(sealRaw(raw)).toEqual(given)
    }),
    { seed: SEED, numRuns: 2000 },
  )
  expect(opened).toBeGreaterThan(0)
})
