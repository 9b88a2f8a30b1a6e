import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { systemRandom } from '../../src/host/random.ts'
import { certify, readCertificate } from '../../src/identity/certificate.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { recordSigner } from '../../src/identity/ed25519.ts'
import type { Hash, Identity, KeyHex, SiteId } from '../../src/lib/brand.ts'
import { concat, fromHex, fromUtf8, toBase64, toHex, utf8 } from '../../src/lib/bytes.ts'
import { tupleHash } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { Purpose } from '../../src/records/identity.ts'
import { decodeFrame, encodeFrame } from '../../src/transport/channel-frame.ts'
import { answer, initiate, type Self } from '../../src/transport/handshake.ts'
import { Handshake, keyPair } from '../../src/transport/noise.ts'
import { relayMessageCodec } from '../../src/transport/relay/protocol.ts'
import { encodeAddressed } from '../../src/transport/relay-frame.ts'
import { memoryNetwork } from '../support/memory-wire.ts'
import { report } from '../support/report.ts'
import { rawClient } from '../transport/raw-client.ts'
import { enterAs, noteOf, type Person, person, relayOn } from '../transport/relay-support.ts'
import { AUTHORITY, certificateFor, identityFor, openEnd, seeded, site, TOPIC, until } from '../transport/support.ts'
import { ownCertificate, type Pem, startMiddle } from './room-middle.ts'

const open: { close(): Promise<unknown> }[] = []
const keep = <T extends { close(): Promise<unknown> }>(one: T): T => {
  open.push(one)
  return one
}
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

const [A, B] = [site('a'), site('b')] as const
const OTHER = 'cd'.repeat(32) as Hash

interface Recorded {
  readonly from: SiteId
  readonly to: SiteId
  readonly frame: Uint8Array
}

/** All that passed between a and b: handshake, messages both ways, a second process of a, and one of b. */
const recordLife = async (): Promise<readonly Recorded[]> => {
  const net = memoryNetwork({ clock: systemClock, random: seeded('life') })
  const recorded: Recorded[] = []
  net.set({
    tamper: (from, to, frame) => {
      recorded.push({ from, to, frame })
      return [frame]
    },
  })
  let [a, b] = [openEnd('a', ['b'], net.join(A)), openEnd('b', ['a'], net.join(B))]
  const talk = async (ofA: number, ofB: number): Promise<void> => {
    await until(() => a.connected.length === ofA && b.connected.length === ofB)
    await Promise.all([a.channels.send(B, TOPIC, utf8('to b')), b.channels.send(A, TOPIC, utf8('to a'))])
  }
  await talk(1, 1)
  await a.close()
  a = openEnd('a', ['b'], net.join(A))
  await talk(1, 2)
  await b.close()
  b = openEnd('b', ['a'], net.join(B))
  await talk(2, 1)
  await Promise.all([a.close(), b.close()])
  return recorded
}

describe('a recording played again', () => {
  test('into every room, attempt, role and direction: nothing of it is accepted', async () => {
    const recorded = await recordLife()
    const kinds = new Set(recorded.map(({ frame }) => decodeFrame(frame)?.kind))
    expect([...kinds].sort()).toEqual(['first', 'sealed', 'second', 'third', 'unknown'])
    let played = 0
    const targets: readonly (readonly [string, Parameters<typeof openEnd>[3]])[] = [
      ['the same room, a later attempt', {}],
      ['the room of another ceremony', { authority: OTHER }],
      ['the same room under another identity', { identity: identityFor('z') }],
    ]
    for (const [, changes] of targets)
      for (const [name, others] of [
        ['a', ['b', 'c']],
        ['b', ['a', 'c']],
        ['c', ['a', 'b']],
      ] as const) {
        // Alone on its wire: whatever connects, connects to the recording.
        const net = memoryNetwork({ clock: systemClock, random: seeded(name) })
        const lone = keep(openEnd(name, others, net.join(site(name)), changes))
        for (const other of others) keep(net.join(site(other)))
        for (const { frame } of recorded)
          for (const from of others) {
            net.inject(site(from), site(name), frame)
            played += 1
          }
        await systemClock.sleep(20)
        expect([lone.connected, lone.messages, lone.replaced]).toEqual([[], [], []])
        const { handshakes, received } = lone.channels.counters
        expect([handshakes, received]).toEqual([0, recorded.length * others.length])
      }
    // Between two who are talking: nothing comes twice, and they go on.
    const net = memoryNetwork({ clock: systemClock, random: seeded('living') })
    const [a, b] = [keep(openEnd('a', ['b'], net.join(A))), keep(openEnd('b', ['a'], net.join(B)))]
    await until(() => a.connected.length > 0 && b.connected.length > 0)
    for (const { from, to, frame } of recorded)
      for (const [x, y] of [
        [from, to],
        [to, from],
      ] as const) {
        net.inject(x, y, frame)
        played += 1
      }
    await systemClock.sleep(20)
    await Promise.all([a.channels.send(B, TOPIC, utf8('new')), b.channels.send(A, TOPIC, utf8('new'))])
    expect([a.messages, b.messages].map((list) => list.map(({ text }) => text))).toEqual([['new'], ['new']])
    expect([a.connected.length, b.connected.length, a.replaced.length + b.replaced.length]).toEqual([1, 1, 0])
    report(`${recorded.length} frames recorded, played again ${played} times, accepted 0`)
  })
})

