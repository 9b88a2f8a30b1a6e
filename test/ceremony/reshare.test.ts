import { beforeAll, describe, expect, it } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { type Definition, receiversIn } from '../../src/records/definition.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import type { ReshareDefinition } from '../../src/records/kinds/reshare.ts'
import { open } from '../support/bundles.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { type MemoryWorld, memoryWorld, startJoin } from '../support/memory-site.ts'
import { epochsAt, joinSites, newestAt, recordHashOf, reshareOf } from '../support/reshares.ts'

const old = ['eu', 'us', 'ap']

interface Key {
  readonly world: MemoryWorld
  readonly keygen: KeygenDefinition
}

const newKey = async (names: readonly string[]): Promise<Key> => {
  const world = await memoryWorld(names)
  const keygen = await keygenDefinition({ sites: await siteEntries(old) })
  for (const end of await joinSites(world, old, keygen)) if (end.status === 'rejected') throw end.reason
  return { world, keygen }
}

const signs = async (world: MemoryWorld, made: Definition, signers: readonly string[]): Promise<string | null> => {
  const base = await newestAt(world, signers[0] ?? '')
  const message = utf8(`pay ${signers.join()}`)
  const definition = await signDefinition({
    sites: [...receiversIn(made)],
    threshold: made.threshold,
    key: base.key,
    base: recordHashOf(base),
    nonce: hashOf(utf8(`${signers.join()} ${recordHashOf(base)}`)).slice(0, 32),
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
    signers: signers as never,
  })
  const ends = await joinSites(world, signers, definition, message)
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return ends[0]?.status === 'fulfilled' ? (ends[0].value.key?.publicKey ?? null) : null
}

describe.each<[string, readonly string[], number, readonly string[]]>([
  ['2 of 3 to 3 of 5, the old ones among them', ['eu', 'us', 'ap', 'sa', 'af'], 3, []],
  ['other machines alone', ['sa', 'af', 'me'], 2, []],
  ['a lost site replaced by a new one', ['eu', 'us', 'sa'], 2, ['ap']],
  ['fewer sites, in another order', ['us', 'eu'], 2, []],
  ['the same sites, a higher quorum', ['eu', 'us', 'ap'], 3, []],
])('%s', (_, to, threshold, without) => {
  let key: Key
  let made: Definition
  beforeAll(async () => {
    key = await newKey([...new Set([...old, ...to])])
    const { world, keygen } = key
    const reshare = await reshareOf(world, keygen, { sites: to, threshold, without })
    made = reshare
    const seated = reshare.sites.map(({ name }) => String(name)).filter((name) => !without.includes(name))
    const ends = await joinSites(world, seated, reshare)
    for (const end of ends) if (end.status === 'rejected') throw end.reason
    const bundles = new Set<string>()
    for (const [at, end] of ends.entries()) {
      if (end.status === 'rejected') continue
      expect(end.value.open).toEqual([])
      const bytes = (await world.homes.get(seated[at] ?? '')?.disk.read(end.value.bundle ?? '')) ?? expect.fail()
      bundles.add(hashOf(bytes))
      const report = await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
      expect(report.checks.filter(({ id, verdict }) => verdict !== 'holds' && id !== 'time.stamped')).toEqual([])
      expect([report.verdict, report.epoch?.number]).toEqual(['valid', 2])
    }
    expect(bundles.size).toBe(1)
  })

  it('every receiver holds a share of the same key, and every old one that took part is destroyed', async () => {
    const { world } = key
    for (const [at, name] of to.entries()) {
      const newest = await newestAt(world, name)
      expect([newest.core.epoch, newest.core.index, newest.core.threshold, newest.core.sites]).toEqual([
        2,
        at + 1,
        threshold,
        to.length,
      ])
      expect(newest.made.publicKey).toBe('from' in made ? made.from.publicKey : '')
    }
    for (const name of old.filter((one) => !without.includes(one))) {
      const [first] = await epochsAt(world, name)
      expect([first?.core.epoch, first?.state]).toEqual([1, 'retired'])
    }
  })

  it('a quorum of the new sites signs under the same public key', async () => {
    const { world } = key
    const publicKey = 'from' in made ? made.from.publicKey : ''
    expect(await signs(world, made, to.slice(to.length - threshold))).toBe(publicKey)
  })
})

describe('an old site that was away', () => {
  let key: Key
  let made: ReshareDefinition
  beforeAll(async () => {
    key = await newKey([...old, 'sa'])
    made = await reshareOf(key.world, key.keygen, { sites: ['eu', 'us', 'sa'], threshold: 2, without: ['ap'] })
    for (const end of await joinSites(key.world, ['eu', 'us', 'sa'], made))
      if (end.status === 'rejected') throw end.reason
  })

  it('keeps its share while no receipts are here: it knows of the votes alone, from notes', async () => {
    const [end] = await joinSites(key.world, ['ap'], made)
    expect(end).toMatchObject({ reason: { code: 'E_NOT_FINISHED', details: { step: 'installed', got: [] } } })
    expect((await epochsAt(key.world, 'ap')).map(({ state }) => state)).toEqual(['installed'])
  })

  it('destroys its share when it meets one that has them, and has a bundle', async () => {
    const { world } = key
    const again = await startJoin(world, 'eu', made)
    const late = await startJoin(world, 'ap', made)
    const [end] = await Promise.allSettled([late.done, again.done])
    if (end?.status !== 'fulfilled') throw end?.reason
    const [first, ...more] = await epochsAt(key.world, 'ap')
    expect([first?.state, more]).toEqual(['retired', []])
    expect(end.value).toMatchObject({ state: 'closed', key: { publicKey: made.from.publicKey } })
  })
})
