import { beforeAll, describe, expect, it } from 'vitest'
import type { SiteId } from '../../src/lib/brand.ts'
import type { Definition } from '../../src/records/definition.ts'
import type { MemoryWorld } from '../support/memory-site.ts'
import { copyWorld } from '../support/memory-site.ts'
import { memoryNetwork } from '../support/memory-wire.ts'
import { seededRandom } from '../support/random.ts'
import { many, SEED } from '../support/report.ts'
import { seeded } from '../support/sim-disk.ts'
import { approveAll, type JoinChanges, joinAs, leftAt } from './ceremonies.ts'
import { epochsAt, ownerOf, recordHash, said, stoppedAt } from './refreshes.ts'
import { keyOwners, type Owners } from './reshares.ts'

/** Several definitions that hand one record on, run by the same homes at once: at most one of them makes an epoch. */

const old = ['eu', 'us', 'ap'] as SiteId[]
const first = ['sa', 'af', 'me'] as SiteId[]
const second = ['is', 'no', 'se'] as SiteId[]
const all = [...old, ...first, ...second]
const [eu, us] = old as [SiteId, SiteId]
const CASES = many(1, 2, 120)
let owners: Owners
beforeAll(async () => {
  owners = await keyOwners(old, [...first, ...second])
})

const rivals = {
  'to other machines each': { one: { sites: first }, two: { sites: second } },
  'to other machines, and to the same sites': { one: { sites: first }, two: { sites: old } },
  'one old site stays in each': {
    one: { sites: [eu, ...first], threshold: 3 },
    two: { sites: [us, ...second], threshold: 3 },
  },
} as const satisfies Record<string, Record<'one' | 'two', Parameters<Owners['reshare']>[0]>>

const seated = (definition: Definition): readonly SiteId[] => definition.sites.map(({ name }) => name)

const epochs = async (world: MemoryWorld): Promise<ReadonlySet<string>> => {
  const held = await Promise.all(all.map((name) => epochsAt(world, name)))
  return new Set(
    held.flat().flatMap((one) => (one.core.epoch === 2 && one.state === 'installed' ? recordHash(one) : [])),
  )
}

const steps = ['staged', 'proven', 'ready', 'installed'] as const

describe.each(Object.entries(rivals))('two reshares of one record, %s', (name, { one: toOne, two: toTwo }) => {
  let one: Definition
  let two: Definition
  beforeAll(async () => {
    one = await owners.reshare({ ...toOne })
    two = await owners.reshare({ ...toTwo, nonce: '22'.repeat(16) })
  })

  it(`make one epoch at most, whichever is ahead where (${CASES} cases, QUORATE_SEED=${SEED})`, async () => {
    for (let at = 0; at < CASES; at++) {
      const random = seeded(SEED + at)
      const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
      const world = await copyWorld(owners.world, `${name} ${at}`)
      const other = {
        ...world,
        network: memoryNetwork({ clock: world.clock, random: seededRandom(`${name} ${at} two`) }),
      }
      for (const definition of [one, two]) await approveAll(world, seated(definition), definition)
      const homes = new Map(await Promise.all(all.map(async (site) => [site, await ownerOf(world, site)] as const)))
      const late = [pick([0, 1, 10]), pick([0, 1, 10])] as const
      const slow = [pick(old), pick(old)] as const
      for (const [room, which] of [
        [world, 0],
        [other, 1],
      ] as const) {
        const wait = late[which] ?? 0
        room.network.set({ delay: [1 + wait, 1 + 3 * wait] })
      }
      const stop = random() < 0.5 ? { site: pick(old), step: pick(steps) } : undefined
      const joins = (room: MemoryWorld, definition: Definition, again: boolean) =>
        seated(definition).map(async (site) => {
          const changes: JoinChanges = {
            ...(!again && stop?.site === site ? stoppedAt(stop.step, 1) : {}),
            site: homes.get(site) ?? expect.fail(),
          }
          if (!again && slow[room === world ? 0 : 1] === site) await world.clock.sleep(pick([1, 5, 20]))
          return joinAs(room, site, definition, null, undefined, changes)
        })
      const about = `${at}: ${late} ${slow} ${JSON.stringify(stop)}`
      const ends = await Promise.all([...joins(world, one, false), ...joins(other, two, false)])
      const told = ends.map((end) => `${end.site} ${said(end)}`).join(', ')
      expect((await epochs(world)).size, `${about}\n${told}`).toBeLessThanOrEqual(1)
      for (const [room, definition] of [
        [world, one],
        [other, two],
        [world, one],
      ] as const)
        await Promise.all(joins(room, definition, true))
      expect((await epochs(world)).size, `${about}\n${told}`).toBeLessThanOrEqual(1)
      for (const site of old) {
        const votes = await Promise.all([one, two].map(async (each) => (await leftAt(world, site, each)).ready))
        expect(votes.filter((ready) => ready).length, about).toBeLessThanOrEqual(1)
      }
      // Who destroyed its share did so for that epoch.
      const held = await Promise.all(old.map((site) => epochsAt(world, site)))
      if (held.flat().some(({ state }) => state === 'retired')) expect((await epochs(world)).size, about).toBe(1)
    }
  })
})
