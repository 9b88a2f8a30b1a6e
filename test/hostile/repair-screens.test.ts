import { beforeAll, expect, it } from 'vitest'
import { recordsToName } from '../../src/ceremony/epoch/rivals.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { copyWorld, type MemoryWorld, memorySite } from '../support/memory-site.ts'
import { repairOf } from '../support/reshares.ts'
import { approveAll, type Joined, joinAs } from './ceremonies.ts'
import { deadlines, joinTogether, said, stoppedAt } from './refreshes.ts'
import { keyOwners, type Owners } from './reshares.ts'

/** What a screen tells people to do can be done. */

const [eu, us, ap, spare, other] = ['eu', 'us', 'ap', 'spare', 'other'] as [SiteId, SiteId, SiteId, SiteId, SiteId]
let owners: Owners
beforeAll(async () => {
  owners = await keyOwners([eu, us, ap], [spare, other])
})
const hintOf = ({ error }: Joined): string => (error as { hint?: string } | undefined)?.hint ?? ''

/** A repair for `spare` that eu and us voted for, and `spare` did not. */
const undecided = async (seed: string): Promise<{ world: MemoryWorld; one: Awaited<ReturnType<Owners['repair']>> }> => {
  const world = await copyWorld(owners.world, seed)
  const one = await owners.repair(ap, spare)
  await approveAll(world, [eu, us, spare], one)
  await Promise.all(
    [eu, us, spare].map((name) =>
      joinAs(world, name, one, null, undefined, name === spare ? stoppedAt('proven', 3) : {}),
    ),
  )
  return { world, one }
}

it('who voted in a repair is not sent to `rotate plan`, which needs the lost site', async () => {
  const { world } = await undecided('rotate')
  const unnamed = await owners.repair(ap, other, '33'.repeat(16))
  await approveAll(world, [eu, us, other], unnamed)
  const ends = await joinTogether(world, [eu, us, other], unnamed)
  for (const end of ends.filter(({ site }) => site !== other)) expect(hintOf(end)).toContain('quorate recover plan')
})

it('a machine whose repair was superseded by another one’s does not wait for ever for those who will never come', async () => {
  const { world, one } = await undecided('superseded')
  const supersedes = [...(await recordsToName(await memorySite(world, eu), one.key as Hash))]
  const two = { ...(await owners.repair(ap, other, '22'.repeat(16))), supersedes }
  await approveAll(world, [eu, us, other], two)
  expect((await joinTogether(world, [eu, us, other], two)).map(said)).toEqual(['closed', 'closed', 'closed'])
  const [first, , end] = await joinTogether(world, [eu, us, spare], one)
  expect(said(first ?? expect.fail())).toBe('E_CONSUMED')
  // `spare` has no seat in the newer ceremony, and eu and us never give a receipt for this one.
  expect(hintOf(first ?? expect.fail())).not.toContain('they run join with its definition')
  expect(hintOf(end ?? expect.fail())).not.toContain('their operators run join again')
})

it('a lost site that is planned in another place is not sent to a ceremony in which it has no seat', async () => {
  const world = await copyWorld(owners.world, 'no seat')
  const one = await owners.repair(ap, spare)
  await approveAll(world, [eu, us, spare], one)
  expect((await joinTogether(world, [eu, us, spare], one)).map(said)).toEqual(['closed', 'closed', 'closed'])
  const two = { ...(await repairOf(world, one, us, ap)), deadlines }
  await approveAll(world, [eu, ap, spare], two)
  const end = (await joinTogether(world, [eu, ap, spare], two)).find(({ site }) => site === ap)
  expect(String(end?.error)).not.toContain('join that ceremony here first')
})
