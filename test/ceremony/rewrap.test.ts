import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { entriesSince, rewrapsInUse } from '../../src/ceremony/definition/rewraps.ts'
import { joinCeremony } from '../../src/ceremony/engine/join.ts'
import type { JoinResult } from '../../src/ceremony/engine/result.ts'
import { dropStaged } from '../../src/ceremony/epoch/stage.ts'
import type { Site } from '../../src/ceremony/ports.ts'
import { Ceremony, type JoinControl } from '../../src/ceremony/store/ceremony.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { fromHex, utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import type { SiteEntry } from '../../src/records/definition-fields.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import type { RewrapDefinition } from '../../src/records/kinds/rewrap.ts'
import type { Replaced, Rewrapped, Witnessed } from '../../src/records/rewrap.ts'
import { shardStore } from '../../src/shards/store.ts'
import { noteSuspension } from '../../src/site/suspend.ts'

import { open } from '../support/bundles.ts'
import { keygenDefinition, refreshDefinition, siteEntries } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'
import { memoryKms } from '../support/kms.ts'
import { approveIn, copyWorld, type MemoryWorld, memorySite, memoryWorld, startJoin } from '../support/memory-site.ts'
import { LONG } from '../support/report.ts'
import { joinSites, newestAt, recordHashOf, repairOf, signatureBy } from '../support/reshares.ts'
import { moveCard, rewrapOf } from '../support/rewraps.ts'

const names = ['eu', 'us', 'ap']
const [eu, us, ap] = names as [SiteId, SiteId, SiteId]
const deadlines = { gather: 60, proposal: 5, round: 20, close: 10 }
const NEW = '/keys/eu-2.key'

let keyed: MemoryWorld
let keygen: KeygenDefinition
let from: SiteEntry['kms']
beforeAll(async () => {
  keyed = await memoryWorld(names)
  keygen = await keygenDefinition({ sites: await siteEntries(names), deadlines })
  from = keygen.sites[0]?.kms ?? expect.fail()
  for (const end of await joinSites(keyed, names, keygen)) if (end.status === 'rejected') throw end.reason
})
afterEach(() => {
  vi.restoreAllMocks()
})

let copies = 0
/** The three sites with their key, whose first has another KMS key in its site.yaml by now, and approved to move there. */
const moving = async (changes: Partial<RewrapDefinition> = {}) => {
  copies += 1
  const world = await copyWorld(keyed, `moving ${copies}`)
  await moveCard(world, eu, NEW)
  const definition = await rewrapOf(world, keygen, eu, from, { deadlines, ...changes })
  await approveIn(world, eu, definition)
  return { world, definition }
}

const join = async (world: MemoryWorld, who: readonly string[], definition: Definition) => {
  const runs = await Promise.all(who.map((name) => startJoin(world, name, definition)))
  return Promise.allSettled(runs.map(({ done }) => done))
}

const codes = (ends: readonly PromiseSettledResult<JoinResult>[]): readonly string[] =>
  ends.map((end) => (end.status === 'fulfilled' ? end.value.state : String((end.reason as QuorateError).code)))

const closed = ['closed', 'closed', 'closed']

const shareFiles = async ({ homes }: MemoryWorld, name = 'eu'): Promise<readonly string[]> => {
  const { key, outcome } = await newestAt({ homes } as MemoryWorld, name)
  const files = (await homes.get(name)?.disk.list(`keys/${key}/${outcome}`)) ?? []
  return files.filter((file) => /^(slots|shard|envelope)/.test(file))
}

/** The share of eu opens by what the record of `definition` calls old, under the old key. */
const isAsBefore = async (world: MemoryWorld, { key, old, of }: RewrapDefinition): Promise<boolean> => {
  const { outcome, envelope } = await newestAt(world, eu)
  const disk = world.homes.get(eu)?.disk ?? expect.fail()
  const share = await shardStore(disk).reopen(key, outcome, old.envelope, [memoryKms(eu)])
  const scheme = await loadScheme('frost-ed25519')
  return envelope === old.envelope && scheme.isShareOf(share, fromHex(of.verifyingShares[0] ?? ''))
}

