import { describe, expect, it } from 'vitest'
import type { SiteId } from '../../src/lib/brand.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import type { Definition } from '../../src/records/definition.ts'
import type { ReshareDefinition } from '../../src/records/kinds/reshare.ts'
import {
  emergencyDefinition,
  keygenDefinition,
  readmitDefinition,
  refreshDefinition,
  repairDefinition,
  rewrapDefinition,
  siteEntries,
} from '../support/definition.ts'
import { approverIdentities, NOW, rehearsal } from './support.ts'

const OPENS = Date.parse('2026-01-01T00:00:00Z')

describe('a rehearsal without faults', () => {
  it.each<[string, () => Promise<Definition>]>([
    ['a key generation', () => keygenDefinition()],
    ['one with an approver', async () => keygenDefinition({ approvers: await approverIdentities(1) })],
    ['a refresh of a later epoch', () => refreshDefinition({ epoch: 5 })],
  ])('makes what %s would make, at every site', async (_, definition) => {
    const { first } = await rehearsal({ definition: await definition() })
    expect(first.joins.map(({ site, fault }) => [site, fault])).toEqual(['eu', 'us', 'ap'].map((name) => [name, null]))
    expect(first.end).toEqual({ state: 'made', by: ['eu', 'us', 'ap'], waiting: [], guilty: [] })
  })

  it('hands a key on to other sites, without one that is lost', async () => {
    const point = 'ab'.repeat(32)
    const definition: ReshareDefinition = {
      ...(await refreshDefinition()),
      kind: 'reshare',
      sites: await siteEntries(['us', 'ap', 'sa', 'eu', 'af']),
      receivers: 3,
      from: {
        threshold: 2,
        sites: ['eu', 'af', 'us'] as SiteId[],
        publicKey: point,
        verifyingShares: [point, point, point],
        dealers: ['eu', 'us'] as SiteId[],
      },
    }
    const { first, replaced } = await rehearsal({ definition })
    expect(first.joins.map(({ site, fault }) => [site, fault?.code])).toEqual(
      ['us', 'ap', 'sa', 'eu'].map((name) => [name, undefined]),
    )
    expect(first.end).toMatchObject({ state: 'made', waiting: [] })
    expect(replaced).toContain('key and its record')
  })

  it('makes a fresh key at new and old sites, and fences an old one that is thrown away too', async () => {
    const common = await emergencyDefinition()
    const holders = (await siteEntries(['us', 'af', 'eu'])).map(({ name, identity }) => ({ name, identity }))
    const definition = {
      ...common,
      sites: await siteEntries(['eu', 'us', 'sa']),
      fences: { ...common.fences, holders },
    }
    const { first, replaced } = await rehearsal({ definition })
    expect(first.end).toMatchObject({ state: 'made', waiting: [] })
    expect(replaced).toContain('key and its record')
    for (const { result } of first.joins)
      expect(result?.fences).toMatchObject({ fenced: ['us', 'eu'], left: ['af-old'], outOfUse: true })
  })

  it('takes a site back, with the ledger that it has there', async () => {
    const { first } = await rehearsal({ definition: await readmitDefinition() })
    expect(first.joins.map(({ site, fault }) => [site, fault])).toEqual(['eu', 'us', 'ap'].map((name) => [name, null]))
    expect(first.end).toMatchObject({ state: 'made', waiting: [] })
  })

  it('makes a lost share again, for the machine in its place', async () => {
    const definition = await repairDefinition({ epoch: 3 })
    const { first } = await rehearsal({ definition })
    expect(first.joins.map(({ site, fault }) => [site, fault])).toEqual(['eu', 'us', 'sa'].map((name) => [name, null]))
    expect(first.end).toEqual({ state: 'made', by: ['eu', 'us', 'sa'], waiting: [], guilty: [] })
    const lied = await rehearsal({ definition, faults: ['lie:us:1'] })
    expect(lied.first.end).toMatchObject({ guilty: ['us'] })
  })

  it('seals a share anew, under the one throw-away key that its site has', async () => {
    const definition = await rewrapDefinition()
    const { first } = await rehearsal({ definition })
    expect(first.joins.map(({ site, fault }) => [site, fault])).toEqual(['eu', 'us', 'ap'].map((name) => [name, null]))
    expect(first.end).toEqual({ state: 'made', by: ['eu', 'us', 'ap'], waiting: [], guilty: [] })
  })

  it('names the phases in their order, and waits for nobody', async () => {
    const { first } = await rehearsal({ definition: await keygenDefinition() })
    for (const { phases } of first.joins) {
      expect(phases.map(({ name }) => name)).toEqual([
        ...['open', 'preflight', 'gather', 'attempt 1'],
        ...['round 1/4 commitments', 'round 2/4 openings', 'round 3/4 shares', 'round 4/4 confirm'],
        ...['staged', 'proven', 'ready', 'installed', 'closed'],
      ])
      expect(phases.every(({ waited }) => waited < 1000)).toBe(true)
    }
  })

  it('begins at once where the window is open, and else as it opens', async () => {
    const definition = await keygenDefinition()
    expect((await rehearsal({ definition })).begins).toBeGreaterThanOrEqual(NOW)
    expect((await rehearsal({ definition, now: OPENS - 86_400_000 })).begins).toBe(OPENS)
  })

  it('shows what a closed window does', async () => {
    const { first } = await rehearsal({ definition: await keygenDefinition(), now: Date.parse('2028-03-01T00:00:00Z') })
    // The first in the roster proposes, and sees it; the others wait for a proposal.
    expect(first.joins.map(({ fault }) => fault?.code)).toEqual(['E_WINDOW', 'E_QUORUM', 'E_QUORUM'])
    expect(first.end.state).toBe('nothing')
  })

  it('refuses a definition that could not be run', async () => {
    const [first] = await siteEntries(['eu'])
    const definition = await keygenDefinition()
    const twice = { ...definition, sites: [definition.sites[0], definition.sites[1], first] } as Definition
    const error = await rehearsal({ definition: twice }).catch((reason: unknown) => reason)
    expect(error instanceof QuorateError && error.code).toBe('E_DEFINITION')
  })

  it('gives the same lines, times and key for one seed, and another key for another', async () => {
    const definition = await keygenDefinition()
    const told = async (seed: string) => {
      const { first } = await rehearsal({ definition, seed })
      return first.joins.map(({ seen, result }) => ({ seen, key: result?.key }))
    }
    const once = await told('a')
    expect(await told('a')).toEqual(once)
    expect((await told('b'))[0]?.key).not.toEqual(once[0]?.key)
  })
})
