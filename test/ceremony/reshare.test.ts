import { beforeAll, describe, expect, it } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { joinCeremony } from '../../src/ceremony/engine/join.ts'
import { ceremonyKind } from '../../src/ceremony/kinds/index.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import type { ReshareDefinition } from '../../src/records/kinds/reshare.ts'
import { open } from '../support/bundles.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { approveIn, type MemoryWorld, memorySite, memoryWorld, startJoin } from '../support/memory-site.ts'
import { inTurn } from '../support/report.ts'
import { epochsAt, joinSites, newestAt, recordHashOf, reshareOf, signatureBy } from '../support/reshares.ts'

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
  const ends = await signatureBy(world, made, signers)
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return ends[0]?.status === 'fulfilled' ? (ends[0].value.key?.publicKey ?? null) : null
}

/** By day two of them, by turns. */
const cases: readonly [name: string, to: readonly string[], threshold: number, without: readonly string[]][] = [
  ['2 of 3 to 3 of 5, the old ones among them', ['eu', 'us', 'ap', 'sa', 'af'], 3, []],
  ['other machines alone', ['sa', 'af', 'me'], 2, []],
  ['a lost site replaced by a new one', ['eu', 'us', 'sa'], 2, ['ap']],
  ['fewer sites, in another order', ['us', 'eu'], 2, []],
  ['the same sites, a higher quorum', ['eu', 'us', 'ap'], 3, []],
]

describe.each(inTurn(cases, 2))('%s', (_, to, threshold, without) => {
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

  it('signs nothing more with it, and is told why', async () => {
    const base = await newestAt(key.world, 'ap')
    const message = utf8('pay by the old shares')
    const sign = await signDefinition({
      ...{ sites: key.keygen.sites, key: base.key, base: recordHashOf(base), signers: ['us', 'ap'] as SiteId[] },
      message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
    })
    const [end] = await joinSites(key.world, ['ap'], sign, message)
    expect(end).toMatchObject({ reason: { code: 'E_NOT_FINISHED', details: { ceremony: ceremonyId(made) } } })
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

describe('an old site that dealt its share away', () => {
  let key: Key
  let made: ReshareDefinition
  const to = ['sa', 'af', 'me']
  const site = (name: string) => memorySite(key.world, name)
  const logAt = async (name: string) => (await site(name)).ceremonyLog(ceremonyId(made))

  /** All join, and stop as soon as the first of the new sites waits for sealed shards. */
  beforeAll(async () => {
    key = await newKey([...old, ...to])
    made = await reshareOf(key.world, key.keygen, { sites: to, threshold: 2 })
    const stops = [...to, ...old].map((name) => ({ name, stop: new AbortController() }))
    for (const { name } of stops) await approveIn(key.world, name, made)
    await key.world.clock.hold(loadScheme(made.protocol))
    const joins = stops.map(async ({ name, stop }) =>
      joinCeremony(await site(name), made, {
        progress: (event) => {
          if (event.phase === 'step' && event.step === 'staged' && name === 'eu')
            for (const one of stops) one.stop.abort(new QuorateError('E_STOPPED', 'stopped', 'run join again'))
        },
        signal: stop.signal,
        message: null,
        check: false,
      }),
    )
    expect((await Promise.allSettled(joins)).map(({ status }) => status)).toEqual(stops.map(() => 'rejected'))
  })

  it('is bound by it: others may finish without this site, so it cannot say that it left', async () => {
    const { boundBy } = ceremonyKind(made)
    expect(boundBy(await logAt('eu'), 'eu' as SiteId, made)).toBe('it has dealt its share')
    expect(boundBy(await logAt('sa'), 'sa' as SiteId, made)).toBeUndefined()
  })

  it('deals in no other ceremony that replaces the same record, and is told which one it is part of', async () => {
    const other = await reshareOf(key.world, key.keygen, { sites: ['eu', 'us', 'me'], threshold: 2, without: ['ap'] })
    const ends = await joinSites(key.world, ['eu'], other)
    expect(ends).toMatchObject([{ reason: { code: 'E_NOT_FINISHED', details: { ceremony: ceremonyId(made) } } }])
    const [epoch] = await epochsAt(key.world, 'eu')
    expect(epoch?.state).toBe('installed')
  })

  it('finishes with the others when all come back', async () => {
    const ends = await Promise.all([...to, ...old].map((name) => startJoin(key.world, name, made)))
    for (const { done } of ends) expect((await done).open).toEqual([])
    for (const name of old) expect((await epochsAt(key.world, name))[0]?.state).toBe('retired')
  })
})