const bundleOf = async (world: MemoryWorld, end: PromiseSettledResult<JoinResult> | undefined) => {
  if (end?.status !== 'fulfilled') throw end?.reason
  const bytes = await world.homes.get(end.value.site)?.disk.read(end.value.bundle ?? '')
  return verifyBundle(await open(bytes ?? expect.fail('no bundle')), { trust: 'stated', evidence: protocolEvidence })
}

/** In the place of this word of a site something else happens, or another word is said. */
const instead = <T>(
  name: 'rewrapped' | 'witnessed' | 'replaced',
  who: readonly string[],
  say: (value: T) => T,
): void => {
  const { publish } = Ceremony.prototype
  vi.spyOn(Ceremony.prototype, 'publish').mockImplementation(async function (this: Ceremony, said, value) {
    const other = said === name && who.includes(this.seat.name) ? say(value as T) : value
    return publish.call(this, said, other as never) as never
  })
}

const stops = (): never => {
  throw new QuorateError('E_DISK', 'no room on this disk', 'this is a test')
}

describe('a rewrap', () => {
  it('seals the share of one site under another key, cosigned by others who approved nothing', async () => {
    const { world, definition } = await moving()
    const ends = await join(world, names, definition)
    expect(codes(ends)).toEqual(closed)
    const id = ceremonyId(definition)
    expect(await shareFiles(world)).toEqual(['envelope', `shard-${id}`, `slots-${id}`])
    expect(await shareFiles(world, us)).toEqual(['shard', 'slots'])
    const report = await bundleOf(world, ends[0])
    expect(report.checks.flatMap(({ id, verdict }) => (verdict === 'holds' ? [] : id))).toEqual(['time.stamped'])
    expect(report).toMatchObject({
      verdict: 'valid',
      bundle: { kind: 'rewrap', state: 'made' },
      rewrapped: { site: eu, from, to: [{ key: NEW }], old: definition.old.envelope, witnesses: [ap, us] },
    })
    // Whoever comes again gets the same end.
    expect(codes(await join(world, [us], definition))).toEqual(['closed'])

    // The witnesses know the new entry, and a definition that holds it is one of the key.
    for (const name of [us, ap]) {
      const known = entriesSince(await rewrapsInUse(await memorySite(world, name), definition.base))
      expect([...known.values()].map((entry) => [entry.name, entry.kms[0]?.key])).toEqual([[eu, NEW]])
    }
    const sites = definition.sites
    const signed = await signatureBy(world, { ...keygen, sites }, [eu, us])
    expect(codes(signed)).toEqual(['closed', 'closed'])

    // Once more, under a third key: the envelope that it replaces is the second one.
    await moveCard(world, eu, '/keys/eu-3.key')
    const again = await rewrapOf(world, keygen, eu, sites[0]?.kms ?? [], { deadlines })
    expect(again.old.envelope).not.toBe(definition.old.envelope)
    await approveIn(world, eu, again)
    expect(codes(await join(world, names, again))).toEqual(closed)
    expect(await shareFiles(world)).toEqual(['envelope', `shard-${ceremonyId(again)}`, `slots-${ceremonyId(again)}`])

    // New shares for the same sites: they lie under the key of the card, and nothing is left of the envelopes before.
    const base = await newestAt(world, eu)
    const common = { sites: again.sites, key: base.key, base: recordHashOf(base), deadlines }
    expect(codes(await joinSites(world, names, await refreshDefinition(common)))).toEqual(closed)
    expect(await shareFiles(world)).toEqual(['shard', 'slots'])
    const files = await world.homes.get(eu)?.disk.list(`keys/${base.key}/${base.outcome}`)
    expect(files?.filter((file) => /^(slots|shard)/.test(file))).toEqual([])
  })

  it('leaves a share that helps to make a lost one again', async () => {
    const { world, definition } = await moving()
    expect(codes(await join(world, names, definition))).toEqual(closed)
    const wider = { ...world, homes: new Map([...world.homes, ['sa', await memoryHome('sa')] as const]) }
    const { sites, ...repair } = await repairOf(wider, keygen, ap, 'sa')
    const moved = sites.map((site) => definition.sites.find(({ identity }) => identity === site.identity) ?? site)
    expect(codes(await joinSites(wider, [eu, us, 'sa'], { ...repair, sites: moved, deadlines }))).toEqual(closed)
  })

  it('is no business of a site that was no witness: it plans with the old entry, and the site that moved refuses that', async () => {
    const { world, definition } = await moving({ witnesses: [us] })
    expect(codes(await join(world, [eu, us], definition))).toEqual(['closed', 'closed'])
    expect(await rewrapsInUse(await memorySite(world, ap), definition.base)).toEqual([])
    const common = { key: definition.key, base: definition.base, deadlines }
    const old = await refreshDefinition({ ...common, sites: keygen.sites })
    for (const name of names) await approveIn(world, name, old)
    expect(codes(await join(world, [eu], old))).toEqual(['E_CARD'])
    const newer = await refreshDefinition({ ...common, sites: definition.sites, nonce: 'cd'.repeat(16) })
    expect(codes(await joinSites(world, names, newer))).toEqual(closed)
  })

  it('asks for the old key no more, once the new envelope was shown', async () => {
    const { world, definition } = await moving()
    instead<Replaced>('replaced', [eu], stops)
    expect(codes(await join(world, names, definition))[0]).toBe('E_DISK')
    vi.restoreAllMocks()
    const site = await memorySite(world, eu)
    const withoutOld: Site['kms'] = (slot) =>
      slot.key === NEW ? site.kms(slot) : Promise.reject(new Error('the old key is gone'))
    const runs = [
      await startJoin(world, eu, definition, null, { kms: withoutOld }),
      ...(await Promise.all([us, ap].map((name) => startJoin(world, name, definition)))),
    ]
    expect(codes(await Promise.allSettled(runs.map(({ done }) => done)))).toEqual(closed)
  })

  it('needs the approval of the site that moves, and of nobody else', async () => {
    copies += 1
    const world = await copyWorld(keyed, `unapproved ${copies}`)
    await moveCard(world, eu, NEW)
    const definition = await rewrapOf(world, keygen, eu, from, { deadlines })
    expect(codes(await join(world, names, definition))).toEqual([
      'E_NOT_APPROVED',
      'E_APPROVALS_MISSING',
      'E_APPROVALS_MISSING',
    ])
  })

  it('is refused by the site whose card says otherwise', async () => {
    const { world, definition } = await moving()
    await moveCard(world, eu, '/keys/eu-3.key')
    expect(codes(await join(world, [eu], definition))).toEqual(['E_CARD'])
  })

  it.each([
    [
      'another envelope',
      { old: { envelope: 'ab'.repeat(32) as Hash, kms: [{ provider: 'local', key: '/keys/eu.key' }] } },
    ],
    ['another KMS key', { old: undefined }],
    ['an older record', { base: 'cd'.repeat(32) as Hash }],
    [
      'other shares',
      { of: { publicKey: 'ef'.repeat(32), verifyingShares: ['01', '02', '03'].map((one) => one.repeat(32)) } },
    ],
  ])('is refused where the definition names %s than the share has', async (_, changes) => {
    const { old, ...rest } = changes as Partial<RewrapDefinition>
    const wrong = 'old' in changes && old === undefined
    const sound = await moving()
    const envelope = sound.definition.old.envelope
    const { world, definition } = await moving({
      ...rest,
      ...(wrong ? { old: { envelope, kms: [{ provider: 'local', key: '/keys/other.key' }] } } : {}),
      ...(old === undefined ? {} : { old }),
    })
    expect(codes(await join(world, [eu], definition))).toEqual(['E_DEFINITION'])
    expect(await shareFiles(world)).toEqual(['shard', 'slots'])
  })
})

