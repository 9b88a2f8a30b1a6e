import { describe, expect, it } from 'vitest'
import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import { RecordStore } from '../../src/ceremony/store/record-store.ts'
import { systemClock } from '../../src/host/clock.ts'
import { certify } from '../../src/identity/certificate.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { rawSigner, recordSigner } from '../../src/identity/ed25519.ts'
import type { Hash, KeyHex, SiteId } from '../../src/lib/brand.ts'
import { fromHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { helloCodec } from '../../src/records/attempt.ts'
import { certificateCodec, type Purpose } from '../../src/records/identity.ts'
import { readyCodec, stagedCodec } from '../../src/records/outcome.ts'
import { blameCodec } from '../../src/records/round.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'

/** What a liar fills a store with takes no place of anybody else, and what `audit verify` would refuse is not admitted. */

const [eu, ap] = ['eu', 'ap'] as [SiteId, SiteId]
const keyOf = (site: string) => rawSigner(new Secret(fromHex(hashOf(utf8(site)))))
const junk = (n: number): Hash => hashOf(utf8(`junk ${n}`))

const setUp = async () => {
  const authority = definitionAuthority(await keygenDefinition())
  const store = new RecordStore(authority, systemClock, eu)
  const join = { authority: authority.hash, expires: 9e12 }
  for (const site of [eu, ap]) {
    const { signer, identity } = await (await memoryHome(site)).home.unlock()
    store.admit('certificate', toEnvelope(await certify(signer, identity, 'message', keyOf(site).key, join)), null)
  }
  const vote = async (site: SiteId, record: Hash) =>
    toEnvelope(
      await recordSigner(site, keyOf(site)).sign(readyCodec, { ceremony: authority.hash, site, record, base: null }),
    )
  return { authority, store, vote }
}

describe('a certificate of odd form', () => {
  const key = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a' as KeyHex
  const odd: readonly (readonly [string, Purpose, boolean, boolean])[] = [
    ['a message key for every ceremony', 'message', false, false],
    ['a message key without an end', 'message', true, false],
    ['a message key that ends, for every ceremony', 'message', false, true],
    ['a log key for one ceremony', 'log', true, true],
    ['a log key that ends', 'log', false, true],
  ]
  it.each(odd)('%s is not admitted', async (_, purpose, here, ends) => {
    const { authority, store } = await setUp()
    const { home } = await memoryHome(ap)
    const { signer } = await home.unlock()
    const value = {
      identity: home.identity,
      purpose,
      key,
      authority: here ? authority.hash : null,
      expires: ends ? 9e12 : null,
    }
    const envelope = toEnvelope(await signer.sign(certificateCodec, value))
    expect(() => store.admit('certificate', envelope, ap)).toThrow('of a purpose that does not fit')
    expect(store.keys(ap, purpose)).not.toContain(key)
  })
})

describe('what one site signs', () => {
  it('is not admitted as staged in an attempt that not all signed', async () => {
    const { authority, store } = await setUp()
    const index = authority.member(ap)?.index as never
    for (let n = 0; n < 600; n++) {
      const value = {
        ceremony: authority.hash,
        attempt: junk(n),
        site: ap,
        index,
        outcome: junk(n),
        envelope: junk(n),
      }
      const envelope = toEnvelope(await recordSigner(ap, keyOf(ap)).sign(stagedCodec, value))
      expect(() => store.admit('staged', envelope, ap)).toThrow('of an attempt that not all signed')
    }
    expect(store.staged.size).toBe(0)
  })

  it('never keeps away its vote for the record that this site voted for', async () => {
    const { store, vote } = await setUp()
    const record = hashOf(utf8('the record'))
    for (let n = 0; n < 20; n++) store.admit('ready', await vote(ap, junk(n)), ap)
    expect(store.votedFor().size).toBeLessThanOrEqual(4)
    store.admit('ready', await vote(eu, record), eu)
    store.admit('ready', await vote(ap, record), ap)
    expect([...store.votes(record).keys()].sort()).toEqual([ap, eu])
  })

  it('is a proof against it where two of its hellos have one nonce', async () => {
    const { authority, store } = await setUp()
    const faults: string[] = []
    store.whenFaulty(({ site, check }) => faults.push(`${site} ${check}`))
    const certificate = store.certificate(ap, keyOf(ap).key)?.hash as Hash
    const zero = '00'.repeat(32) as Hash
    const hello = async (sequence: number) =>
      toEnvelope(
        await recordSigner(ap, keyOf(ap)).sign(helloCodec, {
          ceremony: authority.hash,
          site: ap,
          nonce: '07'.repeat(16),
          sequence,
          certificate,
          approvals: [],
          evidence: [],
          ledger: { size: 1, root: zero, checkpoint: zero },
          epoch: null,
          votes: [],
          result: null,
          lastAttempt: null,
          attempts: 0,
          clock: 1,
          build: zero,
          check: false,
          readySet: null,
          runtime: null,
          sdks: [],
        }),
      )
    store.admit('hello', await hello(1), ap)
    const second = await hello(2)
    expect(() => store.admit('hello', second, ap)).toThrow('a second one')
    expect(faults).toEqual(['ap two-hellos'])
  })
})

describe('proofs against many', () => {
  it('are named in a hello once for each site, which has room for all', async () => {
    const names = Array.from({ length: 32 }, (_, at) => `s${at + 1}`)
    const definition = await signDefinition({ threshold: 17, sites: await siteEntries(names) })
    const authority = definitionAuthority(definition)
    const store = new RecordStore(authority, systemClock)
    for (const accused of authority.roster.slice(1))
      for (let n = 0; n < 6; n++)
        store.admit(
          'blame',
          blameCodec.encode({
            ceremony: authority.hash,
            attempt: junk(n),
            session: authority.hash,
            protocol: 'frost-ed25519/sign',
            within: null,
            accused: accused.name,
            party: 1 as never,
            accuser: 's1' as SiteId,
            check: 'two-votes',
            messages: [],
          }),
          null,
        )
    expect(store.blames.size).toBe(4 * 31)
    expect(store.proofs()).toHaveLength(31)
  })
})
