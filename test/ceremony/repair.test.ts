import { beforeAll, describe, expect, it } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Definition } from '../../src/records/definition.ts'
import type { RepairDefinition } from '../../src/records/kinds/repair.ts'
import { open } from '../support/bundles.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { type MemoryWorld, memoryWorld } from '../support/memory-site.ts'
import { inTurn } from '../support/report.ts'
import { epochsAt, joinSites, newestAt, repairOf, signatureBy } from '../support/reshares.ts'

interface Key {
  readonly world: MemoryWorld
  readonly keygen: Definition
}

const newKey = async (sites: readonly string[], threshold: number): Promise<Key> => {
  const world = await memoryWorld([...sites, 'new', 'newer'])
  const keygen = await keygenDefinition({ sites: await siteEntries(sites), threshold })
  for (const end of await joinSites(world, sites, keygen)) if (end.status === 'rejected') throw end.reason
  return { world, keygen }
}

const all = ['eu', 'us', 'ap', 'sa', 'af']
/** By day one of them, by turns. */
const cases: readonly [name: string, sites: number, threshold: number, lost: string, helpers?: readonly string[]][] = [
  ['the last of 2 of 3', 3, 2, 'ap'],
  ['the first of 2 of 3', 3, 2, 'eu'],
  ['one in the middle of 3 of 5', 5, 3, 'ap'],
  ['one of 2 of 5, by the last helpers', 5, 2, 'us', ['sa', 'af']],
]

describe.each(inTurn(cases, 2))('%s', (_, count, threshold, lost, helpers) => {
  const old = all.slice(0, count)
  const place = old.indexOf(lost)
  const sites = old.toSpliced(place, 1, 'new')
  let key: Key
  let made: RepairDefinition
  beforeAll(async () => {
    key = await newKey(old, threshold)
    made = await repairOf(key.world, key.keygen, lost, 'new', helpers)
    const bundles = new Set<string>()
    for (const [at, end] of (await joinSites(key.world, sites, made)).entries()) {
      if (end.status === 'rejected') throw end.reason
      expect(end.value.open).toEqual([])
      const bytes = (await key.world.homes.get(sites[at] ?? '')?.disk.read(end.value.bundle ?? '')) ?? expect.fail()
      bundles.add(hashOf(bytes))
      const report = await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
      expect(report.checks.filter(({ id, verdict }) => verdict !== 'holds' && id !== 'time.stamped')).toEqual([])
      expect([report.verdict, report.epoch?.number]).toEqual(['valid', 2])
    }
    expect(bundles.size).toBe(1)
  })

  it('the new machine holds the lost share, at its index, and all verifying shares are as before', async () => {
    const before = (await epochsAt(key.world, old.find((name) => name !== lost) ?? '')).at(0)
    for (const [at, name] of sites.entries()) {
      const newest = await newestAt(key.world, name)
      expect([newest.core.kind, newest.core.epoch, newest.core.index]).toEqual(['repair', 2, at + 1])
      expect(newest.made.publicKey).toBe(before?.made.publicKey)
      expect(newest.made.verifyingShares).toEqual(before?.made.verifyingShares)
    }
  })

  it('any quorum with the new machine signs', async () => {
    const signers = sites.filter((name) => name === 'new' || sites.indexOf(name) > sites.length - threshold - 1)
    const quorum = [...new Set(['new', ...signers])].slice(0, threshold)
    const inOrder = sites.filter((name) => quorum.includes(name))
    for (const end of await signatureBy(key.world, made, inOrder)) {
      if (end.status === 'rejected') throw end.reason
      expect(end.value.key?.publicKey).toBe(made.from.publicKey)
    }
  })

  it('the machine that lost its share signs no more with the others', async () => {
    const other = sites.find((name) => name !== 'new') ?? ''
    const [, end] = await signatureBy(key.world, key.keygen, [lost, other, ...sites.slice(2)].slice(0, threshold))
    expect(end).toMatchObject({ status: 'rejected' })
  })
})
