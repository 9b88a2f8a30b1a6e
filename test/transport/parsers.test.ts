import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rawSigner } from '../../src/identity/ed25519.ts'
import { identityOf } from '../../src/identity/identity.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { concat, toHex } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import {
  type Content,
  decodeContent,
  decodeFrame,
  decodeSealed,
  encodeContent,
  encodeFrame,
  encodeSealed,
  MESSAGE_LIMIT,
  SEGMENT_DATA,
  type Segment,
} from '../../src/transport/channel-frame.ts'
import { type RelayMessage, relayMessageCodec } from '../../src/transport/relay/protocol.ts'
import { decodeAddressed, encodeAddressed } from '../../src/transport/relay-frame.ts'
import { type Delivery, Inbox, Outbox } from '../../src/transport/stream.ts'
import { seeded, TOPIC } from './support.ts'

const someone = identityOf('site', rawSigner(new Secret(new Uint8Array(32))).key)
const runs = { numRuns: 3000 }
const hex = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map(toHex)
const number = fc.integer({ min: 0, max: 2 ** 48 - 1 })

const segment: fc.Arbitrary<Segment> = fc.oneof(
  fc.record({
    number,
    head: fc.constant(undefined),
    last: fc.boolean(),
    data: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  }),
  fc
    .tuple(number, hex(32), fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 0, max: 1000 }))
    .map(([n, topic, data, more]) => ({
      number: n,
      head: { topic: topic as Hash, total: data.length + more },
      last: more === 0,
      data,
    })),
)
const content: fc.Arbitrary<Content> = fc.record({
  ack: fc.record({ next: number, bits: fc.uint8Array({ minLength: 16, maxLength: 16 }) }),
  segment: fc.option(segment, { nil: undefined }),
})
const name = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/).map((text) => text as SiteId)
/** Encodings with a few bytes changed, cut or added, and plain noise. */
const near = (good: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc
      .tuple(good, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.integer({ min: -3, max: 3 }))
      .map(([bytes, at, value, by]) => {
        const out = by < 0 ? bytes.slice(0, by) : concat(bytes, new Uint8Array(by))
        if (out.length > 0) out[at % out.length] = value
        return out
      }),
  )

describe('frames', () => {
  test('decode gives back what was encoded', () => {
    fc.assert(
      fc.property(content, (value) => {
        expect(decodeContent(encodeContent(value))).toEqual(value)
      }),
      runs,
    )
    fc.assert(
      fc.property(
        fc.constantFrom('first' as const, 'second' as const, 'third' as const, 'sealed' as const),
        hex(16),
        fc.uint8Array({ maxLength: 300 }),
        (kind, id, body) => {
          expect(decodeFrame(encodeFrame({ kind, id, body }))).toEqual({ kind, id, body })
        },
      ),
    )
    fc.assert(
      fc.property(name, name, fc.uint8Array(), (from, to, bytes) => {
        expect(decodeAddressed(encodeAddressed({ from, to, bytes }))).toEqual({ from, to, bytes })
      }),
    )
  })

  test('what decode takes is exactly what encode writes, and nothing throws', () => {
    let taken = 0
    const exact =
      <T>(decode: (bytes: Uint8Array) => T | undefined, encode: (value: T) => Uint8Array) =>
      (bytes: Uint8Array) => {
        const value = decode(bytes)
        if (value === undefined) return
        taken += 1
        expect(encode(value)).toEqual(bytes)
      }
    fc.assert(fc.property(near(content.map(encodeContent)), exact(decodeContent, encodeContent)), runs)
    const frame = fc
      .tuple(hex(16), fc.uint8Array({ maxLength: 50 }))
      .map(([id, body]) => encodeFrame({ kind: 'sealed', id, body }))
    fc.assert(fc.property(near(frame), exact(decodeFrame, encodeFrame)), runs)
    const sealed = fc.tuple(number, fc.uint8Array({ minLength: 1 })).map(([n, text]) => encodeSealed(n, text))
    fc.assert(
      fc.property(
        near(sealed),
        exact(decodeSealed, (value) => encodeSealed(value.number, value.ciphertext)),
      ),
      runs,
    )
    const addressed = fc
      .tuple(name, name, fc.uint8Array({ maxLength: 20 }))
      .map(([from, to, bytes]) => encodeAddressed({ from, to, bytes }))
    fc.assert(fc.property(near(addressed), exact(decodeAddressed, encodeAddressed)), runs)
    expect(taken).toBeGreaterThan(1000)
  })

  test('messages between client and relay: the same, as canonical JSON', () => {
    const good: fc.Arbitrary<RelayMessage> = fc.oneof(
      fc.constant({ what: 'admitted' } as const),
      fc.record({ what: fc.constant('refused' as const), reason: fc.constantFrom('no', 'too many rooms') }),
      fc.record({ what: fc.constant('post' as const), note: fc.constantFrom('', 'AAAA', 'AA==') }),
      fc.record({
        what: fc.constant('enter' as const),
        authority: hex(32).map((text) => text as Hash),
        members: name.map((one) => [{ name: one, identity: someone, role: 'site' as const }]),
        name,
        certificate: fc.constant('AAAA'),
        answer: fc.constant('AAAA'),
      }),
    )
    const encoded = good.map((message) => {
      try {
        return relayMessageCodec.encode(message)
      } catch {
        return new Uint8Array(0)
      }
    })
    fc.assert(
      fc.property(near(encoded), (bytes) => {
        let message: RelayMessage
        try {
          message = relayMessageCodec.decode(bytes)
        } catch (error) {
          expect((error as Error).name).toBe('DecodeError')
          return
        }
        expect(relayMessageCodec.encode(message)).toEqual(bytes)
      }),
      runs,
    )
  })
})

