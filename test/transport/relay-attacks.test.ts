import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { Hash } from '../../src/lib/brand.ts'
import { toBase64, toHex, utf8 } from '../../src/lib/bytes.ts'
import { sha256 } from '../../src/lib/hash.ts'
import type { Limits } from '../../src/transport/relay/limits.ts'
import { roomName, sortMembers } from '../../src/transport/relay/room.ts'
import type { Relay } from '../../src/transport/relay/server.ts'
import { encodeAddressed } from '../../src/transport/relay-frame.ts'
import { type RawClient, rawClient } from './raw-client.ts'
import { noteOf, type Person, person, relayOn } from './relay-support.ts'
import { AUTHORITY, site, until } from './support.ts'

/** As the proxy before the relay names them. */
const HONEST = '198.51.100.1'
const ATTACKER = '203.0.113.9'

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const end of open.splice(0).reverse()) await end()
})
const relayWith = async (limits: Partial<Limits>): Promise<Relay> => {
  const relay = await relayOn({ behindProxy: true, limits: { drain: 200, ...limits } })
  open.push(() => relay.close())
  return relay
}
const authorityOf = (n: number): Hash => toHex(sha256(utf8(`room ${n}`))) as Hash
const client = async (relay: Relay, address: string, all: readonly Person[], authority = AUTHORITY) => {
  const members = sortMembers(all.map(({ member }) => member))
  const headers = { 'x-forwarded-for': `192.0.2.1, ${address}` }
  const one = await rawClient(relay.url, members, { headers }, roomName(authority, members))
  one.socket.on('error', () => {})
  open.push(() => one.socket.terminate())
  return one
}
const enter = async (
  relay: Relay,
  address: string,
  self: Person,
  all: readonly Person[],
  authority = AUTHORITY,
): Promise<RawClient> => {
  const one = await client(relay, address, all, authority)
  await one.enter(self, { enter: { authority } })
  expect(await one.verdict()).toBe('admitted')
  return one
}
const refused = async (relay: Relay, address: string, self: Person, authority: Hash): Promise<void> => {
  const one = await client(relay, address, [self], authority)
  await one.enter(self, { enter: { authority } })
  expect(await one.verdict()).toBe('too many rooms')
}
const frame = (from: string, to: string, size: number): Uint8Array =>
  encodeAddressed({ from: site(from), to: site(to), bytes: new Uint8Array(size) })
const pair = async (): Promise<[Person, Person]> => [await person('a'), await person('b')]
const alive = ({ socket }: RawClient): boolean => socket.readyState === socket.OPEN

