import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { certify } from '../../src/identity/certificate.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { recordSigner } from '../../src/identity/ed25519.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { toBase64, utf8 } from '../../src/lib/bytes.ts'
import type { RelayEvent } from '../../src/transport/relay/server.ts'
import { encodeAddressed } from '../../src/transport/relay-frame.ts'
import { rawClient } from './raw-client.ts'
import { enterAs, person, relayOn } from './relay-support.ts'
import { openEnd, site, TOPIC, until } from './support.ts'

const open: { close(): Promise<unknown> }[] = []
const keep = <T extends { close(): Promise<unknown> }>(one: T): T => {
  open.push(one)
  return one
}
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})
const OTHER = 'cd'.repeat(32) as Hash

describe('admission', () => {
  test('each thing that the answer binds is checked', async () => {
    const relay = keep(await relayOn())
    const [a, b, c] = [await person('a'), await person('b'), await person('c')]
    const members = [a.member, b.member]
    const attempt = async (...[self, changes]: Parameters<Awaited<ReturnType<typeof rawClient>>['enter']>) => {
      const client = await rawClient(relay.url, members)
      await client.enter(self, changes)
      const verdict = await client.verdict()
      client.socket.terminate()
      return verdict
    }
    expect(await attempt(a)).toBe('admitted')
    expect(await attempt(a, { answer: { room: OTHER } })).toMatch(/another challenge/)
    expect(await attempt(a, { answer: { nonce: OTHER } })).toMatch(/another challenge/)
    expect(await attempt(a, { answer: { exporter: OTHER } })).toMatch(/another challenge/)
    expect(await attempt(a, { answer: { identity: b.member.identity } })).toMatch(/another challenge/)
    expect(await attempt(a, { answer: { relay: a.member.identity } })).toMatch(/another challenge/)
    expect(await attempt(a, { enter: { name: b.member.name } })).toMatch(/not certified/)
    expect(await attempt(a, { enter: { certificate: toBase64(b.noteCertificate) } })).toMatch(/not certified/)
    expect(await attempt({ ...a, noteSigner: b.noteSigner })).toMatch(/not signed/)
    expect(await attempt(a, { enter: { authority: OTHER } })).toMatch(/room/)
    expect(await attempt(c)).toMatch(/not a member/)
    expect(await attempt(a, { enter: { members: [...members, c.member] } })).toMatch(/room/)
  })

  test('a certificate for another purpose, of a join, or of an approver as a site opens nothing', async () => {
    const relay = keep(await relayOn())
    const a = await person('a')
    const b = await person('b', 'approver')
    const signer = recordSigner(a.member.name, a.identityKey)
    const { identity } = a.member
    const wrong = [
      await certify(signer, identity, 'log', a.noteSigner.key),
      await certify(signer, identity, 'note', a.noteSigner.key, { authority: OTHER, expires: 1 }),
    ]
    for (const certificate of wrong) {
      const client = await rawClient(relay.url, [a.member])
      await client.enter({ ...a, noteCertificate: toEnvelope(certificate) })
      expect(await client.verdict()).toMatch(/not certified/)
      client.socket.terminate()
    }
    const posing = { ...b, member: { ...b.member, role: 'site' as const } }
    const client = await rawClient(relay.url, [posing.member])
    await client.enter(posing)
    expect(await client.verdict()).toMatch(/another role/)
    client.socket.terminate()
  })

  test('an answer given once is none to the next challenge, nor to another relay', async () => {
    const [first, second] = [keep(await relayOn()), keep(await relayOn())]
    const a = await person('a')
    const seen = await rawClient(first.url, [a.member])
    const sent: string[] = []
    const send = seen.socket.send.bind(seen.socket)
    seen.socket.send = ((data: string) => {
      sent.push(data)
      send(data)
    }) as typeof seen.socket.send
    await seen.enter(a)
    expect(await seen.verdict()).toBe('admitted')
    for (const relay of [first, second]) {
      const replay = await rawClient(relay.url, [a.member])
      await replay.challenge()
      replay.socket.send(sent[0] ?? '')
      expect(await replay.verdict()).toMatch(/another challenge/)
      expect(await replay.closed).toBe(1008)
    }
    seen.socket.terminate()
  })

  test('a stranger reads nothing, and what it sends goes nowhere', async () => {
    const relay = keep(await relayOn())
    const [a, b] = [await person('a'), await person('b')]
    const members = [a.member, b.member]
    const inside = await rawClient(relay.url, members)
    await inside.enter(a)
    await inside.verdict()
    const stranger = await rawClient(relay.url, members)
    stranger.socket.send(encodeAddressed({ from: site('b'), to: site('a'), bytes: utf8('let me in') }))
    inside.socket.send(encodeAddressed({ from: site('a'), to: site('b'), bytes: utf8('for b alone') }))
    await until(() => relay.stats().dropped === 2)
    stranger.say({ what: 'post', note: '' })
    expect(await stranger.verdict()).toMatch(/not a message/)
    expect([inside.frames, stranger.frames]).toEqual([[], []])
    inside.socket.terminate()
  })

  test('a member speaks in its own name only, and each room is apart', async () => {
    const relay = keep(await relayOn())
    const [a, b, c] = [await person('a'), await person('b'), await person('c')]
    const enter = async (self: typeof a, all: readonly (typeof a)[]) => {
      const client = await rawClient(
        relay.url,
        all.map(({ member }) => member),
      )
      await client.enter(self)
      expect(await client.verdict()).toBe('admitted')
      return client
    }
    const inside = [await enter(a, [a, b]), await enter(b, [a, b])] as const
    const elsewhere = await enter(b, [a, b, c])
    inside[0].socket.send(encodeAddressed({ from: site('b'), to: site('b'), bytes: utf8('forged') }))
    inside[0].socket.send(encodeAddressed({ from: site('c'), to: site('b'), bytes: utf8('forged') }))
    inside[0].socket.send(Uint8Array.of(255, 1))
    inside[0].socket.send(encodeAddressed({ from: site('a'), to: site('b'), bytes: utf8('true') }))
    await until(() => inside[1].frames.length === 1)
    expect(relay.stats().dropped).toBe(3)
    expect(elsewhere.frames).toEqual([])
    expect(relay.stats()).toMatchObject({ rooms: 2, members: 3 })
    for (const client of [...inside, elsewhere]) client.socket.terminate()
    await until(() => relay.stats().rooms === 0)
  })

  test('`allow` says who may open a room; others may enter one that is open', async () => {
    const [a, b] = [await person('a'), await person('b')]
    const events: RelayEvent[] = []
    const relay = keep(await relayOn({ allow: new Set([a.member.identity]), onEvent: (event) => events.push(event) }))
    const room = keep(enterAs(b, [a, b], [relay]))
    await until(() => room.status()[0]?.state === 'refused')
    expect(room.status()[0]?.reason).toMatch(/opens rooms for others/)
    const opener = keep(enterAs(a, [a, b], [relay]))
    await until(() => opener.status()[0]?.state === 'admitted' && room.status()[0]?.state === 'admitted')
    expect(events.map(({ what }) => what).slice(-2)).toEqual(['admitted', 'admitted'])
  })
})

