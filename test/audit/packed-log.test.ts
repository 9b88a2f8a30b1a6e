import fc from 'fast-check'
import { expect, test } from 'vitest'
import { packEvents, unpackEvents } from '../../src/audit/packed-log.ts'
import { type PeerMessage, peerMessageCodec } from '../../src/ceremony/peers/peer-message.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { joined, utf8 } from '../../src/lib/bytes.ts'
import { toCbor } from '../../src/lib/cbor.ts'
import { DecodeError } from '../../src/records/codec.ts'
import { eventCodec, eventSchema, eventText } from '../../src/records/event.ts'
import { LONG } from '../support/report.ts'

const ceremonies = [null, '00'.repeat(32), '11'.repeat(32), '22'.repeat(32)] as (Hash | null)[]
const written = (of: readonly (Hash | null)[]): Uint8Array =>
  joined(
    of.flatMap((ceremony, seq) => [
      eventCodec.encode({ seq, at: 1000 + seq, what: 'joined', ceremony, site: null, object: null }),
      utf8('\n'),
    ]),
  )
/** A message as whoever sent it wrote it. */
const raw = (events: unknown): Uint8Array =>
  toCbor(['talk/v2', { is: 'log', events, checkpoint: utf8('x'), ledger: utf8('x') }])

test('whatever ceremonies its events are about, a log comes out of its packed form as it went in', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...ceremonies), { maxLength: 6 }), (of) => {
      const events = written(of)
      const message: PeerMessage = { is: 'log', events, checkpoint: utf8('x'), ledger: utf8('x') }
      expect(peerMessageCodec.decode(peerMessageCodec.encode(message))).toEqual(message)
    }),
    { numRuns: 50 },
  )
})

test('the text of an event is what its codec writes', () => {
  const hash = fc.constantFrom(...ceremonies)
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 40 }),
      fc.integer({ min: 0, max: 2 ** 45 }),
      fc.constantFrom(...eventSchema.entries.what.options),
      hash,
      fc.constantFrom(null, 'eu', 's-32' as SiteId),
      hash,
      (seq, at, what, ceremony, site, object) => {
        const event = { seq, at, what, ceremony, site: site as SiteId | null, object }
        expect(utf8(eventText(event))).toEqual(eventCodec.encode(event))
      },
    ),
  )
})

test('a log has one packed form: what is packed otherwise is not read', () => {
  const [zero, one, two] = [0, 0x11, 0x22].map((byte) => new Uint8Array(32).fill(byte)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  const event = (ceremony: unknown): unknown[] => [1, 'joined', ceremony, null, null]
  const fine = { ceremony: one, events: [event(null), event(0), event(two)] }
  expect(packEvents(unpackEvents(fine as never))).toEqual(fine)
  for (const events of [
    { ceremony: one, events: [] },
    { ceremony: one, events: [event(null)] },
    { ceremony: one, events: [event(two), event(0)] },
    { ceremony: one, events: [event(0), event(one)] },
    { ceremony: zero, events: [event(zero)] },
  ])
    expect(() => peerMessageCodec.decode(raw(events))).toThrow(DecodeError)
})

test('bytes are joined of as many parts as there are', () => {
  expect(joined(new Array<Uint8Array>(2 ** 18).fill(Uint8Array.of(7))).length).toBe(2 ** 18)
})

// A log of this many lines took two arguments of one call for each, which is more than a call may have.
test.runIf(LONG)('a log of as many events as a message may hold is read', () => {
  const events = Array.from({ length: 2 ** 16 }, () => [1, 'joined', null, null, null])
  expect(unpackEvents({ ceremony: new Uint8Array(32), events } as never).length).toBeGreaterThan(2 ** 22)
})