describe('an honest room beside one client that', () => {
  test('does not read: it holds no memory that others need', async () => {
    const bufferedTotal = 1_000_000
    const relay = await relayWith({ bufferedTotal, buffered: 800_000 })
    const [a, b] = await pair()
    const [says, hears] = [await enter(relay, HONEST, a, [a, b]), await enter(relay, HONEST, b, [a, b])]
    const [x, y, z] = [await person('x'), await person('y'), await person('z')]
    const writer = await enter(relay, ATTACKER, x, [x, y, z])
    for (const [self, most] of [
      [y, 600_000],
      [z, 970_000],
    ] as const) {
      const lazy = await enter(relay, ATTACKER, self, [x, y, z])
      lazy.socket.pause()
      // Just so much that there is no place for an honest frame.
      for (let sent = relay.stats().framesIn + 1; relay.stats().buffered < most; sent += 1) {
        writer.socket.send(frame('x', self.member.name, relay.stats().buffered < most - 100_000 ? 65_000 : 10_000))
        while (relay.stats().framesIn < sent) await new Promise((resolve) => setImmediate(resolve))
      }
    }
    for (let n = 0; n < 10; n += 1) says.socket.send(frame('a', 'b', 60_000))
    await until(() => hears.frames.length === 10)
    expect(relay.stats()).toMatchObject({ dropped: 0, cutReclaimed: 1, cutSlow: 0 })
    expect([says, hears].every(alive)).toBe(true)
    expect(relay.stats().buffered).toBeLessThanOrEqual(bufferedTotal)
  })

  test('never ends its messages: the halves are counted, and the largest goes', async () => {
    const bufferedTotal = 1_000_000
    const relay = await relayWith({ bufferedTotal })
    const [a, b] = await pair()
    const [says, hears] = [await enter(relay, HONEST, a, [a, b]), await enter(relay, HONEST, b, [a, b])]
    const [x] = await pair()
    const half = await enter(relay, ATTACKER, x, [x], authorityOf(0))
    half.socket.send(new Uint8Array(300_000), { fin: false })
    await until(() => relay.stats().buffered > 300_000)
    // Its pings free nothing.
    for (let n = 0; n < 50; n += 1) half.socket.ping(new Uint8Array(100))
    await until(() => relay.stats().framesIn >= 53)
    expect(relay.stats().buffered).toBeGreaterThan(300_000)
    for (let n = 1; n < 6; n += 1) {
      const one = await enter(relay, ATTACKER, x, [x], authorityOf(n))
      one.socket.send(new Uint8Array(300_000), { fin: false })
    }
    await until(() => relay.stats().cutReclaimed >= 3)
    expect(relay.stats().buffered).toBeLessThanOrEqual(bufferedTotal)
    says.socket.send(frame('a', 'b', 60_000))
    await until(() => hears.frames.length === 1)
    expect([says, hears].every(alive)).toBe(true)
  })

  test('ends its messages after all: nothing is left counted', async () => {
    const relay = await relayWith({})
    const [a, b] = await pair()
    const [says, hears] = [await enter(relay, HONEST, a, [a, b]), await enter(relay, HONEST, b, [a, b])]
    const whole = frame('a', 'b', 40_000)
    says.socket.send(whole.subarray(0, 30_000), { fin: false })
    await until(() => relay.stats().buffered >= 30_000)
    says.socket.ping()
    says.socket.send(whole.subarray(30_000), { fin: true })
    await until(() => hears.frames.length === 1)
    for (let n = 0; n < 100; n += 1) says.socket.ping(new Uint8Array(n))
    await until(() => relay.stats().framesIn >= 104)
    await until(() => relay.stats().buffered === 0)
  })

  test('opens all rooms: one of its own gives way', async () => {
    const relay = await relayWith({ rooms: 4 })
    const [a, b] = await pair()
    const first = await enter(relay, HONEST, a, [a, b])
    const x = await person('x')
    const many: RawClient[] = []
    for (let n = 0; n < 3; n += 1) many.push(await enter(relay, ATTACKER, x, [x], authorityOf(n)))
    await refused(relay, ATTACKER, x, authorityOf(3))
    const second = await enter(relay, HONEST, b, [b])
    await until(() => many.filter(alive).length === 2)
    expect([first, second].every(alive)).toBe(true)
    expect(relay.stats().rooms).toBe(4)
  })

  test('opens an honest room, too: the room is not lost for its sake', async () => {
    const relay = await relayWith({ rooms: 3 })
    const [a, x] = [await person('a'), await person('x')]
    await enter(relay, ATTACKER, x, [a, x])
    const honest = await enter(relay, HONEST, a, [a, x])
    for (let n = 0; n < 2; n += 1) await enter(relay, ATTACKER, x, [x], authorityOf(n))
    await refused(relay, ATTACKER, x, authorityOf(2))
    expect(await (await enter(relay, '192.0.2.7', x, [a, x])).verdict()).toBe('admitted')
    await enter(relay, '192.0.2.7', x, [x], authorityOf(3))
    expect(alive(honest)).toBe(true)
  })

  test("fills the notes: others' stay, and a new one is taken", async () => {
    const relay = await relayWith({ notes: 20_000, rooms: 8 })
    const [a, b] = await pair()
    const post = async (by: RawClient, author: Person, counter: number, authority = AUTHORITY): Promise<void> => {
      const seen = relay.stats()
      const note = await noteOf(author, counter, { ceremony: authority, votes: ['x'.repeat(2000)] })
      by.say({ what: 'post', note: toBase64(note) })
      await until(() => relay.stats().notes + relay.stats().dropped > seen.notes + seen.dropped)
    }
    const first = await enter(relay, HONEST, a, [a, b])
    await post(first, a, 1)
    first.socket.terminate()
    await until(() => relay.stats().members === 0)
    const x = await person('x')
    // More notes than there is place for, and more rooms.
    for (let n = 0; n < 10; n += 1) {
      const filler = await enter(relay, ATTACKER, x, [x], authorityOf(n))
      await post(filler, x, 1, authorityOf(n))
      filler.socket.terminate()
      await until(() => relay.stats().members === 0)
    }
    expect(relay.stats().noteBytes).toBeLessThanOrEqual(20_000)
    const late = await enter(relay, HONEST, b, [a, b])
    await until(() => late.messages.some(({ what }) => what === 'note'))
    await post(late, b, 1)
    const reader = await enter(relay, HONEST, a, [a, b])
    await until(() => reader.messages.some(({ what }) => what === 'note'))
    expect(relay.stats().dropped).toBe(0)
  })

  test('posts long notes for many: one a turn is taken, and one a turn is shown', async () => {
    const relay = await relayWith({})
    const people = await Promise.all(Array.from({ length: 12 }, (_, n) => person(`m${n}`)))
    const clients = await Promise.all(people.map((one) => enter(relay, ATTACKER, one, people)))
    const notes = await Promise.all(people.map((one) => noteOf(one, 1, { votes: ['x'.repeat(60_000)] })))
    for (const [n, one] of clients.entries()) one.say({ what: 'post', note: toBase64(notes[n] ?? utf8('')) })
    const shown = people.length * (people.length - 1)
    const before = relay.stats().framesOut
    let mostAtOnce = 0
    for (let last = relay.stats(); last.framesOut < before + shown; ) {
      await new Promise((resolve) => setImmediate(resolve))
      const now = relay.stats()
      mostAtOnce = Math.max(mostAtOnce, now.notes - last.notes + now.framesOut - last.framesOut)
      last = now
    }
    expect(mostAtOnce).toBe(1)
  })

  test('posts more notes than a network may: they wait, and nobody else', async () => {
    const relay = await relayWith({ noteBytesPerSecond: 1, noteBytesBurst: 6000 })
    const [a, b] = await pair()
    const [x, y] = [await person('x'), await person('y')]
    const [first, second] = [await enter(relay, ATTACKER, x, [x, y]), await enter(relay, ATTACKER, y, [x, y])]
    for (let counter = 1; counter <= 3; counter += 1)
      first.say({ what: 'post', note: toBase64(await noteOf(x, counter, { votes: ['x'.repeat(2000)] })) })
    await until(() => relay.stats().slowed === 1)
    expect(relay.stats().notes).toBe(1)
    const [honest, reader] = [await enter(relay, HONEST, a, [a, b]), await enter(relay, HONEST, b, [a, b])]
    honest.say({ what: 'post', note: toBase64(await noteOf(a, 1)) })
    await until(() => reader.messages.some(({ what }) => what === 'note'))
    // Frames of the same network do not wait either.
    second.socket.send(frame('y', 'x', 10))
    await until(() => first.frames.length === 1)
    expect(relay.stats().notes).toBe(2)
  })

  test('is many strangers: its own oldest gives way', async () => {
    const relay = await relayWith({ strangers: 4 })
    const [a] = await pair()
    const honest = await client(relay, HONEST, [a])
    await honest.challenge()
    const many: RawClient[] = []
    for (let n = 0; n < 6; n += 1) many.push(await client(relay, ATTACKER, [a]))
    await Promise.all(many.slice(0, 3).map(({ closed }) => closed))
    await honest.enter(a)
    expect(await honest.verdict()).toBe('admitted')
  })

  test('is many members: one of its own gives way', async () => {
    const relay = await relayWith({ connections: 4 })
    const [a, x] = [await person('a'), await person('x')]
    const honest = await enter(relay, HONEST, a, [a])
    const many: RawClient[] = []
    for (let n = 0; n < 5; n += 1) many.push(await enter(relay, ATTACKER, x, [x], authorityOf(n)))
    await until(() => many.filter(alive).length === 3)
    const late = await enter(relay, HONEST, a, [a])
    await until(() => many.filter(alive).length === 2)
    expect([honest, late].every(alive)).toBe(true)
  })

  test('is many addresses of one network: they are one', async () => {
    const relay = await relayWith({ connections: 3 })
    const [a, x] = [await person('a'), await person('x')]
    const many: RawClient[] = []
    for (let n = 0; n < 3; n += 1) many.push(await enter(relay, `2001:db8::${n}:1`, x, [x], authorityOf(n)))
    const honest = [await enter(relay, '2001:db8:0:1::1', a, [a]), await enter(relay, '2001:db8:0:2::1', a, [a])]
    await until(() => many.filter(alive).length === 1)
    expect(honest.every(alive)).toBe(true)
  })

  test('only connects: its own oldest gives way', async () => {
    const relay = await relayWith({ handshakes: 2 })
    const ended: number[] = []
    for (let n = 0; n < 4; n += 1) {
      const socket = connect(relay.port, '127.0.0.1')
      socket.on('error', () => {})
      socket.on('close', () => ended.push(n))
      open.push(() => socket.destroy())
      await new Promise((resolve) => socket.once('connect', resolve))
    }
    await until(() => ended.length === 2)
    expect(ended.toSorted()).toEqual([0, 1])
    // A WebSocket is none of them any more.
    const [a] = await pair()
    const honest = await enter(relay, HONEST, a, [a])
    expect(alive(honest)).toBe(true)
  })
})

describe('who asks from elsewhere', () => {
  test('sees traffic, and not how near to its limits a relay is', async () => {
    const relay = await relayWith({})
    const names = async (headers: Record<string, string>): Promise<string[]> => {
      const page = await fetch(`${relay.url.replace('ws:', 'http:')}/metrics`, { headers })
      return [...(await page.text()).matchAll(/^quorate_relay_(\w+) /gm)].map(([, name = '']) => name)
    }
    const own = await names({})
    const others = await names({ 'x-forwarded-for': ATTACKER })
    expect(own).toEqual(expect.arrayContaining(['buffered', 'queued', 'resident_bytes', 'cut_reclaimed_total']))
    expect(others).toEqual(expect.arrayContaining(['rooms', 'members', 'frames_in_total']))
    expect(others.filter((name) => /buffered|queued|bytes$|cut|slowed|dropped|strangers|turned/.test(name))).toEqual([])
  })
})
