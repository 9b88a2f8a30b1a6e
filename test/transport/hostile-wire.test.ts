import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { decodeFrame, encodeFrame } from '../../src/transport/channel-frame.ts'
import { fastClock } from '../support/fast-clock.ts'
import { memoryNetwork } from '../support/memory-wire.ts'
import { type End, openEnd, seeded, site, TOPIC, until } from './support.ts'

interface Recorded {
  readonly from: SiteId
  readonly to: SiteId
  readonly frame: Uint8Array
}
const A = site('a')
const B = site('b')

/** A network whose relay writes down everything and passes on what `pass` lets through. */
const recording = (pass: (one: Recorded) => boolean = () => true, clock = systemClock) => {
  const net = memoryNetwork({ clock, random: seeded('hostile') })
  const recorded: Recorded[] = []
  net.set({
    tamper: (from, to, frame) => {
      recorded.push({ from, to, frame })
      return pass({ from, to, frame }) ? [frame] : []
    },
  })
  return { net, recorded }
}
const both = (net: ReturnType<typeof memoryNetwork>, clock = systemClock): readonly [End, End] => [
  openEnd('a', ['b'], net.join(A), { clock }),
  openEnd('b', ['a'], net.join(B), { clock }),
]
const connected = (...ends: readonly End[]): Promise<void> => until(() => ends.every((end) => end.connected.length > 0))
const works = async (a: End, b: End, text: string): Promise<void> => {
  await Promise.all([a.channels.send(b.name, TOPIC, utf8(text)), b.channels.send(a.name, TOPIC, utf8(text))])
  expect([a.messages.at(-1)?.text, b.messages.at(-1)?.text]).toEqual([text, text])
}
const kind = (frame: Uint8Array): string | undefined => decodeFrame(frame)?.kind

describe('a relay that records and replays', () => {
  test('into the same room: nothing is delivered twice and no channel changes', async () => {
    const { net, recorded } = recording()
    const [a, b] = both(net)
    await works(a, b, 'one')
    await works(a, b, 'two')
    const messages = [a.messages.length, b.messages.length]
    for (const { from, to, frame } of [...recorded, ...[...recorded].reverse()]) {
      net.inject(from, to, frame)
      // The other direction, too: what a side sent comes back to it.
      net.inject(to, from, frame)
    }
    await systemClock.sleep(50)
    expect([a.messages.length, b.messages.length]).toEqual(messages)
    await works(a, b, 'three')
    expect([a.connected.length, b.connected.length]).toEqual([1, 1])
    expect([a.replaced, b.replaced]).toEqual([[], []])
    expect(a.channels.counters.old + b.channels.counters.old).toBeGreaterThan(10)
    await Promise.all([a.close(), b.close()])
  })

  test('into the room of another ceremony, under other names and roles: nobody connects', async () => {
    const { net, recorded } = recording()
    const [a, b] = both(net)
    await works(a, b, 'one')
    const elsewhere = memoryNetwork({ clock: systemClock, random: seeded('elsewhere') })
    const authority = 'ab'.repeat(32) as Hash
    // Each is alone: whatever connects, connects to the recording.
    const lone = [
      openEnd('a', ['b', 'c'], elsewhere.join(A), { authority }),
      openEnd('b', ['a', 'c'], memoryNetwork({ clock: systemClock, random: seeded('') }).join(B), { authority }),
    ]
    const there = openEnd('c', ['a', 'b'], elsewhere.join(site('c')))
    for (const { frame } of recorded)
      for (const from of [A, B, site('c')]) for (const to of [A, B, site('c')]) elsewhere.inject(from, to, frame)
    await systemClock.sleep(50)
    for (const end of [...lone, there]) {
      expect(end.connected).toEqual([])
      expect(end.messages).toEqual([])
    }
    await Promise.all([a, b, ...lone, there].map((end) => end.close()))
  })

  test('to a side that came back: the process that is gone cannot return', async () => {
    const { net, recorded } = recording()
    const [a, b] = both(net)
    await works(a, b, 'one')
    await a.wire.close()
    const again = openEnd('a', ['b'], net.join(A))
    await connected(again)
    await works(again, b, 'two')
    await b.wire.close()
    const back = openEnd('b', ['a'], net.join(B))
    await connected(back)
    await works(again, back, 'three')
    for (const { from, to, frame } of [...recorded]) net.inject(from, to, frame)
    await systemClock.sleep(50)
    await works(again, back, 'four')
    expect(again.replaced).toEqual([B])
    expect(back.replaced).toEqual([])
    expect(back.messages.map(({ text }) => text)).toEqual(['three', 'four'])
    await Promise.all([again.close(), back.close(), a.channels.close(), b.channels.close()])
  })

  test('message 3 of a process that is gone, kept back until its successor is connected', async () => {
    const kept: Recorded[] = []
    let keeping = true
    const { net } = recording((one) => {
      if (!keeping || kind(one.frame) !== 'third') return true
      kept.push(one)
      return false
    })
    const [a, b] = both(net)
    await until(() => kept.length > 0)
    keeping = false
    await a.wire.close()
    const again = openEnd('a', ['b'], net.join(A))
    await works(again, b, 'alive')
    for (const { from, to, frame } of kept) net.inject(from, to, frame)
    await systemClock.sleep(50)
    expect(b.connected.length).toBe(1)
    expect(b.replaced).toEqual([])
    await works(again, b, 'still')
    await Promise.all([again.close(), b.close(), a.channels.close()])
  })

  test('message 2 of a process that is gone does not keep its successor out', async () => {
    const kept: Recorded[] = []
    let keeping = true
    const { net } = recording((one) => {
      if (!keeping || kind(one.frame) !== 'second') return true
      kept.push(one)
      return false
    })
    const [a, b] = both(net)
    await until(() => kept.length > 0)
    await b.wire.close()
    // The initiator takes the dead process at its word, and the living one cannot read message 3.
    for (const { from, to, frame } of kept) net.inject(from, to, frame)
    await systemClock.sleep(20)
    keeping = false
    const back = openEnd('b', ['a'], net.join(B))
    await works(a, back, 'alive')
    await Promise.all([a.close(), back.close(), b.channels.close()])
  })
})

