import { expect, it } from 'vitest'
import type { SiteId } from '../../src/lib/brand.ts'
import { refreshDefinition } from '../support/definition.ts'
import { approveAll, joinAs } from './ceremonies.ts'
import { caseOf, deadlines, epochsAt, heldAt, joinTogether, recordHash, said, stoppedAt } from './refreshes.ts'
import { keyOwners } from './reshares.ts'

const [eu, us, ap, sa] = ['eu', 'us', 'ap', 'sa'] as SiteId[] as [SiteId, SiteId, SiteId, SiteId]

it('a site is lost between the votes of a refresh: the others hand the key on, and no late vote brings the refresh back', async () => {
  const owners = await keyOwners([eu, us, ap], [sa])
  const world = await caseOf(owners, 'superseded')
  const { sites, key, base, from } = await owners.reshare({ sites: [eu, us, sa], without: [ap] })
  const old = ['eu', 'us', 'ap'].map((name) => sites.find((site) => site.name === name) ?? expect.fail(name))
  const refresh = await refreshDefinition({ sites: old, key, base, deadlines })
  await approveAll(world, [eu, us, ap], refresh)
  await Promise.all([
    joinAs(world, eu, refresh, null),
    joinAs(world, us, refresh, null),
    joinAs(world, ap, refresh, null, undefined, stoppedAt('proven', 3)),
  ])
  for (const name of [eu, us]) expect(await heldAt(world, name)).toEqual(['1 installed', '2 staged'])
  const undecided = (await epochsAt(world, eu)).find(({ state }) => state === 'staged') ?? expect.fail()

  const unnamed = await owners.reshare({ sites: [eu, us, sa], without: [ap] })
  await approveAll(world, [eu, us, sa], unnamed)
  const refused = await joinTogether(world, [eu, us], unnamed)
  for (const { error } of refused)
    expect(error).toMatchObject({ code: 'E_NOT_FINISHED', details: { record: recordHash(undecided) } })

  const reshare = { ...unnamed, nonce: '22'.repeat(16), supersedes: [recordHash(undecided)] }
  await approveAll(world, [eu, us, sa], reshare)
  expect((await joinTogether(world, [eu, us, sa], reshare)).map(said)).toEqual(['closed', 'closed', 'closed'])
  for (const name of [eu, us, sa]) {
    const newest = (await epochsAt(world, name)).filter(({ state }) => state === 'installed')
    expect(newest.map(({ made }) => [made.ceremony === undecided.made.ceremony, made.publicKey])).toEqual([
      [false, from.publicKey],
    ])
  }

  // The lost site votes at last: now every vote of the refresh is there, and nobody goes back to it.
  const late = await joinTogether(world, [eu, us, ap], refresh)
  expect(late.filter(({ site }) => site !== ap).map(said)).toEqual(['E_CONSUMED', 'E_CONSUMED'])
  expect(said(late.find(({ site }) => site === ap) ?? expect.fail())).toBe('E_NOT_FINISHED')
  for (const name of [eu, us]) {
    const newest = (await epochsAt(world, name)).filter(({ state }) => state === 'installed')
    expect(newest.map(({ made }) => made.ceremony === undecided.made.ceremony)).toEqual([false])
  }
})
