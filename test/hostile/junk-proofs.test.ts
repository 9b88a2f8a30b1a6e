import { describe, expect, it } from 'vitest'
import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import { keyId } from '../../src/identity/dsse.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { isProofName } from '../../src/records/proofs.ts'
import { rowOf } from '../../src/records/record-table.ts'
import { decodeEnvelope, encodeEnvelope, pae, payloadType } from '../../src/records/signed.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { memoryWorld } from '../support/memory-site.ts'
import { approveAll, joinAs, type Liar } from './ceremonies.ts'
import { lyingBase, verified, withLiar } from './own-log.ts'

/**
 * One site sends proofs of its share that are worth nothing before the true ones: of records that nobody knows, as many as
 * anybody keeps, or false ones of the true record. The true ones get their place, and a false one names its author.
 */

const names = ['s1', 's2', 's3'] as SiteId[]
const [s1, s2, s3] = names as [SiteId, SiteId, SiteId]
const deadlines = { gather: 60, proposal: 5, round: 20, close: 12 }

/** A proof of the liar's own with other contents, signed by its message key. */
const forged = (liar: Liar, { name, bytes }: Extract<PeerMessage, { is: 'object' }>, change: object): PeerMessage => {
  const { codec } = rowOf(name)
  const raw = liar.ceremony?.keys.message.raw ?? expect.fail('no liar')
  const value = codec.decode(decodeEnvelope(bytes, codec.limit).payload)
  const payload = codec.encode({ ...(value as object), ...change })
  const type = payloadType(codec.type)
  const envelope = { type, payload, keyid: keyId(raw.key), signature: raw.sign(pae(type, payload)) }
  return { is: 'object', name, bytes: encodeEnvelope(envelope) }
}

/** It says so itself, under whichever of its keys: a site that comes back shows what it proved before. */
const isOwn = ({ name, bytes }: Extract<PeerMessage, { is: 'object' }>): boolean => {
  const { codec } = rowOf(name)
  return (codec.decode(decodeEnvelope(bytes, codec.limit).payload) as { site?: SiteId }).site === s3
}

const junk = (at: number): Hash => hashOf(utf8(`junk ${at}`))

/** Says what the real code says, and before each proof of its own what `first` gives. */
const junkFirst = (
  first: (liar: Liar, to: SiteId, true_: Extract<PeerMessage, { is: 'object' }>) => readonly PeerMessage[],
): Liar => {
  const liar: Liar = {
    site: s3,
    ceremony: undefined,
    post: (_topic, _to, bytes) => [bytes],
    talk: (to, message) =>
      message.is === 'object' && isProofName(message.name) && isOwn(message) ? first(liar, to, message) : [message],
  }
  return liar
}

describe('proofs of records that nobody knows', () => {
  it('take no place of the true ones', async () => {
    const base = await lyingBase()
    let lies = 0
    const ended = await withLiar(base, 'keygen', 'junk proofs', () =>
      junkFirst((liar, _to, message) => {
        const many = Array.from({ length: 40 }, (_, at) => forged(liar, message, { record: junk(at) }))
        lies += many.length
        return [...many, message]
      }),
    )
    expect(lies).toBeGreaterThan(0)
    expect(ended.map(({ ended: how, verdict, accused }) => [how, verdict, accused])).toEqual([
      ['0', 'valid', []],
      ['0', 'valid', []],
    ])
  })
})

describe('a false proof of the true record', () => {
  it('that a site gets first when it comes back names its author, and keeps nobody waiting', async () => {
    const world = await memoryWorld(names)
    const definition = await keygenDefinition({ sites: await siteEntries(names), deadlines })
    await approveAll(world, names, definition)
    const withheld = junkFirst((_liar, to, message) => (to === s1 ? [] : [message]))
    const first = await Promise.all([
      joinAs(world, s1, definition, null),
      joinAs(world, s2, definition, null),
      joinAs(world, s3, definition, null, withheld),
    ])
    expect(first[0]?.error).toMatchObject({ code: 'E_PEER_SILENT', details: { missing: [s3] } })
    expect(first[1]?.error).toMatchObject({ code: 'E_NOT_FINISHED', details: { waiting: [s1] } })

    // s1 has voted for nothing. It meets the liar alone, and s2, which has the true proof of the liar, only then.
    const again = new AbortController()
    const returned = joinAs(world, s1, definition, null)
    let lied = false
    const lying = joinAs(
      world,
      s3,
      definition,
      null,
      junkFirst((liar, to, message) => {
        if (message.name !== 'possession' || to !== s1) return [message]
        lied = true
        return [forged(liar, message, { proof: 'ab'.repeat(64) }), message]
      }),
      { stop: again.signal },
    )
    for (let n = 0; !lied && n < 600; n++) await world.clock.sleep(100)
    await world.clock.sleep(2000)
    const other = joinAs(world, s2, definition, null)
    const back = await returned
    const shown = await Promise.all([back, await other].map((one) => verified(world, one)))
    again.abort(new QuorateError('E_STOPPED', 'stopped', ''))
    await lying
    expect(shown).toMatchObject([
      { ended: 'E_PEER_PROOF_INVALID', failing: [], accused: [s3], proofs: [s3] },
      // It voted: nothing takes that back. It waits, and knows why in vain.
      { ended: 'E_NOT_FINISHED', failing: [], proofs: [s3] },
    ])
    expect(shown[0]?.verdict).toBe('incomplete')
  })
})