describe('a relay that invents', () => {
  test('hints cost a handshake now and then, never the channel', async () => {
    const { net } = recording()
    const [a, b] = both(net)
    await works(a, b, 'one')
    const id = decodeFrame(encodeFrame({ kind: 'unknown', id: '00'.repeat(16), body: new Uint8Array(0) }))?.id ?? ''
    for (let i = 0; i < 200; i += 1) {
      net.inject(B, A, encodeFrame({ kind: 'unknown', id, body: new Uint8Array(0) }))
      await systemClock.sleep(3)
    }
    expect(a.channels.counters.needless).toBeLessThan(5)
    expect(a.channels.counters.needless).toBeGreaterThan(0)
    expect([a.connected.length, b.connected.length]).toEqual([1, 1])
    await works(a, b, 'two')
    await Promise.all([a.close(), b.close()])
  })

  test('a flood of first messages is answered at a bounded rate and leaves the channel alone', async () => {
    const { net } = recording()
    const [a, b] = both(net)
    await works(a, b, 'one')
    const other = memoryNetwork({ clock: systemClock, random: seeded('other') })
    const firsts: Uint8Array[] = []
    other.set({
      tamper: (_from, _to, frame) => {
        if (kind(frame) === 'first') firsts.push(frame)
        return []
      },
    })
    for (let i = 0; i < 60; i += 1) await openEnd('a', ['b'], other.join(A)).close()
    const before = b.channels.counters.sent
    for (const frame of firsts) net.inject(A, B, frame)
    await systemClock.sleep(20)
    expect(b.channels.counters.limited).toBeGreaterThan(30)
    expect(b.channels.counters.sent - before).toBeLessThan(30)
    await works(a, b, 'two')
    expect(b.connected.length).toBe(1)
    await Promise.all([a.close(), b.close()])
  })

  test('changed bytes are dropped and counted; what was sent arrives', async () => {
    // Each message that is lost waits to be sent again.
    const clock = fastClock()
    const { net } = recording(undefined, clock)
    const random = seeded('bit')
    net.set({
      tamper: (_from, _to, frame) => {
        const [dice = 0, at = 0] = random(2)
        const forged = frame.slice()
        const place = (at * 7919) % forged.length
        forged[place] = (forged[place] ?? 0) ^ (1 << (at & 7))
        return dice < 50 ? [forged] : dice < 100 ? [forged, frame] : [frame]
      },
    })
    const [a, b] = both(net, clock)
    for (let i = 0; i < 20; i += 1) await works(a, b, `${i}`)
    expect(a.messages.map(({ text }) => text)).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`))
    expect(a.channels.counters.unauthentic + b.channels.counters.unauthentic).toBeGreaterThan(0)
    await Promise.all([a.close(), b.close()])
  })

  test('any bytes at all: nothing breaks', async () => {
    const { net } = recording()
    const [a, b] = both(net)
    await works(a, b, 'one')
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc
            .tuple(fc.integer({ min: 0, max: 6 }), fc.uint8Array({ minLength: 16, maxLength: 1400 }))
            .map(([first, rest]) => Uint8Array.of(first, ...rest)),
        ),
        (way, bytes) => (way ? net.inject(A, B, bytes) : net.inject(B, A, bytes)),
      ),
      { numRuns: 2000 },
    )
    await systemClock.sleep(20)
    await works(a, b, 'two')
    expect([a.connected.length, b.connected.length]).toEqual([1, 1])
    await Promise.all([a.close(), b.close()])
  })
})

describe('an impostor', () => {
  test('who holds no certificate for the name it uses is refused by both roles', async () => {
    for (const [honest, claimed] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const net = memoryNetwork({ clock: systemClock, random: seeded('impostor') })
      const victim = openEnd(honest, [claimed], net.join(site(honest)))
      const thief = openEnd(claimed, [honest], net.join(site(claimed)), {
        certificate: utf8(`${claimed} ${'00'.repeat(32)}`),
        verifyCertificate: () => true,
      })
      await until(() => victim.channels.counters.refused > 0)
      await systemClock.sleep(100)
      expect(victim.connected).toEqual([])
      expect(victim.messages).toEqual([])
      await Promise.all([victim.close(), thief.close()])
    }
  })
})
