import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import type { Signer } from '../../src/records/signed.ts'
import { startDumbRouter } from '../support/dumb-router.ts'
import { enterAs, noteOf, person, relayOn, relaySigner } from './relay-support.ts'
import { openEnd, site, TOPIC, until } from './support.ts'

const open: { close(): Promise<unknown> }[] = []
const keep = <T extends { close(): Promise<unknown> }>(one: T): T => {
  open.push(one)
  return one
}
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

const pair = async () => [await person('a'), await person('b')] as const

describe('one relay', () => {
  test('admits both members and carries channels; plain routers do too', async () => {
    const [a, b] = await pair()
    for (const server of [keep(await relayOn()), keep(await startDumbRouter())]) {
      const rooms = [a, b].map((one) => keep(enterAs(one, [a, b], [server])))
      const [first, second] = rooms.map((room, i) => openEnd(i === 0 ? 'a' : 'b', [i === 0 ? 'b' : 'a'], room))
      if (first === undefined || second === undefined) throw new Error('two ends')
      await first.channels.send(site('b'), TOPIC, utf8('over the relay'))
      await second.channels.send(site('a'), TOPIC, new Uint8Array(1_000_000).fill(98))
      expect(second.messages[0]?.text).toBe('over the relay')
      expect(first.messages[0]?.length).toBe(1_000_000)
      expect(rooms.map((room) => room.status()[0]?.state)).toEqual(
        'stats' in server ? ['admitted', 'admitted'] : ['routing', 'routing'],
      )
      await Promise.all([first.channels.close(), second.channels.close()])
    }
  })

  test('keeps the newest note of a member, gives it to joiners and pushes changes', async () => {
    const [a, b] = await pair()
    const relay = keep(await relayOn())
    const first = keep(enterAs(a, [a, b], [relay]))
    const newer = await noteOf(a, 2, { phase: 'running' })
    first.post(await noteOf(a, 1))
    await until(() => relay.stats().notes === 1)
    first.post(newer)
    first.post(await noteOf(a, 1, { phase: 'older' }))
    await until(() => relay.stats().notes === 2)
    const second = keep(enterAs(b, [a, b], [relay]))
    const notes = second.notes()[Symbol.asyncIterator]()
    expect((await notes.next()).value).toEqual({ certificate: a.noteCertificate, note: newer })
    const third = await noteOf(a, 3, { phase: 'done' })
    first.post(third)
    expect((await notes.next()).value?.note).toEqual(third)
    // Of another ceremony, or signed by another member: neither is kept.
    first.post(await noteOf(a, 4, { ceremony: 'ff'.repeat(32) as never }))
    first.post(await noteOf(b, 4))
    await until(() => relay.stats().dropped === 2)
    expect(relay.stats().notes).toBe(3)
  })

  test('restarted on the same port: clients come back and nothing is lost', async () => {
    const [a, b] = await pair()
    const signer = relaySigner()
    const relay = await relayOn({ signer })
    const rooms = [a, b].map((one) => keep(enterAs(one, [a, b], [relay])))
    const [first, second] = rooms.map((room, i) => openEnd(i === 0 ? 'a' : 'b', [i === 0 ? 'b' : 'a'], room))
    if (first === undefined || second === undefined) throw new Error('two ends')
    await first.channels.send(site('b'), TOPIC, utf8('before'))
    await relay.close()
    const sent = first.channels.send(site('b'), TOPIC, utf8('while it is gone'))
    await systemClock.sleep(100)
    keep(await relayOn({ port: relay.port, signer }))
    await sent
    expect(second.messages.map(({ text }) => text)).toEqual(['before', 'while it is gone'])
    expect(second.replaced).toEqual([])
    await Promise.all([first.channels.close(), second.channels.close()])
  })

  test('a challenge that comes late is answered, and notes are posted then', async () => {
    const [a, b] = await pair()
    const signer = relaySigner()
    let challenge: () => void = () => {}
    const asked = new Promise<void>((resolve) => {
      challenge = resolve
    })
    const late: Signer = {
      ...signer,
      sign: async (...rest) => {
        await asked
        return signer.sign(...rest)
      },
    }
    const relay = keep(await relayOn({ signer: late }))
    const room = keep(enterAs(a, [a, b], [relay]))
    room.post(await noteOf(a, 1))
    await until(() => room.status()[0]?.state === 'routing')
    challenge()
    await until(() => room.status()[0]?.state === 'admitted' && relay.stats().notes === 1)
  })

  test('another relay in its place is not answered', async () => {
    const [a, b] = await pair()
    const room = keep(
      enterAs(a, [a, b], [{ url: keep(await relayOn()).url, identity: (await person('x')).member.identity }]),
    )
    await until(() => room.status()[0]?.state === 'impostor')
    expect(room.status()[0]?.reason).toMatch(/another relay/)
  })

  test('two relays, one is killed: nobody notices', async () => {
    const [a, b] = await pair()
    const relays = [await relayOn(), keep(await relayOn())]
    const rooms = [a, b].map((one) => keep(enterAs(one, [a, b], relays)))
    const [first, second] = rooms.map((room, i) => openEnd(i === 0 ? 'a' : 'b', [i === 0 ? 'b' : 'a'], room))
    if (first === undefined || second === undefined) throw new Error('two ends')
    await until(() => rooms.every((room) => room.status().every(({ state }) => state === 'admitted')))
    const sends = Array.from({ length: 20 }, (_, i) => first.channels.send(site('b'), TOPIC, utf8(`${i}`)))
    await relays[0]?.close()
    await Promise.all(sends)
    await first.channels.send(site('b'), TOPIC, utf8('last'))
    expect(second.messages.map(({ text }) => text)).toEqual([...Array.from({ length: 20 }, (_, i) => `${i}`), 'last'])
    expect(second.connected.length).toBe(1)
    await Promise.all([first.channels.close(), second.channels.close()])
  })
})
