import { beforeAll, describe, expect, it } from 'vitest'
import { readBundle } from '../../src/audit/bundle.ts'
import { bufferSource } from '../../src/audit/tar.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import { Peers } from '../../src/ceremony/peers/peers.ts'
import { toFault } from '../../src/cli/fault.ts'
import { certify } from '../../src/identity/certificate.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import type { KeyHex, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import type { Definition } from '../../src/records/definition.ts'
import type { MemoryWorld } from '../support/memory-site.ts'
import { copyWorld } from '../support/memory-site.ts'
import { approveAll, type Joined, joinAs, type Liar } from './ceremonies.ts'
import { type Keyed, keyedWorld } from './keyed-world.ts'
import { bundleAt } from './strangers.ts'

/**
 * The first site of the roster certifies every message key that it sees as its own, in each join. Whose a key is follows
 * from nobody's certificate alone: an honest site's statement of the signature stays its own.
 */

const names = ['s1', 's2', 's3'] as SiteId[]
const [s1, s2, s3] = names as [SiteId, SiteId, SiteId]
const message = utf8('pay nobody')
const deadlines = { gather: 60, proposal: 5, round: 30, close: 12 }
const open = Peers.prototype.open

let keyed: Keyed
beforeAll(async () => {
  keyed = await keyedWorld(names, deadlines)
})

/** All three join; the first one is the liar. */
const joinedWith = async (world: MemoryWorld, definition: Definition, liar: Liar): Promise<readonly Joined[]> =>
  Promise.all([
    joinAs(world, s1, definition, message, liar),
    joinAs(world, s2, definition, message),
    joinAs(world, s3, definition, message),
  ]).finally(() => {
    Peers.prototype.open = open
  })

const said = ({ error }: Joined): string => (error === undefined ? 'closed' : toFault(error).code)

const isResult = (talk: PeerMessage): boolean => talk.is === 'object' && talk.name === 'result'

/** Says what the real code says, and shows to all a certificate of each key that another site has. */
const claimant = (world: MemoryWorld, claimed: Set<KeyHex>, done: (one: KeyHex) => void = () => undefined): Liar => {
  const room = new Map<SiteId, Peers>()
  const claim = async (ceremony: NonNullable<Liar['ceremony']>, one: KeyHex): Promise<void> => {
    const { signer, identity } = await (world.homes.get(s1) ?? expect.fail()).home.unlock()
    const join = { authority: ceremony.authority.hash, expires: world.clock.now() + 1e7 }
    const bytes = toEnvelope(await certify(signer, identity, 'message', one, join))
    claimed.add(one)
    ceremony.take('certificate', bytes, s1)
    room.get(s1)?.broadcast({ is: 'object', name: 'certificate', bytes })
    done(one)
  }
  const seen = new Set<KeyHex>()
  const opening = Peers.prototype.open
  Peers.prototype.open = function (this: Peers) {
    if (!this.bySite.has(s1)) room.set(s1, this)
    opening.call(this)
  }
  const liar: Liar = {
    site: s1,
    ceremony: undefined,
    post: (_topic, _to, bytes) => [bytes],
    talk(_to, talk) {
      const { ceremony } = liar
      for (const name of [s2, s3])
        for (const one of ceremony?.store.keys(name, 'message') ?? [])
          if (ceremony !== undefined && !seen.has(one)) {
            seen.add(one)
            void world.clock.hold(claim(ceremony, one))
          }
      return [talk]
    },
  }
  return liar
}

/** The honest site ended with the signature, its log states it once, and its bundle holds. */
const endedWell = async (world: MemoryWorld, joined: Joined): Promise<void> => {
  expect([joined.site, said(joined)]).toEqual([joined.site, 'closed'])
  expect(joined.ceremony?.store.results.get(joined.site)).toBeDefined()
  const bytes = (await bundleAt(world, joined)) ?? expect.fail('no bundle')
  const report = await verifyBundle(await readBundle(bufferSource(bytes)), {
    trust: 'stated',
    evidence: protocolEvidence,
    message,
  })
  expect(report.checks.filter(({ verdict }) => verdict === 'fails')).toEqual([])
}

describe('a liar that certifies every key that it sees', () => {
  it('takes no statement from a spare, at any join', async () => {
    const world = await copyWorld(keyed.world, 'spare')
    const definition = await keyed.signing(message)
    await approveAll(world, names, definition)
    for (let again = 0; again < 3; again++) {
      const claimed = new Set<KeyHex>()
      const all = await joinedWith(world, definition, claimant(world, claimed))
      for (const one of all.slice(1)) await endedWell(world, one)
      if (again > 0) continue
      // Else this shows nothing: s3 was the spare, and its key was claimed before it spoke.
      expect(all[2]?.result?.signers).toEqual([s1, s2])
      expect(claimed).toContain(all[2]?.ceremony?.keys.message.raw.key)
      expect(all[2]?.ceremony?.store.results.get(s3)?.signed.value.transcript).toBeNull()
    }
  })

  it('takes no statement from a signer that came back', async () => {
    const world = await copyWorld(keyed.world, 'back')
    const definition = await keyed.signing(message)
    await approveAll(world, names, definition)
    const shares = new Map<SiteId, number>()
    const secretive: Liar = {
      site: s1,
      ceremony: undefined,
      // Its commitment and its echo go to s2, its share does not.
      post: (_topic, to, bytes) => {
        shares.set(to, (shares.get(to) ?? 0) + 1)
        return to === s2 && (shares.get(to) ?? 0) >= 3 ? [] : [bytes]
      },
      talk: (to, one) => (to === s2 && isResult(one) ? [] : [one]),
    }
    world.network.set({ tamper: (from, to, frame) => (from === s1 || to === s1 ? [frame] : []) })
    const first = await joinedWith(world, definition, secretive)
    expect(said(first[1] as Joined)).not.toBe('closed')
    await endedWell(world, first[2] as Joined)
    const known = new Set(first[2]?.ceremony?.store.keys(s2, 'message'))
    for (const one of first[1]?.ceremony?.store.keys(s2, 'message') ?? []) known.add(one)
    for (let again = 0; again < 2; again++) {
      const claimed = new Set<KeyHex>()
      // The signature reaches s2 when its new key is claimed, and not before.
      let shown = false
      const liar = claimant(world, claimed, (one) => {
        if (known.has(one) || liar.ceremony?.store.keys(s2, 'message').includes(one) !== true) return
        known.add(one)
        void world.clock.sleep(500).then(() => {
          shown = true
        })
      })
      const claiming = liar.talk
      liar.talk = (to, one) => (isResult(one) && !shown ? [] : claiming(to, one))
      world.network.set({ tamper: (from, to, frame) => (shown || from === s1 || to === s1 ? [frame] : []) })
      const all = await joinedWith(world, definition, liar)
      for (const one of all.slice(1)) await endedWell(world, one)
      if (again > 0) continue
      expect(all[1]?.result?.signature).toBe(first[2]?.result?.signature)
      expect(claimed).toContain(all[1]?.ceremony?.keys.message.raw.key)
    }
  })
})
