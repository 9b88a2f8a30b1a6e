import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { OVERHEAD } from '../../src/transport/relay/connection.ts'
import type { Limits } from '../../src/transport/relay/limits.ts'
import type { Relay, RelayOptions } from '../../src/transport/relay/server.ts'
import { encodeAddressed } from '../../src/transport/relay-frame.ts'
import { type HandClock, handClock } from './hand-clock.ts'
import { type RawClient, rawClient } from './raw-client.ts'
import { enterAs, noteOf, type Person, person, relayOn } from './relay-support.ts'
import { site, until } from './support.ts'

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const end of open.splice(0).reverse()) await end()
})
const relayWith = async (limits: Partial<Limits>, options: Partial<RelayOptions> = {}): Promise<Relay> => {
  const relay = await relayOn({ limits: { drain: 200, ...limits }, ...options })
  open.push(() => relay.close())
  return relay
}
/** A relay whose time passes only when the test says so. */
const relayByHand = async (limits: Partial<Limits>): Promise<{ relay: Relay; clock: HandClock }> => {
  const clock = handClock()
  const relay = await relayWith(limits, { clock })
  open.push(() => clock.run())
  return { relay, clock }
}
const stranger = async (relay: Relay, self: Person): Promise<RawClient> => {
  const client = await rawClient(relay.url, [self.member])
  client.socket.on('error', () => {})
  open.push(() => client.socket.terminate())
  return client
}
const enter = async (relay: Relay, self: Person, all: readonly Person[] = [self]): Promise<RawClient> => {
  const client = await rawClient(
    relay.url,
    all.map(({ member }) => member),
  )
  client.socket.on('error', () => {})
  open.push(() => client.socket.terminate())
  await client.enter(self)
  return client
}
const tcp = (relay: Relay): { socket: Socket; ended: Promise<string> } => {
  const socket = connect(relay.port, '127.0.0.1')
  let text = ''
  socket.on('data', (data) => {
    text += data.toString('latin1')
  })
  socket.on('error', () => {})
  open.push(() => socket.destroy())
  return { socket, ended: new Promise((resolve) => socket.on('close', () => resolve(text))) }
}
const frame = (from: string, to: string, size: number): Uint8Array =>
  encodeAddressed({ from: site(from), to: site(to), bytes: new Uint8Array(size) })

