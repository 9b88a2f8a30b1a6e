import { expect, it } from 'vitest'
import { Room } from '../../src/ceremony/room.ts'
import { certify } from '../../src/identity/certificate.ts'
import { rawSigner } from '../../src/identity/ed25519.ts'
import { toEnvelope } from '../../src/identity/envelope.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { helloCodec } from '../../src/records/attempt.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { pae, payloadType, recordHash } from '../../src/records/signed.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { memoryWorld } from '../support/memory-site.ts'
import { approveAll, fastClock, joinAs, type Liar } from './ceremonies.ts'

it('seats a site last that came back in the middle of an attempt', async () => {
  const clock = fastClock(4)
  const sites = ['eu', 'us', 'ap'] as SiteId[]
  const [eu, us, ap] = sites as [SiteId, SiteId, SiteId]
  const world = await memoryWorld(sites)
  const keygen = await keygenDefinition({ sites: await siteEntries(sites) })
  await approveAll(world, sites, keygen)
  const [made] = await Promise.all(sites.map((name) => joinAs(world, name, keygen, null, clock)))
  const [epoch] = await shardStore((world.homes.get(us) ?? expect.fail()).disk).list()
  const message = utf8('pay nobody')
  const sign = await signDefinition({
    sites: keygen.sites,
    key: made?.result?.key?.id as Hash,
    base: hashOf(recordCodec.encode(epoch?.record ?? expect.fail())),
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
    deadlines: { gather: 120, proposal: 30, round: 30, close: 10 },
  })
  await approveAll(world, sites, sign)

  const raw = rawSigner(new Secret(new Uint8Array(32).fill(9)))
  const { signer, identity } = await (world.homes.get(eu) ?? expect.fail()).home.unlock()
  const join = { authority: ceremonyId(sign), expires: Date.now() + 1e9 }
  const certificate = await certify(signer, identity, 'message', raw.key, join)
  const liar: Liar = { site: eu, ceremony: undefined, talk: (_, talk) => [talk], post: () => [] }
  const sendInSession = Room.prototype.sendInSession
  let back = 0
  Room.prototype.sendInSession = function (this: Room, topic, to, bytes) {
    const hello = this.peers.has(eu) ? undefined : liar.ceremony?.book.hellos.get(eu)?.signed.value
    if (hello !== undefined) {
      back += 1
      const nonce = `${back}`.padStart(32, '0')
      const value = { ...hello, nonce, sequence: back, certificate: recordHash(certificate) }
      const said = helloCodec.encode(value)
      const signature = raw.sign(pae(payloadType('hello/v1'), said))
      const envelope = toEnvelope({ type: 'hello/v1', bytes: said, value, key: raw.key, signature })
      this.tell(to, { is: 'object', name: 'certificate', bytes: toEnvelope(certificate) })
      this.tell(to, { is: 'object', name: 'hello', bytes: envelope })
    }
    sendInSession.call(this, topic, to, bytes)
  }
  try {
    const lying = joinAs(world, eu, sign, message, clock, liar)
    const honest = await Promise.all([us, ap].map((name) => joinAs(world, name, sign, message, clock)))
    expect(back).toBeGreaterThan(0)
    expect(honest.map(({ result }) => result?.signers)).toEqual(
      [sign.sites.slice(1), sign.sites.slice(1)].map((list) => list.map(({ name }) => name)),
    )
    void lying
  } finally {
    Room.prototype.sendInSession = sendInSession
  }
}, 60_000)