describe('a wrong key', () => {
  const self = (name: string): Self => ({
    identity: identityFor(name),
    static: keyPair(new Secret(systemRandom(32))),
    certificate: utf8(name),
    instance: systemRandom(16),
    random: systemRandom,
  })

  test('another label, another pattern, no KEM key, an older or newer message: no answer', () => {
    const b = self('b')
    const from = { identity: identityFor('a'), accepts: () => true }
    const first = (changes: { label?: string; pattern?: 'XX' | 'XXpsk3'; kem?: Uint8Array; identity?: Identity }) => {
      const { label = 'quorate/channel/v1', pattern = 'XXpsk3', identity = identityFor('a') } = changes
      const handshake = new Handshake({
        pattern,
        initiator: true,
        prologue: tupleHash(label, fromHex(AUTHORITY), utf8(identity), utf8(b.identity)),
        static: keyPair(new Secret(systemRandom(32))),
        ephemeral: keyPair(new Secret(systemRandom(32))),
      })
      const id = systemRandom(16)
      const kem = changes.kem ?? ml_kem768.keygen(systemRandom(64)).publicKey
      return answer(AUTHORITY, b, from, id, handshake.writeMessage(concat(id, kem)))
    }
    expect(first({})).toBeDefined()
    expect(first({ label: 'quorate/channel/v0' })).toBeUndefined()
    expect(first({ label: 'quorate/channel/v2' })).toBeUndefined()
    expect(first({ pattern: 'XX' })).toBeUndefined()
    expect(first({ kem: new Uint8Array(0) })).toBeUndefined()
    expect(first({ kem: systemRandom(800) })).toBeUndefined()
    expect(first({ kem: new Uint8Array(1184).fill(0xff) })).toBeUndefined()
    expect(first({ identity: identityFor('c') })).toBeUndefined()
    expect(first({ identity: b.identity })).toBeUndefined()
  })

  test('a zero or low-order ephemeral key: no answer, no crash', () => {
    const { id, first } = initiate(AUTHORITY, self('a'), { identity: identityFor('b'), accepts: () => true })
    for (const point of ['00'.repeat(32), `01${'00'.repeat(31)}`, `ec${'ff'.repeat(30)}7f`]) {
      const forged = concat(fromHex(point), first.subarray(32))
      const from = { identity: identityFor('a'), accepts: () => true }
      expect(answer(AUTHORITY, self('b'), from, fromHex(id), forged)).toBeUndefined()
    }
  })

  test('a member with its own good certificate does not get another seat, whatever name the relay gives it', async () => {
    for (const [victim, claimed] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const net = memoryNetwork({ clock: systemClock, random: seeded('index') })
      const honest = keep(openEnd(victim, [claimed, 'c'], net.join(site(victim))))
      const secret = systemRandom(32)
      const key = toHex(keyPair(new Secret(secret.slice())).publicKey)
      const thief = keep(
        openEnd(claimed, [victim], net.join(site(claimed)), {
          staticKey: new Secret(secret),
          certificate: certificateFor('c', key),
        }),
      )
      await until(() => honest.channels.counters.refused > 0)
      await systemClock.sleep(50)
      expect([honest.connected, honest.messages, thief.messages]).toEqual([[], [], []])
      // Under its own identity it uses another prologue, and is not even answered.
      const other = keep(openEnd(claimed, [victim], net.join(site(claimed)), { identity: identityFor('c') }))
      await systemClock.sleep(50)
      expect([honest.connected, other.connected]).toEqual([[], []])
    }
  })

  test('each thing that a channel certificate binds is checked', async () => {
    const [a, b] = [await person('a'), await person('b')]
    const key = toHex(keyPair(new Secret(systemRandom(32))).publicKey) as KeyHex
    const made = async (
      signer: Person,
      identity: Identity,
      purpose: Purpose,
      join?: { authority: Hash; expires: number },
    ): Promise<Uint8Array> =>
      toEnvelope(await certify(recordSigner(signer.member.name, signer.identityKey), identity, purpose, key, join))
    const { identity } = a.member
    const join = { authority: AUTHORITY, expires: 1 }
    const read = (envelope: Uint8Array) => readCertificate(envelope, identity, 'channel', AUTHORITY).value.key
    expect(read(await made(a, identity, 'channel', join))).toBe(key)
    await expect(made(b, identity, 'channel', join).then(read)).rejects.toThrow()
    await expect(made(b, b.member.identity, 'channel', join).then(read)).rejects.toThrow()
    await expect(made(a, b.member.identity, 'channel', join).then(read)).rejects.toThrow('another identity')
    await expect(made(a, identity, 'message', join).then(read)).rejects.toThrow('another purpose')
    await expect(made(a, identity, 'channel', { ...join, authority: OTHER }).then(read)).rejects.toThrow(
      'another ceremony',
    )
    await expect(made(a, identity, 'channel').then(read)).rejects.toThrow('another ceremony')
  })
})

