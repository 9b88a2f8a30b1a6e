import { beforeAll, describe, expect, it } from 'vitest'
import type { SiteId } from '../../src/lib/brand.ts'
import { stillClock } from '../../src/rehearsal/still-clock.ts'
import { type Conditions, memoryNetwork } from '../support/memory-wire.ts'
import { seededRandom } from '../support/random.ts'
import { many, report } from '../support/report.ts'
import { seeded } from '../support/sim-disk.ts'
import { approvedDisks, joinAll, keygenOf, makeKey, namesMissing, openPoints, signOf } from './joins.ts'

beforeAll(makeKey)

describe('a bad network', () => {
  const kinds: Readonly<Record<string, Partial<Conditions>>> = {
    'delay to 2 s': { delay: [0, 2000] },
    'loss of 20 %': { drop: 0.2 },
    'loss, delay, disorder and doubles': { drop: 0.2, delay: [0, 500], reorder: 0.3, duplicate: 0.2 },
  }

  const worldOf = async (kind: 'keygen' | 'sign', seed: string) => {
    const deadlines = { gather: 60, proposal: 5, round: 20, close: 30 }
    const definition = await (kind === 'keygen' ? keygenOf : signOf)({ attempts: 12, deadlines })
    const disks = await approvedDisks(kind, definition)
    const clock = stillClock(Date.now())
    const network = memoryNetwork({ clock, random: seededRandom(seed) })
    return { network, clock, join: () => joinAll(disks, definition, { network }) }
  }

  it.each(Object.keys(kinds))(
    '%s: finishes, or ends at the deadline naming who is missing',
    async (name) => {
      const ends = new Map<string, number>()
      const runs = many(1, 4, 80)
      const one = async (n: number): Promise<void> => {
        const { network, join } = await worldOf(n % 2 === 0 ? 'keygen' : 'sign', `${name} ${n}`)
        network.set(kinds[name] as Partial<Conditions>)
        const told = await join()
        for (const line of told.story) ends.set(line, (ends.get(line) ?? 0) + 1)
        expect(told.endings.filter((ending) => !namesMissing(ending)).map((ending) => JSON.stringify(ending))).toEqual(
          [],
        )
        network.set({ delay: [0, 0], drop: 0, reorder: 0, duplicate: 0 })
        expect(openPoints(await join())).toEqual([])
      }
      await Promise.all(Array.from({ length: runs }, (_, n) => one(n)))
      report(`${name}: ${[...ends].map(([line, count]) => `${count} × ${line}`).join('; ')}`)
    },
    600_000,
  )

  it('a partition that heals: finishes, or ends at the deadline naming who is missing and finishes with the next join', async () => {
    const random = seeded(33)
    let same = 0
    let later = 0
    const runs = many(1, 4, 80)
    const one = async (n: number): Promise<void> => {
      const { network, clock, join } = await worldOf(n % 2 === 0 ? 'keygen' : 'sign', `partition ${n}`)
      // Slow enough that the partition falls somewhere within.
      network.set({ delay: [50, 150] })
      const running = join()
      await clock.sleep(random() * 4000)
      network.partition(['eu' as SiteId], ['us' as SiteId, 'ap' as SiteId])
      await clock.sleep(4000)
      network.heal()
      let told = await running
      expect(told.endings.filter((ending) => !namesMissing(ending)).map((ending) => JSON.stringify(ending))).toEqual([])
      if (openPoints(told).length === 0 && Math.max(...told.attempts) === 1) same += 1
      if (openPoints(told).length > 0) later += 1
      // Cut between two signatures of one attempt, one side may begin it and the other give it up: its end is a deadline's.
      for (let more = 0; more < 2 && openPoints(told).length > 0; more++) told = await join()
      expect([told.story.join('; '), openPoints(told)]).toEqual([told.story.join('; '), []])
    }
    await Promise.all(Array.from({ length: runs }, (_, n) => one(n)))
    report(`partition and heal: ${runs} finished, ${same} in the same attempt, ${later} with another join`)
  })

  it('a partition that stays: ends at the deadline naming who is missing, and goes on afterwards', async () => {
    const random = seeded(34)
    const ends = new Map<string, number>()
    const one = async (n: number): Promise<void> => {
      const { network, clock, join } = await worldOf(n % 2 === 0 ? 'keygen' : 'sign', `stays ${n}`)
      network.set({ delay: [50, 150] })
      const running = join()
      await clock.sleep(1000 + random() * 4000)
      network.partition(['eu' as SiteId], ['us' as SiteId, 'ap' as SiteId])
      const told = await running
      for (const line of told.story) ends.set(line, (ends.get(line) ?? 0) + 1)
      expect(told.endings.filter((ending) => !namesMissing(ending)).map((ending) => JSON.stringify(ending))).toEqual([])
      network.heal()
      network.set({ delay: [0, 0] })
      let after = await join()
      for (let more = 0; more < 2 && openPoints(after).length > 0; more++) after = await join()
      expect([after.story.join('; '), openPoints(after)]).toEqual([after.story.join('; '), []])
    }
    await Promise.all(Array.from({ length: many(1, 4, 80) }, (_, n) => one(n)))
    report(`a partition that stays: ${[...ends].map(([line, count]) => `${count} × ${line}`).join('; ')}`)
  })
})