describe('stream', () => {
  const transfer = (seed: string, sizes: readonly number[]): readonly Delivery[] => {
    const random = seeded(seed)
    const dice = (): number => random(1)[0] ?? 0
    const outbox = new Outbox()
    const delivered: Delivery[] = []
    const inbox = new Inbox((delivery) => delivered.push(delivery))
    for (const [i, size] of sizes.entries()) void outbox.enqueue(TOPIC, new Uint8Array(size).fill(i))
    const flying: Segment[] = []
    let now = 0
    for (let turn = 0; outbox.queued > 0 && turn < 20_000; turn += 1) {
      now += 20
      for (let next = outbox.next(now); next !== undefined; next = outbox.next(now)) flying.push(next)
      flying.push(...outbox.overdue(now))
      for (let i = 0; i < 4 && flying.length > 0; i += 1) {
        const [one] = flying.splice(dice() % flying.length, 1)
        if (one === undefined || dice() < 60) continue
        inbox.accept(one)
        if (dice() < 60) flying.push(one)
      }
      if (dice() < 128) outbox.acknowledge(inbox.ack(), now)
    }
    expect(outbox.queued).toBe(0)
    return delivered
  }

  test('whatever is lost, repeated and reordered: every message once, in order', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.array(fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 40_000, max: 200_000 })), {
          maxLength: 20,
        }),
        (seed, sizes) => {
          const delivered = transfer(seed, sizes)
          expect(delivered.map(({ message }) => message.length)).toEqual(sizes)
          for (const [i, { message }] of delivered.entries()) expect(message.every((byte) => byte === i)).toBe(true)
        },
      ),
      { numRuns: 40 },
    )
  })

  test('a peer that sends what it likes is held to the limits', () => {
    const delivered: Delivery[] = []
    const inbox = new Inbox((delivery) => delivered.push(delivery))
    const part = (n: number, head: Segment['head'], size: number, last = false): Segment => ({
      number: n,
      head,
      last,
      data: new Uint8Array(size),
    })
    const whole = SEGMENT_DATA
    expect(inbox.accept(part(0, undefined, whole))).toBe('malformed')
    expect(inbox.accept(part(1, { topic: TOPIC, total: whole + 5 }, whole))).toBe('new')
    expect(inbox.accept(part(2, undefined, 6, true))).toBe('malformed')
    expect(inbox.accept(part(3, { topic: TOPIC, total: 2 * whole }, whole))).toBe('new')
    expect(inbox.accept(part(4, { topic: TOPIC, total: 2 * whole }, whole))).toBe('malformed')
    expect(inbox.accept(part(5, { topic: TOPIC, total: whole + 5 }, whole))).toBe('new')
    expect(inbox.accept(part(6, undefined, 4, true))).toBe('malformed')
    expect(inbox.accept(part(7, { topic: TOPIC, total: 3 }, 3, true))).toBe('new')
    expect(delivered.map(({ message }) => message.length)).toEqual([3])
    expect(inbox.accept(part(8 + 129, undefined, 1))).toBe('beyond')
    const held = Array.from({ length: 20 }, (_, i) => inbox.accept(part(9 + i, undefined, 49_000)))
    expect(held.filter((one) => one === 'new').length).toBe(10)
    expect(held.at(-1)).toBe('beyond')
    expect(new Outbox().acknowledge({ next: 1, bits: new Uint8Array(16) }, 0)).toBe(false)
    expect(MESSAGE_LIMIT).toBe(8 * 1024 * 1024)
  })

  test('a message comes in whole segments: none is held in millions of pieces', () => {
    const inbox = new Inbox(() => undefined)
    const data = new Uint8Array(1)
    expect(inbox.accept({ number: 0, head: { topic: TOPIC, total: MESSAGE_LIMIT }, last: false, data })).toBe(
      'malformed',
    )
    expect(inbox.accept({ number: 1, head: undefined, last: false, data })).toBe('malformed')
  })
})
