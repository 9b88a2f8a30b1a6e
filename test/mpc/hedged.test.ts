import { describe, expect, it } from 'vitest'
import type { Hash } from '../../src/lib/brand.ts'
import { toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { type HedgeOptions, hedgedRandom } from '../../src/mpc/hedged.ts'
import { seededRandom } from '../support/random.ts'

const clock = (now: number, monotonic: number): HedgeOptions['clock'] => ({
  now: () => now,
  monotonic: () => monotonic,
  sleep: async () => {},
})

/** What a clone of a machine has: equal system randomness, key, share, process. */
const options = (change: Partial<HedgeOptions> = {}): HedgeOptions => ({
  random: seededRandom('system'),
  clock: clock(1_000, 5),
  hedgeKey: new Secret(Uint8Array.of(1, 2, 3)),
  share: new Secret(Uint8Array.of(4, 5)),
  session: hashOf(utf8('session')),
  label: 'nonces',
  message: utf8('message'),
  processId: 7,
  vmGeneration: 'a',
  ...change,
})
const drawn = (change?: Partial<HedgeOptions>, length = 32): string => toHex(hedgedRandom(options(change))(length))

describe('hedged randomness', () => {
  it('is the same only where everything is', () => {
    expect(drawn()).toBe(drawn())
  })

  it.each<[string, Partial<HedgeOptions>]>([
    ['system randomness', { random: seededRandom('another') }],
    ['wall clock', { clock: clock(1_001, 5) }],
    ['monotonic clock', { clock: clock(1_000, 5.25) }],
    ['hedge key', { hedgeKey: new Secret(Uint8Array.of(1, 2, 4)) }],
    ['share', { share: new Secret(Uint8Array.of(4, 6)) }],
    [
      'border of hedge key and share',
      { hedgeKey: new Secret(Uint8Array.of(1, 2, 3, 4)), share: new Secret(Uint8Array.of(5)) },
    ],
    ['session', { session: hashOf(utf8('another')) as Hash }],
    ['label', { label: 'polynomial' }],
    ['message', { message: utf8('another') }],
    ['empty message', { message: new Uint8Array() }],
    ['process', { processId: 8 }],
    ['machine generation', { vmGeneration: 'b' }],
  ])('differs with the %s', (_, change) => {
    expect(drawn(change)).not.toBe(drawn())
  })

  it('differs without a share, a message or a machine generation', () => {
    const { share: _share, ...noShare } = options()
    const { message: _message, ...noMessage } = options()
    const { vmGeneration: _generation, ...noGeneration } = options()
    const all = [noShare, noMessage, noGeneration].map((one) => toHex(hedgedRandom(one)(32)))
    expect(new Set([...all, drawn()]).size).toBe(4)
  })

  it('differs between two calls even if nothing else does', () => {
    const random = hedgedRandom(options({ random: (length) => new Uint8Array(length) }))
    expect(toHex(random(32))).not.toBe(toHex(random(32)))
  })

  it('gives exactly what is asked for, within its limit', () => {
    const random = hedgedRandom(options())
    for (const length of [1, 32, 114, 16_320]) expect(random(length).length).toBe(length)
    expect(() => random(16_321)).toThrow(RangeError)
  })

  it('leaves the hedge key and the share as they are', () => {
    const one = options()
    hedgedRandom(one)(32)
    expect(one.hedgeKey.reveal()).toEqual(Uint8Array.of(1, 2, 3))
    expect(one.share?.reveal()).toEqual(Uint8Array.of(4, 5))
  })
})
