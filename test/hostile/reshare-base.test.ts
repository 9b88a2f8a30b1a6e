import { beforeAll, describe, expect, it } from 'vitest'
import type { SiteId } from '../../src/lib/brand.ts'
import type { ReshareDefinition } from '../../src/records/kinds/reshare.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { copyWorld, type MemoryWorld, memorySite, memoryWorld } from '../support/memory-site.ts'
import { reshareOf } from '../support/reshares.ts'
import { approveAll, joinAs } from './ceremonies.ts'
import { deadlines, heldAt, joinTogether, said } from './refreshes.ts'
import { keyOwners, type Owners } from './reshares.ts'

/** Definitions that say of the key what is not so: who knows better refuses them, whatever all others approve. */

const old = ['eu', 'us', 'ap'] as SiteId[]
const next = ['sa', 'af', 'me'] as SiteId[]
const [eu, us, ap] = old as [SiteId, SiteId, SiteId]
let owners: Owners
let first: ReshareDefinition
/** Of another key, which the new sites made among themselves. */
let theirs: ReshareDefinition

beforeAll(async () => {
  owners = await keyOwners(old, next)
  first = await owners.reshare({ sites: next })
  const world: MemoryWorld = await memoryWorld(next)
  for (const name of next) await memorySite(world, name)
  const keygen = await keygenDefinition({ sites: await siteEntries(next), threshold: 2, deadlines })
  await approveAll(world, next, keygen)
  await joinTogether(world, next, keygen)
  theirs = { ...(await reshareOf(world, keygen, { sites: [...next, ap], threshold: 2 })), deadlines }
})

const refused = async (world: MemoryWorld, name: SiteId, definition: ReshareDefinition) => {
  await approveAll(world, [name], definition)
  return joinAs(world, name, definition, null)
}

describe('a site that holds a share', () => {
  const away = ({ from }: ReshareDefinition) => from.verifyingShares
  it.each<[string, (honest: ReshareDefinition) => Partial<ReshareDefinition>]>([
    ['a lower threshold', ({ from }) => ({ from: { ...from, threshold: 3, dealers: from.sites } })],
    ['another order', ({ from }) => ({ from: { ...from, sites: [us, eu, ap], dealers: [us, eu, ap] } })],
    ['another public key', (it) => ({ from: { ...it.from, publicKey: away(it)[0] ?? '' } })],
    ['other verifying shares', (it) => ({ from: { ...it.from, verifyingShares: [...away(it)].toReversed() } })],
    ['another base', () => ({ base: 'ab'.repeat(32) as never })],
    ['another number', () => ({ epoch: 3 })],
    [
      'a new site in the place of an old one',
      ({ from }) => ({ from: { ...from, sites: [eu, 'sa' as SiteId, us], dealers: [eu, us] } }),
    ],
    [
      'an old site that is left out',
      ({ from }) => ({
        from: { ...from, sites: [eu, us], dealers: [eu, us], verifyingShares: from.verifyingShares.slice(0, 2) },
        sites: first.sites.filter(({ name }) => name !== ap),
      }),
    ],
    ['more receivers than sites', () => ({ receivers: 9 })],
    ['a dealer twice', ({ from }) => ({ from: { ...from, dealers: [eu, eu, us] } })],
    [
      'a site under two names',
      (it) => ({
        sites: it.sites.map((site) =>
          site.name === 'sa'
            ? { ...site, name: 'xx' as SiteId, identity: it.sites[1]?.identity ?? site.identity }
            : site,
        ),
      }),
    ],
  ])('refuses %s', async (_, change) => {
    const world = await copyWorld(owners.world, 'lies')
    const definition = { ...first, ...change(first) }
    expect(said(await refused(world, eu, definition))).toBe('E_DEFINITION')
    expect(await heldAt(world, eu)).toEqual(['1 installed'])
  })

  it('refuses a definition that counts it among no holders', async () => {
    const world = await copyWorld(owners.world, 'not counted')
    const { key, from } = first
    expect((await refused(world, ap, { ...theirs, key })).error).toMatchObject({ code: 'E_DEFINITION' })
    const sameKey = { ...theirs, key, epoch: 3, from: { ...theirs.from, publicKey: from.publicKey } }
    expect((await refused(world, ap, sameKey)).error).toMatchObject({
      code: 'E_DEFINITION',
      message: expect.stringContaining('it has to destroy it in the ceremony that replaced it'),
    })
  })
})

describe('a site whose share was replaced', () => {
  let world: MemoryWorld
  beforeAll(async () => {
    world = await copyWorld(owners.world, 'replaced')
    await approveAll(world, [...old, ...next], first)
    for (const end of await joinTogether(world, [...old, ...next], first)) expect(said(end)).toBe('closed')
  })

  it('refuses another public key under the name of this one', async () => {
    const there = await copyWorld(world, 'other key')
    expect((await refused(there, ap, { ...theirs, key: first.key, epoch: 3 })).error).toMatchObject({
      code: 'E_DEFINITION',
      message: expect.stringContaining('not the public key'),
    })
  })

  it('refuses, where it received the new one, an epoch of that number again', async () => {
    const there = await copyWorld(world, 'number')
    const again = await refused(there, 'me' as SiteId, { ...first, nonce: '44'.repeat(16) })
    expect(again.error).toMatchObject({ code: 'E_DEFINITION', message: expect.stringContaining('knows of epoch 2') })
  })

  it('takes a share of a later epoch', async () => {
    const to = { sites: [ap, ...next], threshold: 2 }
    const definition = { ...(await reshareOf(world, first, to)), deadlines }
    const all = [ap, ...next]
    await approveAll(world, all, definition)
    const ends = await joinTogether(world, all, definition)
    expect(ends.map(said)).toEqual(all.map(() => 'closed'))
    expect(await heldAt(world, ap)).toEqual(['1 retired', '3 installed'])
    // A join that comes again finds what it made, and knows of nothing else.
    expect((await joinTogether(world, all, definition)).map(said)).toEqual(all.map(() => 'closed'))
  })
})