describe('plain ws', () => {
  test('is refused beyond this machine by relay and client alike', async () => {
    const a = await person('a')
    for (const url of ['ws://relay.example', 'ws://10.0.0.1:1', 'ws://127.0.0.1.example', 'http://localhost', 'ws:'])
      expect(() => enterAs(a, [a], [{ url }])).toThrow(expect.objectContaining({ code: 'E_DEFINITION' }))
    expect(() => enterAs(a, [a, a], [{ url: 'ws://localhost' }])).toThrow(
      expect.objectContaining({ code: 'E_DEFINITION' }),
    )
    await expect(relayOn({ host: '0.0.0.0' })).rejects.toMatchObject({ code: 'E_USAGE' })
    expect(keep(await relayOn({ host: '0.0.0.0', behindProxy: true })).url).toMatch(/^ws:/)
    const relay = keep(await relayOn())
    await expect(relayOn({ port: relay.port })).rejects.toMatchObject({ code: 'E_RELAY' })
  })
})

describe('TLS that the relay ends', () => {
  let folder: string
  let tls: { certificate: string; key: string }
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'quorate-tls-'))
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    execFileSync(
      'openssl',
      // biome-ignore format: one option a word
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert,
        '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
      { stdio: 'ignore' },
    )
    tls = { certificate: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('members enter and talk; without the authority they do not connect', async () => {
    const relay = keep(await relayOn({ tls }))
    expect(relay.url).toMatch(/^wss:/)
    const [a, b] = [await person('a'), await person('b')]
    const wrong = keep(enterAs(a, [a, b], [relay]))
    await until(() => wrong.status()[0]?.state === 'down')
    expect(wrong.status()[0]?.reason).toMatch(/self.signed/)
    const rooms = [a, b].map((one) => keep(enterAs(one, [a, b], [relay], { ca: tls.certificate })))
    const ends = rooms.map((room, i) => openEnd(i === 0 ? 'a' : 'b', [i === 0 ? 'b' : 'a'], room))
    await ends[0]?.channels.send(site('b'), TOPIC, utf8('sealed twice'))
    expect(ends[1]?.messages.length).toBe(1)
    expect(rooms.map((room) => room.status()[0]?.state)).toEqual(['admitted', 'admitted'])
    await Promise.all(ends.map((end) => end.channels.close()))
  })

  test('an answer passed on by somebody in the middle does not fit his connection', async () => {
    const relay = keep(await relayOn({ tls }))
    const a = await person('a')
    const client = await rawClient(relay.url, [a.member], { ca: tls.certificate })
    const { exporter } = await client.challenge()
    expect(exporter).toBe(true)
    expect(client.exporter()).toMatch(/^[0-9a-f]{64}$/)
    const middle = await rawClient(relay.url, [a.member], { ca: tls.certificate })
    // The member was asked with the middle's challenge, and signed what it saw on its own connection.
    await middle.enter(a, { answer: { exporter: client.exporter() } })
    expect(await middle.verdict()).toMatch(/another challenge/)
    const downgraded = await rawClient(relay.url, [a.member], { ca: tls.certificate })
    await downgraded.enter(a, { answer: { exporter: null } })
    expect(await downgraded.verdict()).toMatch(/another challenge/)
    await client.enter(a)
    expect(await client.verdict()).toBe('admitted')
    client.socket.terminate()
  })
})