describe('limits on strangers', () => {
  test('who is not admitted in time, or says too much before, is cut', async () => {
    const relay = await relayWith({ strangerTime: 300, strangerBytes: 20_000, strangerFrames: 20 })
    const a = await person('a')
    const silent = await stranger(relay, a)
    const loud = await stranger(relay, a)
    loud.socket.send(new Uint8Array(30_000))
    const restless = await stranger(relay, a)
    for (let i = 0; i < 25; i += 1) restless.socket.ping()
    await Promise.all([loud.closed, restless.closed, silent.closed])
    await until(() => relay.stats().strangers === 0)
    expect(relay.stats()).toMatchObject({ cutLate: 1, cutOversize: 2 })
  })

  test('the oldest gives way when there are too many', async () => {
    const relay = await relayWith({ strangers: 2 })
    const a = await person('a')
    const first = await stranger(relay, a)
    await stranger(relay, a)
    await stranger(relay, a)
    await first.closed
    await until(() => relay.stats().strangers === 2)
    expect(relay.stats().cutCrowded).toBe(1)
  })

  test('new connections are limited by address, and connections in all', async () => {
    const slow = await relayWith({ opensPerSecond: 1, opensBurst: 2 })
    const a = await person('a')
    await stranger(slow, a)
    await stranger(slow, a)
    await expect(stranger(slow, a)).rejects.toThrow('429')
    // Connections are limited too, at four times the rate: these are cut before they have said anything.
    for (let i = 0; i < 12; i += 1) tcp(slow)
    await until(() => slow.stats().turnedAway > 1)
    const full = await relayWith({ connections: 1 })
    const [first, second] = [await enter(full, a), await enter(full, await person('b'))]
    expect(await second.closed).toBe(1013)
    expect(first.socket.readyState).toBe(first.socket.OPEN)
    expect(full.stats().cutCrowded).toBe(1)
  })

  test('what is no WebSocket of this protocol is turned away', async () => {
    const relay = await relayWith({ handshakeTime: 300 })
    const a = await person('a')
    await expect(rawClient(relay.url, [a.member], {}, 'nothing')).rejects.toThrow('404')
    const { socket: mute, ended: muted } = tcp(relay)
    const { socket: drip, ended: dripped } = tcp(relay)
    drip.write('GET / HTTP/1.1\r\nhost: x\r\n')
    const { socket: huge, ended: refused } = tcp(relay)
    huge.write(`GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)
    const { socket: noise, ended: silenced } = tcp(relay)
    noise.write(new Uint8Array(5000).fill(7))
    await Promise.all([muted, dripped, refused, silenced])
    expect([mute, drip, huge, noise].every(({ destroyed }) => destroyed)).toBe(true)
  })

  test('malformed, compressed and fragmented WebSocket messages end their connection alone', async () => {
    const relay = await relayWith({ fragments: 4 })
    const a = await person('a')
    const upgrade = (bytes: Uint8Array): Promise<string> => {
      const { socket, ended } = tcp(relay)
      socket.write(
        `GET /${'ab'.repeat(32)} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`,
      )
      socket.once('data', () => socket.write(bytes))
      return ended
    }
    const mask = [0, 0, 0, 0]
    const compressed = Uint8Array.of(0xc2, 0x81, ...mask, 1)
    const unmasked = Uint8Array.of(0x82, 0x01, 1)
    const reserved = Uint8Array.of(0x83, 0x81, ...mask, 1)
    const gigantic = Uint8Array.of(0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, ...mask)
    await Promise.all([compressed, unmasked, reserved, gigantic].map(upgrade))
    const member = await enter(relay, a)
    await member.verdict()
    for (let i = 0; i < 6; i += 1) member.socket.send(Uint8Array.of(1), { fin: false })
    expect(await member.closed).toBe(1008)
    await until(() => relay.stats().strangers + relay.stats().members === 0)
  })
})

describe('limits on members', () => {
  test('a frame over the limit ends the connection', async () => {
    const relay = await relayWith({ frame: 1000 })
    const [a, b] = [await person('a'), await person('b')]
    const first = await enter(relay, a, [a, b])
    const second = await enter(relay, b, [a, b])
    await Promise.all([first.verdict(), second.verdict()])
    first.socket.send(frame('a', 'b', 900))
    first.socket.send(frame('a', 'b', 1000))
    await first.closed
    await until(() => second.frames.length === 1 && relay.stats().members === 1)
    expect(relay.stats().cutOversize).toBe(1)
  })

  test('rooms, members, connections of a room and of a member', async () => {
    const relay = await relayWith({ rooms: 1, connectionsPerRoom: 3, connectionsPerMember: 2, members: 2 })
    const [a, b, c] = [await person('a'), await person('b'), await person('c')]
    const first = await enter(relay, a, [a, b])
    for (const self of [a, b]) expect(await (await enter(relay, self, [a, b])).verdict()).toBe('admitted')
    expect(await (await enter(relay, b, [a, b])).verdict()).toMatch(/too many connections/)
    expect(await (await enter(relay, a, [a, b])).verdict()).toBe('admitted')
    await first.closed
    expect(relay.stats().cutCrowded).toBe(1)
    expect(await (await enter(relay, c, [c])).verdict()).toMatch(/too many rooms/)
    expect(await (await enter(relay, a, [a, b, c])).verdict()).toMatch(/too many members/)
  })

  test('an empty room gives way to a new one, and its notes with it', async () => {
    const relay = await relayWith({ rooms: 1 })
    const [a, b] = [await person('a'), await person('b')]
    const left = enterAs(a, [a], [relay])
    left.post(await noteOf(a, 1))
    await until(() => relay.stats().noteBytes > 0)
    await left.close()
    await until(() => relay.stats().members === 0)
    expect(relay.stats().rooms).toBe(1)
    expect(await (await enter(relay, b)).verdict()).toBe('admitted')
    expect(relay.stats()).toMatchObject({ rooms: 1, noteBytes: 0 })
  })

  test('notes are kept up to a limit', async () => {
    const relay = await relayWith({ notes: 3000 })
    const [a, b] = [await person('a'), await person('b')]
    for (const self of [a, b]) {
      const room = enterAs(self, [a, b], [relay])
      open.push(() => room.close())
      room.post(await noteOf(self, 1))
    }
    await until(() => relay.stats().notes === 2)
    expect(relay.stats().noteBytes).toBeLessThan(3000)
  })

  test('a slow reader is cut and the relay does not grow', async () => {
    const relay = await relayWith({ buffered: 1_000_000 })
    const [a, b] = [await person('a'), await person('b')]
    const writer = await enter(relay, a, [a, b])
    const reader = await enter(relay, b, [a, b])
    await Promise.all([writer.verdict(), reader.verdict()])
    reader.socket.pause()
    let most = 0
    for (let i = 0; i < 800 && relay.stats().cutSlow === 0; i += 1) {
      await new Promise<void>((resolve) => writer.socket.send(frame('a', 'b', 60_000), () => resolve()))
      most = Math.max(most, relay.stats().buffered)
    }
    await until(() => relay.stats().cutSlow === 1)
    expect(most).toBeLessThanOrEqual(1_000_000)
    await until(() => relay.stats().buffered === 0 && relay.stats().members === 1)
  })

  test('what waits is counted with what it takes beside its bytes', async () => {
    const buffered = 500_000
    const relay = await relayWith({ framesPerSecond: 1_000_000, buffered })
    const [a, b] = [await person('a'), await person('b')]
    const writer = await enter(relay, a, [a, b])
    const reader = await enter(relay, b, [a, b])
    await Promise.all([writer.verdict(), reader.verdict()])
    reader.socket.pause()
    // Until the system takes no more for this reader.
    for (let sent = 1; relay.stats().buffered < 100_000; sent += 1) {
      writer.socket.send(frame('a', 'b', 20_000))
      await until(() => relay.stats().framesIn === sent + 2)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(relay.stats().cutSlow).toBe(0)
    for (let sent = 0; sent < (2 * buffered) / OVERHEAD; sent += 1) writer.socket.send(frame('a', 'b', 1))
    await until(() => relay.stats().cutSlow === 1)
  })

  test('all readers together are limited too', async () => {
    const relay = await relayWith({ bufferedTotal: 500_000 })
    const [a, b] = [await person('a'), await person('b')]
    const writer = await enter(relay, a, [a, b])
    const reader = await enter(relay, b, [a, b])
    await Promise.all([writer.verdict(), reader.verdict()])
    reader.socket.pause()
    for (let i = 0; i < 800 && relay.stats().cutSlow === 0; i += 1)
      await new Promise<void>((resolve) => writer.socket.send(frame('a', 'b', 60_000), () => resolve()))
    await until(() => relay.stats().cutReclaimed === 1 && relay.stats().buffered === 0)
  })

  test('a flood is read slowly', async () => {
    const { relay, clock } = await relayByHand({ framesPerSecond: 100 })
    const [a, b] = [await person('a'), await person('b')]
    const flood = await enter(relay, a, [a, b])
    const reader = await enter(relay, b, [a, b])
    await Promise.all([flood.verdict(), reader.verdict()])
    // What one read from the socket brought is passed on; then the debt is waited for. One write is one read here.
    const { _socket: stream } = flood.socket as unknown as { readonly _socket: Duplex }
    stream.cork()
    for (let i = 0; i < 250; i += 1) flood.socket.send(frame('a', 'b', 1))
    stream.uncork()
    await until(() => reader.frames.length === 250)
    flood.socket.send(frame('a', 'b', 1))
    let waited = 0
    for (; reader.frames.length < 251; waited += 10) {
      await systemClock.sleep(2)
      clock.advance(10)
    }
    // A hundred at once, and 150 more at a hundred a second.
    expect(waited).toBeGreaterThanOrEqual(1500)
    expect(relay.stats().slowed).toBeGreaterThan(0)
  })

  test('a connection without a sign of life is cut', async () => {
    const relay = await relayWith({ idle: 1500 })
    const [a, b] = [await person('a'), await person('b')]
    const dead = await enter(relay, a, [a, b])
    const alive = await enter(relay, b, [a, b])
    await Promise.all([dead.verdict(), alive.verdict()])
    dead.socket.pause()
    await until(() => relay.stats().cutIdle === 1 && relay.stats().members === 1)
    expect(alive.socket.readyState).toBe(alive.socket.OPEN)
  })
})

describe('what an operator sees', () => {
  test('health and metrics', async () => {
    const relay = await relayWith({})
    const get = (path: string) => fetch(relay.url.replace('ws:', 'http:') + path)
    expect(await (await get('/health')).text()).toBe('ok\n')
    const metrics = await (await get('/metrics')).text()
    expect(metrics).toMatch(/^# TYPE quorate_relay_rooms gauge\nquorate_relay_rooms 0$/m)
    expect(metrics).toMatch(/^quorate_relay_cut_slow_total 0$/m)
    expect((await get('/')).status).toBe(426)
    expect((await fetch(`${relay.url.replace('ws:', 'http:')}/health`, { method: 'POST' })).status).toBe(426)
  })

  test('closing asks everybody to leave, and waits no longer than the drain time', async () => {
    const { relay, clock } = await relayByHand({ drain: 1500 })
    const [a, b] = [await person('a'), await person('b')]
    const polite = await enter(relay, a, [a, b])
    const rude = await enter(relay, b, [a, b])
    await Promise.all([polite.verdict(), rude.verdict()])
    rude.socket.pause()
    const closing = relay.close()
    expect(await polite.closed).toBe(1001)
    expect((await fetch(`${relay.url.replace('ws:', 'http:')}/health`)).status).toBe(503)
    await expect(rawClient(relay.url, [a.member])).rejects.toThrow('503')
    clock.advance(1499)
    await systemClock.sleep(20)
    expect(relay.stats().members).toBe(1)
    clock.advance(1)
    // Whoever was cut may take a second more to be gone, in steps; then nothing is left to wait for.
    for (let waited = 0; waited <= 1000; waited += 5) {
      await systemClock.sleep(1)
      clock.advance(5)
    }
    await closing
    expect(relay.stats().members).toBe(0)
    await expect(rawClient(relay.url, [a.member])).rejects.toThrow()
  })
})