describe('a relay in the middle of the admission challenge', () => {
  let tls: Pem
  let middleTls: Pem
  beforeAll(() => {
    tls = ownCertificate()
    middleTls = ownCertificate()
  })

  test('on plain loopback ws it may win a seat, and with it only delay', async () => {
    const relay = keep(await relayOn())
    const middle = keep(await startMiddle(relay.url))
    const [a, b] = [await person('a'), await person('b')]
    let delaying = true
    middle.pass = (to, data) => {
      if (typeof data === 'string') return to === 'relay' || data.includes('challenge') || !delaying ? data : undefined
      return delaying ? undefined : data
    }
    // The definition pins the true relay, and its challenge is what the middle shows.
    const first = keep(enterAs(a, [a, b], [{ url: middle.url, identity: relay.identity }]))
    const second = keep(enterAs(b, [a, b], [relay]))
    await until(() => relay.stats().members === 2)
    const seat = middle.seats[0]
    const ends = [openEnd('a', ['b'], first), openEnd('b', ['a'], second)] as const
    keep({ close: () => Promise.all(ends.map(({ channels }) => channels.close())) })
    const sent = ends[1].channels.send(A, TOPIC, utf8('for a alone'))
    await until(() => middle.heard.some(({ data }) => typeof data !== 'string'))
    // What it can say in a's seat: what it heard, and what it invents. What it cannot: a's name under another room's, a note.
    const heard = middle.heard.flatMap(({ data }) => (typeof data === 'string' ? [] : [data]))
    for (const data of heard) seat?.send(data)
    for (let n = 0; n < 50; n += 1) {
      const kind = (['first', 'second', 'third', 'sealed', 'unknown'] as const)[n % 5] ?? 'first'
      const bytes = encodeFrame({
        kind,
        id: toHex(systemRandom(16)),
        body: systemRandom(kind === 'unknown' ? 0 : 1300),
      })
      seat?.send(encodeAddressed({ from: A, to: B, bytes }))
    }
    const forged = relayMessageCodec.encode({ what: 'post', note: toBase64(await noteOf(b, 9)) })
    seat?.send(fromUtf8(forged))
    await until(() => relay.stats().dropped > 0)
    await systemClock.sleep(100)
    expect(relay.stats().notes).toBe(0)
    expect(ends.flatMap(({ connected, messages }) => [...connected, ...messages])).toEqual([])
    expect(ends[1].channels.counters.handshakes).toBe(0)
    // It lets go, and all goes on.
    delaying = false
    for (const one of middle.seats) one.terminate()
    first.post(await noteOf(a, 1))
    await sent
    expect(ends[0].messages.map(({ text }) => text)).toEqual(['for a alone'])
    const plain = Buffer.concat(middle.heard.map(({ data }) => Buffer.from(data)))
    expect(plain.includes('for a alone')).toBe(false)
  })

  test('on wss it wins nothing', async () => {
    const relay = keep(await relayOn({ tls }))
    const middle = keep(await startMiddle(relay.url, { tls: middleTls, ca: tls.certificate }))
    const a = await person('a')
    const target = { url: middle.url, identity: relay.identity }
    const room = keep(enterAs(a, [a], [target], { ca: middleTls.certificate }))
    await until(() => room.status()[0]?.state === 'refused')
    expect(room.status()[0]?.reason).toMatch(/another challenge/)
    expect(relay.stats()).toMatchObject({ admitted: 0, members: 0 })
    expect(relay.stats().refused).toBeGreaterThan(0)
  })

  test('a challenge that it changes is not answered', async () => {
    const relay = keep(await relayOn({ tls }))
    const middle = keep(await startMiddle(relay.url, { tls: middleTls, ca: tls.certificate }))
    middle.pass = (to, data) => {
      if (to === 'relay' || typeof data !== 'string') return data
      const message = relayMessageCodec.decode(utf8(data))
      if (message.what !== 'challenge') return data
      const envelope = JSON.parse(Buffer.from(message.challenge, 'base64').toString()) as { payload: string }
      const payload = Buffer.from(envelope.payload, 'base64').toString().replace('"exporter":true', '"exporter":false')
      const changed = JSON.stringify({ ...envelope, payload: Buffer.from(payload).toString('base64') })
      expect(changed).not.toBe(JSON.stringify(envelope))
      return fromUtf8(relayMessageCodec.encode({ what: 'challenge', challenge: toBase64(utf8(changed)) }))
    }
    const a = await person('a')
    const room = keep(enterAs(a, [a], [{ url: middle.url, identity: relay.identity }], { ca: middleTls.certificate }))
    await until(() => room.status()[0]?.state === 'impostor')
    expect(middle.heard.filter(({ to }) => to === 'relay')).toEqual([])
    expect(relay.stats().admitted).toBe(0)
  })

  test('a relay without TLS behind one who ends it: its own challenge is another relay', async () => {
    const [pinned, plain] = [keep(await relayOn({ tls })), keep(await relayOn())]
    const middle = keep(await startMiddle(plain.url, { tls: middleTls }))
    const a = await person('a')
    const target = { url: middle.url, identity: pinned.identity }
    const room = keep(enterAs(a, [a], [target], { ca: middleTls.certificate }))
    await until(() => room.status()[0]?.state === 'impostor')
    expect(plain.stats().admitted).toBe(0)
  })

  test('one who sends no challenge carries frames as a plain router, and reads nothing', async () => {
    const relay = keep(await relayOn())
    const middle = keep(await startMiddle(relay.url))
    middle.pass = (_, data) => (typeof data === 'string' ? undefined : data)
    const a = await person('a')
    const room = keep(enterAs(a, [a], [{ url: middle.url, identity: relay.identity }]))
    await until(() => room.status()[0]?.state === 'routing')
    room.post(await noteOf(a, 1))
    room.send(B, utf8('sealed'))
    await until(() => relay.stats().dropped > 0)
    expect(relay.stats()).toMatchObject({ admitted: 0, notes: 0 })
    expect(middle.heard.filter(({ to, data }) => to === 'relay' && typeof data === 'string')).toEqual([])
  })

  test('no older TLS, from either side, and no compression', async () => {
    const relay = keep(await relayOn({ tls }))
    const refused = await new Promise<string>((resolve) => {
      const old = connectTls({ port: relay.port, host: '127.0.0.1', ca: tls.certificate, maxVersion: 'TLSv1.2' }, () =>
        resolve('connected'),
      )
      old.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    })
    expect(refused).toMatch(/ALERT_PROTOCOL_VERSION/)
    const plain = await new Promise<string>((resolve) => {
      const socket = connect(relay.port, '127.0.0.1', () => socket.write('GET /health HTTP/1.1\r\nhost: x\r\n\r\n'))
      let text = ''
      socket.on('data', (data) => {
        text += data.toString('latin1')
      })
      socket.on('error', () => {})
      socket.on('close', () => resolve(text))
    })
    expect(plain).not.toContain('HTTP/1.1 200')
    const middle = keep(await startMiddle(relay.url, { tls: middleTls, ca: tls.certificate, maxVersion: 'TLSv1.2' }))
    const a = await person('a')
    const room = keep(enterAs(a, [a], [{ url: middle.url }], { ca: middleTls.certificate }))
    await until(() => room.status()[0]?.state === 'down')
    expect(room.status()[0]?.reason).toMatch(/protocol version|unsupported protocol/i)
    expect(middle.seats).toEqual([])
    const client = await rawClient(relay.url, [a.member], { ca: tls.certificate, perMessageDeflate: true })
    expect(client.socket.extensions).toBe('')
    client.socket.terminate()
  })
})
