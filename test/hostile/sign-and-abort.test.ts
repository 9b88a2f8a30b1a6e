import { expect, it } from 'vitest'
import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import { Peers } from '../../src/ceremony/peers/peers.ts'
import { writeNote } from '../../src/ceremony/store/notes.ts'
import { RecordStore } from '../../src/ceremony/store/record-store.ts'
import { toFault } from '../../src/cli/fault.ts'
import { openHome } from '../../src/identity/home.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import type { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { copyDisk, memoryWorld } from '../support/memory-site.ts'
import { approveAll, type Joined, joinAs, type Liar } from './ceremonies.ts'

/**
 * All three are named as signers. s3 signs, and shows s1 an abort in the place of its share; the relay lets no signature
 * reach s1. s1 has sent its share: an abort decides nothing for it, and it takes the signature as soon as anybody shows it.
 */

const names = ['s1', 's2', 's3'] as SiteId[]
const [s1, s2, s3] = names as [SiteId, SiteId, SiteId]
const message = utf8('pay nobody')
const deadlines = { gather: 60, proposal: 5, round: 30, close: 12 }

const said = (one: Joined): string => (one.error === undefined ? 'closed' : toFault(one.error).code)

it('takes the signature that others have, after an abort of a signer', async () => {
  const world = await memoryWorld(names)
  const sites = await siteEntries(names)
  const keygen = await keygenDefinition({ sites, deadlines })
  await approveAll(world, names, keygen)
  const [made] = await Promise.all(names.map((name) => joinAs(world, name, keygen, null)))
  const [epoch] = await shardStore((world.homes.get(s1) ?? expect.fail('no home')).disk).list()
  const sign = await signDefinition({
    sites,
    key: made?.result?.key?.id as Hash,
    base: hashOf(recordCodec.encode(epoch?.record ?? expect.fail('no key'))),
    deadlines,
    signers: [...names],
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
  })
  await approveAll(world, names, sign)
  const home = await openHome(await copyDisk(world.homes.get(s3)?.disk as MemoryDisk))
  const store = new RecordStore(definitionAuthority(sign), world.clock)
  const note = await writeNote(home, world.clock, store, 'aborted', 'changed my mind')

  world.network.set({ delay: [1, 1] })
  let healed = false
  const secretive = (site: SiteId, post: Liar['post']): Liar => ({
    site,
    ceremony: undefined,
    post,
    talk: (to, one) => (!healed && to === s1 && one.is === 'object' && one.name === 'result' ? [] : [one]),
  })
  let sentTo1 = 0
  let lying: Peers | undefined
  const opening = Peers.prototype.open
  Peers.prototype.open = function (this: Peers) {
    if (!this.bySite.has(s3)) lying = this
    opening.call(this)
  }
  const liar = secretive(s3, (_topic, to, bytes) => {
    // Its commitment and its echo go to all, its share to s2 alone: the third message that s1 would get.
    sentTo1 += to === s1 ? 1 : 0
    if (to !== s1 || sentTo1 !== 3) return [bytes]
    lying?.send(s1, { is: 'object', name: 'aborted', bytes: note })
    return []
  })
  try {
    const first = await Promise.all([
      joinAs(world, s1, sign, message),
      joinAs(
        world,
        s2,
        sign,
        message,
        secretive(s2, (_topic, _to, bytes) => [bytes]),
      ),
      joinAs(world, s3, sign, message, liar),
    ])
    expect(sentTo1).toBeGreaterThanOrEqual(3)
    expect(said(first[1] as Joined)).toBe('closed')
    const alone = first[0] as Joined
    expect(alone.error).toBeDefined()
    expect((alone.error as QuorateError).hint).not.toContain('nothing was made')
    healed = true
    const [again] = await Promise.all([joinAs(world, s1, sign, message), joinAs(world, s2, sign, message)])
    expect(said(again as Joined)).toBe('closed')
    expect(again?.result?.signature).toBe(first[1]?.result?.signature)
  } finally {
    Peers.prototype.open = opening
  }
})
