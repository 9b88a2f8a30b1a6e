import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import type { JoinResult } from '../../src/ceremony/engine/result.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { open } from '../support/bundles.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { approveIn, type MemoryWorld, memoryWorld, startJoin } from '../support/memory-site.ts'
import { backupOf, readmitOf, setBack } from '../support/readmits.ts'
import { joinSites, signatureBy } from '../support/reshares.ts'

const names = ['eu', 'us', 'ap', 'sa'] as SiteId[]
const [eu, us, ap, sa] = names as [SiteId, SiteId, SiteId, SiteId]
const deadlines = { gather: 30, proposal: 5, round: 20, close: 10 }

const closed = (end: PromiseSettledResult<JoinResult> | undefined): JoinResult => {
  if (end?.status !== 'fulfilled') throw end?.reason
  return end.value
}
const all = (ends: readonly PromiseSettledResult<JoinResult>[]) => ends.map(closed)
const codes = (ends: readonly PromiseSettledResult<JoinResult>[]) =>
  ends.map((end) => (end.status === 'fulfilled' ? end.value.state : (end.reason.code ?? String(end.reason))))

const rejoin = async (world: MemoryWorld, who: readonly string[], definition: Definition) => {
  const runs = await Promise.all(who.map((name) => startJoin(world, name, definition)))
  return Promise.allSettled(runs.map(({ done }) => done))
}

const verified = async (world: MemoryWorld, name: string, path: string | null) => {
  const bytes = (await world.homes.get(name)?.disk.read(path ?? '')) ?? expect.fail(`no bundle at ${name}`)
  return verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
}

let world: MemoryWorld
let keygen: KeygenDefinition
/** The home of ap before it signed with all others. */
let old: MemoryDisk
beforeAll(async () => {
  world = await memoryWorld(names)
  keygen = await keygenDefinition({ sites: await siteEntries(names), deadlines })
  all(await joinSites(world, names, keygen))
  old = await backupOf(world, ap)
  all(await signatureBy(world, keygen, names))
})
afterEach(() => {
  vi.restoreAllMocks()
})

describe('a site whose home came back from an older copy', () => {
  it('is refused, is taken back, and takes part again; the other home of it is refused from then on', async () => {
    const live = await backupOf(world, ap)
    const back = await setBack(world, ap, old)
    expect(codes(await signatureBy(back, keygen, [eu, ap]))).toEqual(['E_SITE_ROLLED_BACK', 'E_SITE_ROLLED_BACK'])
    const definition = await readmitOf(back, keygen, ap, { deadlines })
    const ends = await joinSites(back, names, definition)
    const hashes = new Set<string>()
    for (const [at, { bundle }] of all(ends).entries())
      hashes.add(hashOf((await back.homes.get(names[at] ?? '')?.disk.read(bundle ?? '')) ?? expect.fail('no bundle')))
    expect(hashes.size).toBe(1)
    const report = await verified(back, eu, closed(ends[0]).bundle)
    expect(report.checks.filter(({ id, verdict }) => verdict !== 'holds' && id !== 'time.stamped')).toEqual([])
    expect(report).toMatchObject({ verdict: 'valid', bundle: { kind: 'readmit', state: 'made' } })
    const signed = await signatureBy(back, keygen, [us, ap])
    const after = await verified(back, us, closed(signed[0]).bundle)
    expect(after).toMatchObject({ verdict: 'valid', readmitted: [{ site: ap, ceremony: ceremonyId(definition) }] })
    const other = await setBack(back, ap, live)
    expect(codes(await signatureBy(other, keygen, [ap, sa]))).toEqual(['E_SITE_ROLLED_BACK', 'E_SITE_ROLLED_BACK'])
  })

  it('is refused by a site that took no part, until that one joins too and is shown the others’ words', async () => {
    const back = await setBack(world, ap, old)
    const definition = await readmitOf(back, keygen, ap, { deadlines, helpers: [eu, us], nonce: 'a1'.repeat(16) })
    const ends = await joinSites(back, [eu, us, ap], definition)
    expect(codes(ends)).toEqual(['closed', 'closed', 'closed'])
    expect(codes(await signatureBy(back, keygen, [ap, sa]))).toEqual(['E_SITE_ROLLED_BACK', 'E_SITE_ROLLED_BACK'])
    await approveIn(back, sa, definition)
    expect(codes(await rejoin(back, [eu, sa], definition))).toEqual(['closed', 'closed'])
    all(await signatureBy(back, keygen, [us, ap, sa]))
  })

  it('joins again with the same end; from a copy of before it was bound again, not at all', async () => {
    const back = await setBack(world, ap, old)
    const definition = await readmitOf(back, keygen, ap, { deadlines, nonce: 'a2'.repeat(16) })
    for (const name of names) await approveIn(back, name, definition)
    const before = await backupOf(back, ap)
    all(await rejoin(back, names, definition))
    expect(codes(await rejoin(back, [eu, ap], definition))).toEqual(['closed', 'closed'])
    const again = await setBack(back, ap, before)
    const [, ended] = await rejoin(again, [eu, ap], definition)
    expect(codes([ended as never])).toEqual(['E_SITE_ROLLED_BACK'])
    expect(codes(await signatureBy(again, keygen, [ap, sa]))).toEqual(['E_SITE_ROLLED_BACK', 'E_SITE_ROLLED_BACK'])
  })
})
