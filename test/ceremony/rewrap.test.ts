import { beforeAll, describe, expect, it } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import { open } from '../support/bundles.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { approveIn, type MemoryWorld, memoryWorld, startJoin } from '../support/memory-site.ts'
import { joinSites, newestAt, signatureBy } from '../support/reshares.ts'
import { moveCard, rewrapOf } from '../support/rewraps.ts'

const names = ['eu', 'us', 'ap']
const deadlines = { gather: 60, proposal: 5, round: 20, close: 10 }

let world: MemoryWorld
let keygen: KeygenDefinition
beforeAll(async () => {
  world = await memoryWorld(names)
  keygen = await keygenDefinition({ sites: await siteEntries(names), deadlines })
  for (const end of await joinSites(world, names, keygen)) if (end.status === 'rejected') throw end.reason
})

const run = async (who: readonly string[], definition: Parameters<typeof startJoin>[2]) => {
  const runs = await Promise.all(who.map((name) => startJoin(world, name, definition)))
  return Promise.allSettled(runs.map(({ done }) => done))
}

describe('a rewrap', () => {
  it('seals the share of one site under another key, cosigned by the others', async () => {
    const before = await newestAt(world, 'eu')
    const [entry] = await siteEntries(['eu'])
    await moveCard(world, 'eu', '/keys/eu-2.key')
    const definition = await rewrapOf(world, keygen, 'eu', entry?.kms ?? [], { deadlines })
    await approveIn(world, 'eu', definition)
    const ends = await run(names, definition)
    expect(ends.map((end) => (end.status === 'rejected' ? String(end.reason) : end.value.open))).toEqual([[], [], []])
    const after = await newestAt(world, 'eu')
    expect(after.envelope).not.toBe(before.envelope)
    const disk = world.homes.get('eu')?.disk
    const folder = `keys/${before.key}/${before.outcome}`
    expect((await disk?.list(folder))?.filter((name) => /^s[lh]/.test(name))).toEqual([
      `shard-${ceremonyId(definition)}`,
      `slots-${ceremonyId(definition)}`,
    ])
    const [first] = ends
    if (first?.status !== 'fulfilled') throw new Error('no end')
    const bundle = (await disk?.read(first.value.bundle ?? '')) ?? expect.fail('no bundle')
    const report = await verifyBundle(await open(bundle), { trust: 'stated', evidence: protocolEvidence })
    expect(report.checks.filter(({ verdict }) => verdict !== 'holds').map(({ id }) => id)).toEqual(['time.stamped'])
    expect(report).toMatchObject({ verdict: 'valid', bundle: { state: 'made' }, rewrapped: { site: 'eu' } })
  })

  it('leaves a key that signs, with the new card', async () => {
    const sites = await Promise.all(names.map(async (name) => (await world.homes.get(name)?.home.card()) as never))
    const signed = await signatureBy(world, { ...keygen, sites }, ['eu', 'us'])
    expect(signed.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
  })
})
