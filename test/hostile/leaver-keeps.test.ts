import { describe, expect, it } from 'vitest'
import { recordsToName } from '../../src/ceremony/epoch/rivals.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import type { Definition } from '../../src/records/definition.ts'
import { refreshDefinition, siteEntries } from '../support/definition.ts'
import { copyWorld, memorySite } from '../support/memory-site.ts'
import { approveAll, joinAs } from './ceremonies.ts'
import { deadlines, heldAt, joinTogether, said, stoppedAt } from './refreshes.ts'
import { keyOwners } from './reshares.ts'

/** A site that hands the key on says that its share is destroyed: it must hold none that it voted for on the way either. */

const [eu, us, ap] = ['eu', 'us', 'ap'] as [SiteId, SiteId, SiteId]
const next = ['sa', 'af', 'me'] as SiteId[]
const spare = 'spare' as SiteId

describe.each(['repair', 'refresh'] as const)(
  'old sites that hand the key on, of which two voted in a %s before',
  (kind) => {
    it('hold nothing of it afterwards, and never use what they voted for', async () => {
      const owners = await keyOwners([eu, us, ap], [...next, spare])
      const world = await copyWorld(owners.world, `leaver ${kind}`)
      const key = (await owners.reshare({ sites: next })).key as Hash
      const first: Definition =
        kind === 'repair'
          ? await owners.repair(ap, spare)
          : await refreshDefinition({
              ...{ sites: await siteEntries([eu, us, ap]), threshold: 2, key, deadlines, attempts: 8 },
              base: (await owners.reshare({ sites: next })).base,
            })
      const last = kind === 'repair' ? spare : ap
      await approveAll(world, [eu, us, last], first)
      // The last one falls silent just before its vote.
      await Promise.all(
        [eu, us, last].map((name) =>
          joinAs(world, name, first, null, undefined, name === last ? stoppedAt('proven', 3) : {}),
        ),
      )
      const supersedes = [...(await recordsToName(await memorySite(world, eu), key))]
      expect(supersedes).toHaveLength(1)
      // The key goes on to others, by a definition that names the undecided record. ap deals too where it holds no part in it.
      const without = kind === 'repair' ? [] : [ap]
      const handover = { ...(await owners.reshare({ sites: next, without, nonce: '77'.repeat(16) })), supersedes }
      const who = kind === 'repair' ? [eu, us, ap, ...next] : [eu, us, ...next]
      await approveAll(world, who, handover)
      expect((await joinTogether(world, who, handover)).map(said)).toEqual(who.map(() => 'closed'))
      const after = await Promise.all([eu, us].map((name) => heldAt(world, name)))
      // The last one is back.
      const ends = await joinTogether(world, [eu, us, last], first)
      const later = await Promise.all([eu, us].map((name) => heldAt(world, name)))
      expect({ after, ends: ends.map(said), later }).toEqual({
        after: [['1 retired'], ['1 retired']],
        ends: ['E_CONSUMED', 'E_CONSUMED', expect.not.stringMatching('closed')],
        later: [['1 retired'], ['1 retired']],
      })
    })
  },
)

it('old sites that hand the key on keep no share of a refresh that comes true in the meantime', async () => {
  const owners = await keyOwners([eu, us, ap], [...next, spare])
  const world = await copyWorld(owners.world, 'leaver meantime')
  const { key, base } = await owners.reshare({ sites: next })
  const first: Definition = await refreshDefinition({
    ...{ sites: await siteEntries([eu, us, ap]), threshold: 2, key: key as Hash, deadlines, attempts: 8, base },
  })
  await approveAll(world, [eu, us, ap], first)
  await Promise.all(
    [eu, us, ap].map((name) => joinAs(world, name, first, null, undefined, name === ap ? stoppedAt('proven', 3) : {})),
  )
  const supersedes = [...(await recordsToName(await memorySite(world, eu), key as Hash))]
  const handover = { ...(await owners.reshare({ sites: next, without: [ap], nonce: '77'.repeat(16) })), supersedes }
  const who = [eu, us, ...next] as SiteId[]
  await approveAll(world, who, handover)
  // One new site falls silent just before its vote; then ap is back, and the refresh comes true.
  await Promise.all(
    who.map((name) => joinAs(world, name, handover, null, undefined, name === next[2] ? stoppedAt('proven', 3) : {})),
  )
  const refreshed = (await joinTogether(world, [eu, us, ap], first)).map(said)
  const handed = (await joinTogether(world, who, handover)).map(said)
  const left = await Promise.all([eu, us].map((name) => heldAt(world, name)))
  const used = left.flat().filter((one) => one.endsWith('installed'))
  // Either the key went on, and the old sites hold no share, or it did not.
  expect({ refreshed, handed, used: handed.includes('closed') ? used : [] }).toEqual({ refreshed, handed, used: [] })
})