/** By day the ones above alone. */
describe.runIf(LONG)('a rewrap that is stopped', () => {
  it('leaves the old envelope where nobody cosigns, and goes on where they do', async () => {
    const { world, definition } = await moving()
    instead<Witnessed>('witnessed', [us, ap], stops)
    const [end, ...others] = await join(world, names, definition)
    expect(codes([end as never, ...others])).toEqual(['E_NOT_FINISHED', 'E_DISK', 'E_DISK'])
    expect((end as PromiseRejectedResult).reason).toMatchObject({ message: expect.stringContaining('us, ap') })
    expect(await isAsBefore(world, definition)).toBe(true)
    vi.restoreAllMocks()
    expect(codes(await join(world, names, definition))).toEqual(closed)
    expect((await newestAt(world, eu)).envelope).not.toBe(definition.old.envelope)
  })

  it('goes over with as many as sign together, and names who is missing in its bundle', async () => {
    const { world, definition } = await moving()
    instead<Witnessed>('witnessed', [ap], stops)
    const ends = await join(world, names, definition)
    expect(codes(ends)).toEqual(['closed', 'closed', 'E_DISK'])
    expect((await bundleOf(world, ends[0])).bundle.state).toBe('made')
    vi.restoreAllMocks()
    const again = await join(world, names, definition)
    expect(codes(again)).toEqual(closed)
    expect((await bundleOf(world, again[2])).verdict).toBe('valid')
  })

  it('finishes what it promised, whatever the card or another ceremony says meanwhile', async () => {
    const { world, definition } = await moving()
    const real = shardStore(world.homes.get(eu)?.disk ?? expect.fail())
    const runs = await Promise.all([
      startJoin(world, eu, definition, null, { shards: { ...real, replaceEnvelope: async () => stops() } }),
      ...[us, ap].map((name) => startJoin(world, name, definition)),
    ])
    const ends = await Promise.allSettled(runs.map(({ done }) => done))
    expect(codes(ends)[0]).toBe('E_DISK')
    // The promise is given: nothing but the new envelope opens the share from here on.
    const signed = await signatureBy(world, { ...keygen, sites: definition.sites }, [eu, us])
    expect(codes(signed)).toEqual(['closed', 'closed'])
    const next = await rewrapOf(world, keygen, eu, definition.sites[0]?.kms ?? [], { deadlines })
    const replaced = [...(await memorySite(world, eu)).ledger.replay()].find(({ what }) => what === 'replaced')?.object
    const planned = { ...next, old: { ...next.old, envelope: replaced as Hash } }
    await approveIn(world, eu, planned)
    const [refused] = await join(world, [eu], planned)
    expect((refused as PromiseRejectedResult).reason).toMatchObject({
      code: 'E_NOT_FINISHED',
      hint: expect.stringContaining('quorate rotate join'),
    })
    expect(codes(await join(world, names, definition))).toEqual(closed)
    expect(await shareFiles(world)).toEqual([
      'envelope',
      `shard-${ceremonyId(definition)}`,
      `slots-${ceremonyId(definition)}`,
    ])
  })

  it('is left before it is in use, and leaves nothing behind', async () => {
    const { world, definition } = await moving()
    instead<Witnessed>('witnessed', [us, ap], stops)
    await join(world, names, definition)
    vi.restoreAllMocks()
    expect(await shareFiles(world)).toHaveLength(4)
    // A second one of the same share waits until the first is finished, or left.
    const other = await rewrapOf(world, keygen, eu, from, { deadlines, nonce: 'ab'.repeat(16) })
    await approveIn(world, eu, other)
    expect(codes(await join(world, [eu], other))).toEqual(['E_NOT_FINISHED'])

    const site = await memorySite(world, eu)
    const stop = new AbortController()
    const leave = async (control: JoinControl): Promise<void> => {
      await control.abort('another key, please')
      stop.abort(new QuorateError('E_ABORTED', 'this site left this ceremony', 'this is a test'))
    }
    const options = { progress: () => undefined, message: null, check: false, signal: stop.signal }
    const left = joinCeremony(site, definition, { ...options, control: (control) => void leave(control) })
    await expect(left).rejects.toMatchObject({ code: 'E_ABORTED' })
    expect(await shareFiles(world)).toEqual(['shard', 'slots'])
    expect(await isAsBefore(world, definition)).toBe(true)
    expect(codes(await join(world, names, other))).toEqual(closed)
    await dropStaged(site.shards, await site.ceremonyLog(ceremonyId(other)), other)
    expect(await shareFiles(world)).toHaveLength(3)
  })

  it('is over where new shares come first', async () => {
    const { world, definition } = await moving()
    instead<Witnessed>('witnessed', [us, ap], stops)
    await join(world, names, definition)
    vi.restoreAllMocks()
    await moveCard(world, eu, '/keys/eu.key')
    const base = await newestAt(world, eu)
    const common = { sites: keygen.sites, key: base.key, base: recordHashOf(base), deadlines }
    expect(codes(await joinSites(world, names, await refreshDefinition(common)))).toEqual(closed)
    const files = await world.homes.get(eu)?.disk.list(`keys/${base.key}/${base.outcome}`)
    expect(files?.filter((file) => /^(slots|shard)/.test(file))).toEqual([])
    await moveCard(world, eu, NEW)
    expect(codes(await join(world, [eu], definition))).toEqual(['E_DEFINITION'])
  })

  it('is refused of a key that is suspended, at the site and at a witness', async () => {
    for (const name of [eu, us]) {
      const { world, definition } = await moving()
      const site = await memorySite(world, name)
      await noteSuspension(site, { key: definition.key, reason: 'a test', suspended: true })
      expect(codes(await join(world, [name], definition))).toEqual(['E_NOT_ALLOWED'])
    }
  })
})

