import { beforeAll, describe, expect, it } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { suspendedIn } from '../../src/ceremony/epoch/suspended.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { EmergencyDefinition } from '../../src/records/kinds/emergency.ts'
import { type Chain, open, ownChain } from '../support/bundles.ts'
import { emergencyOf } from '../support/emergencies.ts'
import { memorySite } from '../support/memory-site.ts'
import { epochsAt, joinSites } from '../support/reshares.ts'

const names = ['eu', 'us', 'ap']

describe('an emergency at the sites of the key', () => {
  let chain: Chain
  let definition: EmergencyDefinition
  beforeAll(async () => {
    chain = await ownChain()
    definition = await emergencyOf(chain.world, chain.keygen)
  })

  it('makes a fresh key, suspends the old one everywhere, and its bundle shows both', async () => {
    const { world } = chain
    const ends = await joinSites(world, names, definition)
    const bundles = new Set<string>()
    for (const [at, end] of ends.entries()) {
      if (end.status === 'rejected') throw end.reason
      expect(end.value.open).toEqual([])
      const bytes = (await world.homes.get(names[at] ?? '')?.disk.read(end.value.bundle ?? '')) ?? expect.fail()
      bundles.add(hashOf(bytes))
      const report = await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
      expect(report.checks.filter(({ id, verdict }) => verdict !== 'holds' && id !== 'time.stamped')).toEqual([])
      expect(report).toMatchObject({
        verdict: 'valid',
        epoch: { number: 1, base: null },
        fences: { key: definition.fences.key, fenced: names, left: [], retired: true, outOfUse: true },
      })
      expect(report.key?.id).not.toBe(definition.fences.key)
    }
    expect(bundles.size).toBe(1)
    for (const name of names) {
      const site = await memorySite(world, name)
      expect(suspendedIn(site.ledger).get(definition.fences.key)?.reason).toBe(definition.fences.reason)
      expect((await epochsAt(world, name)).map(({ state, core }) => [state, core.kind])).toEqual(
        expect.arrayContaining([
          ['installed', 'keygen'],
          ['installed', 'emergency'],
        ]),
      )
    }
  })
})
