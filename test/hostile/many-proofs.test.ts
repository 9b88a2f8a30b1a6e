import { describe, expect, it } from 'vitest'
import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import { keyId } from '../../src/identity/dsse.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { recordNames, rowOf } from '../../src/records/record-table.ts'
import { encodeEnvelope, pae, payloadType } from '../../src/records/signed.ts'
import { copyWorld } from '../support/memory-site.ts'
import { report } from '../support/report.ts'
import { approveAll, joinAs, type Liar, leftAt } from './ceremonies.ts'
import { keyedWorld } from './keyed-world.ts'
import { verified } from './own-log.ts'

/**
 * Liars sign very many records that are none: each is a proof against its author. The others sign without them, close, and
 * their bundles hold, with each liar named.
 */

const message = utf8('pay nobody')
const deadlines = { gather: 240, proposal: 12, round: 60, close: 12 }
const namesOfMessageKeys = recordNames.filter((name) => rowOf(name).signedBy === 'message')

/** Says what the real code says, and after its first hello to each peer this many records of each name that do not decode. */
const manyFaults = (site: SiteId, each: number, done: () => void): Liar => {
  const told = new Set<SiteId>()
  const liar: Liar = {
    site,
    ceremony: undefined,
    post: (_topic, _to, bytes) => [bytes],
    talk(to, talk) {
      if (talk.is !== 'object' || talk.name !== 'hello' || told.has(to)) return [talk]
      told.add(to)
      const raw = liar.ceremony?.keys.message.raw ?? expect.fail('no liar')
      const junk = namesOfMessageKeys.flatMap((name) =>
        Array.from({ length: each }, (_, n): PeerMessage => {
          const [type, payload] = [payloadType(rowOf(name).codec.type), utf8(`no record ${n}`)]
          done()
          const envelope = { type, payload, keyid: keyId(raw.key), signature: raw.sign(pae(type, payload)) }
          return { is: 'object', name, bytes: encodeEnvelope(envelope) }
        }),
      )
      return [talk, ...junk]
    },
  }
  return liar
}

describe('very many proofs', () => {
  it('against one of three keep nobody from signing', async () => {
    const [n, t, each] = [3, 2, 6]
    const names = Array.from({ length: n }, (_, at) => `s${at + 1}` as SiteId)
    const keyed = await keyedWorld(names, deadlines)
    const world = await copyWorld(keyed.world, 'many proofs')
    const definition = await keyed.signing(message, { attempts: 100 })
    await approveAll(world, names, definition)
    const honest = names.slice(0, t)
    let lies = 0
    const lying = names.slice(t).map((name) =>
      joinAs(
        world,
        name,
        definition,
        message,
        manyFaults(name, each, () => {
          lies += 1
        }),
      ),
    )
    const joined = await Promise.all(honest.map((name) => joinAs(world, name, definition, message)))
    await Promise.all(lying)
    expect(lies).toBeGreaterThan(32)
    for (const one of joined) {
      const shown = await verified(world, one)
      expect(shown).toMatchObject({ ended: '0', failing: [] })
      expect([...new Set(shown.accused)].sort()).toEqual(names.slice(t).sort())
      const { blames } = await leftAt(world, one.site, definition)
      report(`${n} sites: ${blames.length} proofs at ${one.site}, ${shown.verdict}`)
    }
  })
})
