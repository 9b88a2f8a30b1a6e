import { beforeAll, describe, expect, it } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { joinCeremony } from '../../src/ceremony/engine/join.ts'
import { suspendedIn } from '../../src/ceremony/epoch/suspended.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import type { EmergencyDefinition } from '../../src/records/kinds/emergency.ts'
import { type Chain, open, ownChain } from '../support/bundles.ts'
import { signDefinition } from '../support/definition.ts'
import { emergencyOf } from '../support/emergencies.ts'
import { approveIn, memorySite, startJoin } from '../support/memory-site.ts'
import { epochsAt, joinSites, recordHashOf } from '../support/reshares.ts'

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

describe('a site that was away during an emergency, and meets nobody when it comes back', () => {
  /** It signs with the old key, as far as it is let: how that ends. */
  const signsAlone = async ({ world, keygen }: Chain, { fences }: EmergencyDefinition) => {
    const base = (await epochsAt(world, 'ap')).find(({ key }) => key === fences.key) ?? expect.fail('no share')
    const message = utf8('pay by the old key')
    const sign = await signDefinition({
      ...{ sites: keygen.sites, key: base.key, base: recordHashOf(base), signers: ['us', 'ap'] as never },
      message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
    })
    const [end] = await joinSites(world, ['ap'], sign, message)
    return end
  }

  it('reads in their notes that they began, and leaves the old key alone as they do', async () => {
    const chain = await ownChain()
    const { world } = chain
    const definition = await emergencyOf(world, chain.keygen)
    for (const end of await joinSites(world, ['eu', 'us'], definition))
      expect(end).toMatchObject({ reason: { code: 'E_APPROVALS_MISSING' } })
    const [end] = await joinSites(world, ['ap'], definition)
    expect(end).toMatchObject({ reason: { exit: 3 } })
    expect(suspendedIn((await memorySite(world, 'ap')).ledger).has(definition.fences.key)).toBe(true)
    expect(await signsAlone(chain, definition)).toMatchObject({ reason: { code: 'E_NOT_ALLOWED' } })
  })

  it('finds all votes in their notes, uses the fresh key, and the old one never', async () => {
    const chain = await ownChain()
    const { world } = chain
    const definition = await emergencyOf(world, chain.keygen)
    for (const name of names) await approveIn(world, name, definition)
    await world.clock.hold(loadScheme(definition.protocol))
    const away = new AbortController()
    const joins = names.map(async (name) =>
      joinCeremony(await memorySite(world, name), definition, {
        progress: (event) => {
          if (name === 'ap' && event.phase === 'step' && event.step === 'ready')
            away.abort(new QuorateError('E_STOPPED', 'stopped', 'run join again'))
        },
        signal: name === 'ap' ? away.signal : new AbortController().signal,
        message: null,
        check: false,
      }),
    )
    const ends = await Promise.allSettled(joins)
    expect(ends).toMatchObject([
      { reason: { code: 'E_NOT_FINISHED', details: { step: 'installed', waiting: ['ap'] } } },
      { reason: { code: 'E_NOT_FINISHED', details: { step: 'installed', waiting: ['ap'] } } },
      { reason: { code: 'E_STOPPED' } },
    ])
    expect((await epochsAt(world, 'ap')).map(({ state }) => state).sort()).toEqual(['installed', 'staged'])
    await Promise.allSettled([(await startJoin(world, 'ap', definition)).done])
    expect((await epochsAt(world, 'ap')).map(({ state }) => state)).toEqual(['installed', 'installed'])
    expect(await signsAlone(chain, definition)).toMatchObject({ reason: { code: 'E_NOT_ALLOWED' } })
  })
})