describe.runIf(LONG)('what does not hold', () => {
  it('a false proof names its site, nobody cosigns it, and the old envelope stays', async () => {
    const { world, definition } = await moving()
    instead<Rewrapped>('rewrapped', [eu], (value) => ({ ...value, proof: `00${value.proof.slice(2)}` }))
    const ends = await join(world, names, definition)
    for (const end of ends.slice(1))
      expect((end as PromiseRejectedResult).reason).toMatchObject({
        code: 'E_PEER_PROOF_INVALID',
        details: { accused: eu, check: 'rewrap-proof' },
      })
    expect(codes(ends)[0]).not.toBe('closed')
    const { bundle } = (ends[1] as PromiseRejectedResult).reason.details as { bundle: string }
    const bytes = await world.homes.get(us)?.disk.read(bundle)
    const report = await verifyBundle(await open(bytes ?? expect.fail()), {
      trust: 'stated',
      evidence: protocolEvidence,
    })
    expect(report.checks.find(({ id }) => id === 'blame.proven')).toMatchObject({ verdict: 'holds' })
    expect(report.bundle.state).toBe('aborted')
    expect(await isAsBefore(world, definition)).toBe(true)
  })

  it.each(['shard', 'slots'])('a new %s that is damaged before it is in use costs nothing', async (part) => {
    const { world, definition } = await moving()
    instead<Witnessed>('witnessed', [us, ap], stops)
    await join(world, names, definition)
    vi.restoreAllMocks()
    const { key, outcome } = await newestAt(world, eu)
    const disk = world.homes.get(eu)?.disk ?? expect.fail()
    const path = `keys/${key}/${outcome}/${part}-${ceremonyId(definition)}`
    const bytes = (await disk.read(path)) ?? expect.fail()
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
    await disk.remove(path)
    await disk.create(path, bytes)
    expect(codes(await join(world, names, definition))[0]).toBe('E_SHARD')
    expect(await isAsBefore(world, definition)).toBe(true)
  })

  it('files of the share from before do not pass for those of today', async () => {
    const { world, definition } = await moving()
    const { key, outcome } = await newestAt(world, eu)
    const disk = world.homes.get(eu)?.disk ?? expect.fail()
    const folder = `keys/${key}/${outcome}`
    const before = await Promise.all(
      ['shard', 'slots'].map(async (name) => [name, await disk.read(`${folder}/${name}`)] as const),
    )
    expect(codes(await join(world, names, definition))).toEqual(closed)
    for (const name of await disk.list(folder))
      if (/^(slots|shard|envelope)/.test(name)) await disk.remove(`${folder}/${name}`)
    for (const [name, bytes] of before) await disk.create(`${folder}/${name}`, bytes ?? expect.fail())
    const [first] = await signatureBy(world, { ...keygen, sites: definition.sites }, [eu, us])
    expect(codes([first as never])).toEqual(['E_SHARD'])
  })

  it('a damaged word on the envelope in use is a fault of that share', async () => {
    const { world, definition } = await moving()
    expect(codes(await join(world, names, definition))).toEqual(closed)
    const { key, outcome } = await newestAt(world, eu)
    const disk = world.homes.get(eu)?.disk ?? expect.fail()
    await disk.remove(`keys/${key}/${outcome}/envelope`)
    await disk.create(`keys/${key}/${outcome}/envelope`, utf8('junk'))
    const { damaged } = await shardStore(disk).ofKey(key)
    expect(damaged.map(({ fault }) => fault.code)).toEqual(['E_SHARD'])
    expect(hashOf(utf8('junk'))).toHaveLength(64)
  })
})
