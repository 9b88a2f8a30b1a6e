import { describe, expect, test } from 'vitest'
import { toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { encapsulate, KEM, kemKey, nativeKey, nobleKey } from '../../src/transport/kem.ts'
import { seededRandom } from '../support/random.ts'

const random = seededRandom('kem')
const cases = Array.from({ length: 8 }, () => ({ seed: random(KEM.seed), message: random(KEM.message) }))
const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, n) => (n === at ? byte ^ 1 : byte))

test('the key of a seed, what is encapsulated to it and what comes of it never change', () => {
  const key = kemKey(new Uint8Array(KEM.seed).map((_, n) => n))
  const { cipherText, sharedSecret } = encapsulate(key.publicKey, utf8('0123456789abcdef0123456789abcdef'))
  expect(
    [key.publicKey, cipherText, sharedSecret, key.decapsulate(flipped(cipherText, 0))].map((bytes) =>
      hashOf(bytes).slice(0, 16),
    ),
  ).toMatchInlineSnapshot(`
    [
      "0b7934c83125c788",
      "8b3068d3bb52a6fe",
      "181be3b599abe359",
      "a568ce957c682fc4",
    ]
  `)
  expect(key.decapsulate(cipherText)).toEqual(sharedSecret)
})

test('a key that fails the check of FIPS 203 is refused', () => {
  const { publicKey } = kemKey(cases[0]?.seed ?? new Uint8Array())
  // A coefficient of 4095 is over the modulus.
  const over = publicKey.slice()
  over.set([0xff, 0xff], 0)
  expect(() => encapsulate(over, random(KEM.message))).toThrow()
  expect(() => encapsulate(publicKey.subarray(1), random(KEM.message))).toThrow()
})

/** The runtime's own needs node 24.7; .ci/run runs these under newer lines too. */
describe.skipIf(nativeKey === undefined)('the runtime’s own ML-KEM and noble’s', () => {
  test('is the one in use', () => {
    expect(kemKey).toBe(nativeKey)
  })

  test.each(cases)('agree on keys, secrets and implicit rejection (%#)', ({ seed, message }) => {
    const [native, noble] = [nativeKey?.(seed), nobleKey(seed)]
    expect(toHex(native?.publicKey ?? new Uint8Array())).toBe(toHex(noble.publicKey))
    const { cipherText, sharedSecret } = encapsulate(noble.publicKey, message)
    for (const key of [native, noble]) expect(key?.decapsulate(cipherText)).toEqual(sharedSecret)
    for (const at of [0, 500, KEM.cipherText - 1])
      expect(native?.decapsulate(flipped(cipherText, at))).toEqual(noble.decapsulate(flipped(cipherText, at)))
  })
})
