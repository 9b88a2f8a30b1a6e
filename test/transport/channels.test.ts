import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { fastClock } from '../support/fast-clock.ts'
import { memoryNetwork } from '../support/memory-wire.ts'
import { AUTHORITY, openEnd, seeded, site, TOPIC, until } from './support.ts'

const network = (seed = 'net', clock = systemClock) => memoryNetwork({ clock, random: seeded(seed) })

describe('channels over a calm wire', () => {
  test('both ends hold one binding, and messages pass both ways in order', async () => {
    const net = network()
    const a = openEnd('a', ['b'], net.join(site('a')))
    const early = a.channels.send(site('b'), TOPIC, utf8('before b is there'))
    const b = openEnd('b', ['a'], net.join(site('b')))
    await early
    for (let i = 0; i < 50; i += 1) void b.channels.send(site('a'), AUTHORITY, utf8(`b ${i}`))
    await b.channels.send(site('a'), AUTHORITY, new Uint8Array(0))
    expect(a.messages.map(({ text }) => text)).toEqual([...Array.from({ length: 50 }, (_, i) => `b ${i}`), ''])
    expect(b.messages).toEqual([{ from: 'a', topic: TOPIC, text: 'before b is there', length: 17 }])
    expect(a.connected.length).toBe(1)
    expect(a.connected[0]?.binding).toBe(b.connected[0]?.binding)
    expect(a.connected[0]?.binding).toMatch(/^[0-9a-f]{64}$/)
    expect(a.channels.status().get(site('b'))).toMatchObject({ connected: true, queued: 0 })
    await Promise.all([a.close(), b.close()])
  })

  test('a message of eight mebibytes passes, one byte more does not', async () => {
    const net = network()
    const a = openEnd('a', ['b'], net.join(site('a')))
    const b = openEnd('b', ['a'], net.join(site('b')))
    await a.channels.send(site('b'), TOPIC, new Uint8Array(8_388_608).fill(97))
    expect(b.messages[0]?.length).toBe(8_388_608)
    await expect(a.channels.send(site('b'), TOPIC, new Uint8Array(8_388_609))).rejects.toThrow(RangeError)
    await Promise.all([a.close(), b.close()])
  })

  test('what an absent peer does not take is bounded, and is rejected at the end', async () => {
    const net = network()
    const a = openEnd('a', ['b'], net.join(site('a')))
    const big = new Uint8Array(6_000_000)
    const waiting = [a.channels.send(site('b'), TOPIC, big), a.channels.send(site('b'), TOPIC, big)]
    await expect(a.channels.send(site('b'), TOPIC, big)).rejects.toMatchObject({ code: 'E_PEER_SILENT' })
    await a.close()
    for (const one of waiting) await expect(one).rejects.toMatchObject({ code: 'E_PEER_SILENT' })
    await expect(a.channels.send(site('b'), TOPIC, big)).rejects.toMatchObject({ code: 'E_PEER_SILENT' })
  })
})

describe('channels over a bad wire', () => {
  test('loss, delay, disorder and repetition deliver everything once and in order', async () => {
    // Each frame that is lost waits to be sent again.
    const clock = fastClock()
    const net = network('bad', clock)
    net.set({ drop: 0.25, duplicate: 0.3, reorder: 0.3, delay: [0, 10] })
    const names = ['a', 'b', 'c']
    const ends = names.map((name) =>
      openEnd(
        name,
        names.filter((other) => other !== name),
        net.join(site(name)),
        { clock },
      ),
    )
    const sends = ends.flatMap((end) =>
      names
        .filter((other) => other !== end.name)
        .flatMap((other) =>
          Array.from({ length: 40 }, (_, i) => {
            const size = i % 10 === 0 ? 150_000 : 20
            return end.channels.send(site(other), TOPIC, utf8(`${i} `.padEnd(size, '.')))
          }),
        ),
    )
    await Promise.all(sends)
    for (const end of ends)
      for (const other of names.filter((name) => name !== end.name))
        expect(end.messages.filter(({ from }) => from === other).map(({ text }) => Number(text.split(' ')[0]))).toEqual(
          Array.from({ length: 40 }, (_, i) => i),
        )
    net.set({ drop: 0, delay: [0, 0], reorder: 0 })
    await Promise.all(ends.map((end) => end.close()))
  })

  test('a partition holds messages back and a heal lets them pass', async () => {
    const net = network()
    const a = openEnd('a', ['b'], net.join(site('a')))
    const b = openEnd('b', ['a'], net.join(site('b')))
    await until(() => a.connected.length === 1 && b.connected.length === 1)
    net.partition([site('a')], [site('b')])
    const held = a.channels.send(site('b'), TOPIC, utf8('held'))
    await systemClock.sleep(200)
    expect(b.messages).toEqual([])
    net.heal()
    await held
    expect(b.messages.map(({ text }) => text)).toEqual(['held'])
    expect(a.replaced).toEqual([])
    expect(a.connected.length).toBe(1)
    await Promise.all([a.close(), b.close()])
  })
})

describe('restarts', () => {
  for (const restarting of ['a', 'b'])
    test(`${restarting === 'a' ? 'the initiator' : 'the responder'} comes back as a new process`, async () => {
      const net = network()
      const staying = restarting === 'a' ? 'b' : 'a'
      const first = openEnd(restarting, [staying], net.join(site(restarting)))
      const other = openEnd(staying, [restarting], net.join(site(staying)))
      await other.channels.send(first.name, TOPIC, utf8('one'))
      await first.channels.send(other.name, TOPIC, utf8('two'))
      await first.wire.close()
      const lost = other.channels.send(first.name, TOPIC, utf8('never read'))
      const old = other.connected[0]
      const second = openEnd(restarting, [staying], net.join(site(restarting)))
      await expect(lost).rejects.toMatchObject({ code: 'E_PEER_RESTARTED' })
      await until(() => other.connected.length === 2 && second.connected.length === 1)
      expect(other.replaced).toEqual([restarting])
      expect(other.connected[1]?.binding).toBe(second.connected[0]?.binding)
      await expect(old?.send(TOPIC, utf8('to the old one'))).rejects.toMatchObject({ code: 'E_PEER_RESTARTED' })
      await Promise.all([
        other.channels.send(second.name, TOPIC, utf8('three')),
        second.channels.send(other.name, TOPIC, utf8('four')),
      ])
      expect(second.messages.map(({ text }) => text)).toEqual(['three'])
      expect(other.messages.map(({ text }) => text)).toEqual(['two', 'four'])
      await Promise.all([other.close(), second.close(), first.channels.close()])
    })
})
