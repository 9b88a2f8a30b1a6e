import { afterEach, describe, expect, test } from 'vitest'
import { toBase64, utf8 } from '../../src/lib/bytes.ts'
import { FairQueue } from '../../src/transport/relay/fair-queue.ts'
import { TEXT_LIMIT } from '../../src/transport/relay/protocol.ts'
import type { Relay } from '../../src/transport/relay/server.ts'
import { TokenBucket } from '../../src/transport/relay/token-bucket.ts'
import { encodeAddressed } from '../../src/transport/relay-frame.ts'
import { type RawClient, rawClient } from './raw-client.ts'
import { noteOf, type Person, person, relayOn } from './relay-support.ts'
import { site, until } from './support.ts'

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const end of open.splice(0).reverse()) await end()
})
const enter = async (relay: Relay, self: Person, all: readonly Person[]): Promise<RawClient> => {
  const client = await rawClient(
    relay.url,
    all.map(({ member }) => member),
  )
  open.push(() => client.socket.terminate())
  await client.enter(self)
  expect(await client.verdict()).toBe('admitted')
  return client
}
const relayWith = async (limits: NonNullable<Parameters<typeof relayOn>[0]>['limits'] = {}): Promise<Relay> => {
  const relay = await relayOn({ limits: { drain: 200, ...limits } })
  open.push(() => relay.close())
  return relay
}
/** A client's frame under the mask of zeros. */
const frame = (first: number, payload: Uint8Array): Uint8Array =>
  Buffer.concat([Uint8Array.of(first, 0x80 | payload.length, 0, 0, 0, 0), payload])
/** Past the WebSocket, so that one write holds many frames. */
const write = (client: RawClient, bytes: Uint8Array): void => {
  ;(client.socket as unknown as { _socket: { write(bytes: Uint8Array): void } })._socket.write(bytes)
}

describe('what one read from a socket holds', () => {
  test('is not parsed beyond the piece that ended the connection', async () => {
    const relay = await relayWith({ strangerFrames: 10 })
    const a = await person('a')
    const client = await rawClient(relay.url, [a.member])
    write(client, Buffer.concat(Array.from({ length: 8000 }, () => frame(0x89, new Uint8Array(1)))))
    await client.closed
    await until(() => relay.stats().strangers === 0)
    expect(relay.stats().cutOversize).toBe(1)
    // A ping of one byte takes seven; a piece is 4096 bytes.
    expect(relay.stats().framesIn).toBeLessThanOrEqual(4096 / 7 + 1)
  })

  test('is handled in turns: another member does not wait for all of it', async () => {
    const relay = await relayWith({ framesPerSecond: 100_000 })
    const [a, b, c] = [await person('a'), await person('b'), await person('c')]
    const all = [a, b, c]
    const [flood, reader, calm] = [await enter(relay, a, all), await enter(relay, b, all), await enter(relay, c, all)]
    const tiny = frame(0x82, encodeAddressed({ from: site('a'), to: site('b'), bytes: new Uint8Array(1) }))
    const many = 30_000
    write(flood, Buffer.concat(Array.from({ length: many }, () => tiny)))
    await until(() => reader.frames.length > 0)
    calm.socket.send(encodeAddressed({ from: site('c'), to: site('b'), bytes: utf8('calm') }))
    await until(() => reader.frames.length === many + 1)
    expect(relay.stats().slowed).toBe(0)
    const said = reader.frames.findIndex((bytes) => Buffer.from(bytes).includes('calm'))
    expect(said).toBeLessThan(many)
    expect(said).toBeGreaterThan(0)
  })

  test('a member that is over its rate is held in the middle of a read, and loses nothing', async () => {
    const relay = await relayWith({ framesPerSecond: 1000 })
    const [a, b] = [await person('a'), await person('b')]
    const [flood, reader] = [await enter(relay, a, [a, b]), await enter(relay, b, [a, b])]
    const tiny = frame(0x82, encodeAddressed({ from: site('a'), to: site('b'), bytes: new Uint8Array(1) }))
    write(flood, Buffer.concat(Array.from({ length: 3000 }, () => tiny)))
    await until(() => relay.stats().slowed > 0)
    expect(reader.frames.length).toBeLessThan(3000)
    await until(() => reader.frames.length === 3000, 30_000)
  })
})

describe('what strangers ask for', () => {
  test('waits its turn: a member is heard before it', async () => {
    const relay = await relayWith()
    const [a, b] = [await person('a'), await person('b')]
    const [writer, reader] = [await enter(relay, a, [a, b]), await enter(relay, b, [a, b])]
    const strangers = await Promise.all(Array.from({ length: 40 }, () => rawClient(relay.url, [a.member])))
    await until(() => relay.stats().queued === 0)
    const refusedBefore = new Promise<number>((resolve) =>
      reader.socket.once('message', () => resolve(relay.stats().refused)),
    )
    for (const { socket } of strangers) socket.send('nothing that a relay knows')
    writer.socket.send(encodeAddressed({ from: site('a'), to: site('b'), bytes: utf8('calm') }))
    expect(await refusedBefore).toBeLessThan(strangers.length / 2)
    await Promise.all(strangers.map(({ closed }) => closed))
    expect(relay.stats().refused).toBe(strangers.length)
  })

  test('is done a few pieces a turn of the event loop, in order; what is nothing takes no place', async () => {
    const turns = new FairQueue(3)
    const done: number[] = []
    const perTurn: number[] = []
    for (let n = 0; n < 20; n += 1)
      turns.later('one', () => {
        if (n % 2 === 0) return false
        done.push(n)
        return true
      })
    while (turns.waiting > 0) {
      const before = done.length
      await new Promise((resolve) => setImmediate(resolve))
      perTurn.push(done.length - before)
    }
    expect(done).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19])
    expect(Math.max(...perTurn)).toBe(3)
  })
})

describe('a slow newcomer', () => {
  test('is given all notes of a room, though they are more than may wait for one reader', async () => {
    const relay = await relayWith({ buffered: 1_000_000 })
    const people = await Promise.all(Array.from({ length: 31 }, (_, n) => person(`m${n}`)))
    const [self, ...authors] = people as [Person, ...Person[]]
    for (const [n, author] of authors.entries()) {
      const client = await enter(relay, author, people)
      client.socket.pause()
      client.say({ what: 'post', note: toBase64(await noteOf(author, 1, { evidence: ['x'.repeat(261_000)] })) })
      await until(() => relay.stats().notes === n + 1)
      client.socket.terminate()
      await until(() => relay.stats().members === 0)
    }
    const newcomer = await enter(relay, self, people)
    newcomer.socket.pause()
    await until(() => relay.stats().members === 1)
    expect(relay.stats().noteBytes).toBeGreaterThan(10_000_000)
    expect(relay.stats().buffered).toBeLessThan(TEXT_LIMIT)
    newcomer.socket.resume()
    const notes = () => newcomer.messages.filter(({ what }) => what === 'note').length
    await until(() => notes() === authors.length)
    expect(relay.stats()).toMatchObject({ cutSlow: 0, members: 1, dropped: 0 })
  })
})

describe('rates of a busy relay', () => {
  test('are divided; what a bucket holds is not', () => {
    const bucket = new TokenBucket(100, 50, 0)
    expect(bucket.take(50, 0, 10)).toBe(0)
    // Empty: one more token is one tenth of a second away at a tenth of the rate.
    expect(bucket.take(1, 0, 10)).toBeCloseTo(100)
    expect(bucket.take(0, 100, 10)).toBeCloseTo(0)
    expect(bucket.take(50, 600, 1)).toBe(0)
  })
})
