import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { built } from '../support/cli.ts'
import { fastClock } from '../support/fast-clock.ts'
import { NIGHTLY, report } from '../support/report.ts'
import { seeded } from '../support/sim-disk.ts'
import { type LinkConditions, startBadLink } from './bad-link.ts'
import { approvedDisks, joinAll, keygenOf, makeKey, namesMissing, openPoints, signOf, type Told } from './joins.ts'
import { type SpawnedRelay, spawnRelay } from './spawned.ts'

const KILLS = NIGHTLY ? 100 : 16
const at = (url: string) => ({ url, identity: null })
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

beforeAll(makeKey)

describe('relays as processes', () => {
  const relays: SpawnedRelay[] = []
  beforeAll(async () => {
    await built()
    relays.push(...(await Promise.all([spawnRelay(), spawnRelay()])))
  })
  afterAll(async () => {
    await Promise.all(relays.map((relay) => relay.kill()))
  })

  const again = async (n: number): Promise<void> => {
    relays[n] = await spawnRelay((relays[n] as SpawnedRelay).port)
  }

  it(`${KILLS} kills at random instants, one restarted or one of two left dead: all in the same attempt`, async () => {
    const random = seeded(31)
    const took = { keygen: 0, sign: 0 }
    for (const kind of ['keygen', 'sign'] as const) {
      const definition = await (kind === 'keygen' ? keygenOf : signOf)({ relays: relays.map(({ url }) => at(url)) })
      const disks = await approvedDisks(kind, definition)
      const began = performance.now()
      expect(openPoints(await joinAll(disks, definition))).toEqual([])
      took[kind] = performance.now() - began
    }
    const wrong: string[] = []
    let longest = 0
    for (let n = 0; n < KILLS; n++) {
      const kind = n % 2 === 0 ? 'keygen' : 'sign'
      const alone = n % 4 < 2
      const used = alone ? relays.slice(0, 1) : relays
      const definition = await (kind === 'keygen' ? keygenOf : signOf)({ relays: used.map(({ url }) => at(url)) })
      const disks = await approvedDisks(kind, definition)
      const instant = random() * took[kind]
      const began = performance.now()
      const running = joinAll(disks, definition)
      await pause(instant)
      await relays[0]?.kill()
      // One of two stays dead for the rest of this run.
      const restarted = alone ? again(0) : undefined
      const told = await running
      longest = Math.max(longest, performance.now() - began)
      await (restarted ?? again(0))
      if (openPoints(told).length > 0 || told.attempts.some((count) => count !== 1))
        wrong.push(
          `${kind} ${alone ? 'restarted' : 'one of two'} at ${instant.toFixed(0)} ms: ${told.story.join('; ')} ${openPoints(told).join()} attempts ${told.attempts.join()}`,
        )
    }
    report(
      `relays: ${KILLS} kills in a keygen of ${took.keygen.toFixed(0)} ms and a sign of ${took.sign.toFixed(0)} ms, longest run ${longest.toFixed(0)} ms; ${wrong.length} wrong`,
    )
    expect(wrong.join('\n')).toBe('')
  })

  it('the only relay left dead: a clean end at the deadline that names who is missing, and a whole one afterwards', async () => {
    const random = seeded(32)
    const runs = NIGHTLY ? 40 : 4
    const ends = new Map<string, number>()
    for (let n = 0; n < runs; n++) {
      const kind = n % 2 === 0 ? 'keygen' : 'sign'
      const deadlines = { gather: 3, proposal: 1, round: 2, close: 2 }
      const definition = await (kind === 'keygen' ? keygenOf : signOf)({
        relays: [at((relays[0] as SpawnedRelay).url)],
        deadlines,
        attempts: 12,
      })
      const disks = await approvedDisks(kind, definition)
      const running = joinAll(disks, definition)
      await pause(random() * (kind === 'keygen' ? 1200 : 400))
      await relays[0]?.kill()
      const told = await running
      for (const line of told.story) ends.set(line, (ends.get(line) ?? 0) + 1)
      expect(told.endings.filter((ending) => !namesMissing(ending)).map((ending) => JSON.stringify(ending))).toEqual([])
      await again(0)
      let after = await joinAll(disks, definition)
      for (let more = 0; more < 2 && openPoints(after).length > 0; more++) after = await joinAll(disks, definition)
      expect([after.story.join('; '), openPoints(after)]).toEqual([after.story.join('; '), []])
    }
    report(`the only relay dead: ${[...ends].map(([line, count]) => `${count} × ${line}`).join('; ')}`)
  })

  describe('behind a bad link', () => {
    // Sites live four times as fast as the link, which every frame passes twice: once up to the relay, once down.
    const deadlines = { gather: 90, proposal: 15, round: 40, close: 40 }
    const links: Readonly<Record<string, Partial<LinkConditions>>> = {
      'delay to 2 s': { delay: [0, 250] },
      'loss of 20 %': { loss: 0.11 },
      'loss, delay, disorder and doubles': { loss: 0.11, delay: [0, 100], twice: 0.2 },
    }
    const behind = async (kind: 'keygen' | 'sign', seed: number) => {
      const link = await startBadLink((relays[0] as SpawnedRelay).url, seeded(seed))
      const definition = await (kind === 'keygen' ? keygenOf : signOf)({
        attempts: 12,
        deadlines,
        relays: [at(link.url)],
      })
      const disks = await approvedDisks(kind, definition)
      return { link, join: () => joinAll(disks, definition, { clock: fastClock() }) }
    }
    /** Ends at a deadline that names who is missing, and then, over a sound link, as it should. */
    const goesOn = async (told: Told, join: () => Promise<Told>): Promise<void> => {
      expect(told.endings.filter((ending) => !namesMissing(ending)).map((ending) => JSON.stringify(ending))).toEqual([])
      let after = told
      for (let more = 0; more < 3 && openPoints(after).length > 0; more++) after = await join()
      expect([after.story.join('; '), openPoints(after)]).toEqual([after.story.join('; '), []])
    }

    it.each(Object.keys(links))(
      '%s: finishes, or ends at the deadline naming who is missing',
      async (name) => {
        const ends = new Map<string, number>()
        let lost = 0
        const one = async (n: number): Promise<void> => {
          const { link, join } = await behind(n % 2 === 0 ? 'keygen' : 'sign', 40 + n)
          link.set(links[name] as Partial<LinkConditions>)
          const told = await join()
          for (const line of told.story) ends.set(line, (ends.get(line) ?? 0) + 1)
          lost += link.lost
          link.set({ delay: [0, 0], loss: 0, twice: 0 })
          await goesOn(told, join)
          await link.close()
        }
        await Promise.all(Array.from({ length: NIGHTLY ? 40 : 4 }, (_, n) => one(n)))
        report(`link, ${name}: ${lost} frames lost; ${[...ends].map(([line, n]) => `${n} × ${line}`).join('; ')}`)
        expect(lost > 0).toBe('loss' in (links[name] ?? {}))
      },
      600_000,
    )

    it('a site cut off for a while: finishes, or ends at the deadline naming it', async () => {
      const random = seeded(35)
      const ends = new Map<string, number>()
      const one = async (n: number): Promise<void> => {
        const { link, join } = await behind(n % 2 === 0 ? 'keygen' : 'sign', 50 + n)
        link.set({ delay: [5, 20] })
        const running = join()
        await pause(random() * 1000)
        link.cut(['eu'])
        await pause(n < 4 ? 1000 : 12_000)
        link.heal()
        const told = await running
        for (const line of told.story) ends.set(line, (ends.get(line) ?? 0) + 1)
        await goesOn(told, join)
        await link.close()
      }
      await Promise.all(Array.from({ length: NIGHTLY ? 40 : 8 }, (_, n) => one(n)))
      report(`link cut: ${[...ends].map(([line, n]) => `${n} × ${line}`).join('; ')}`)
    })
  })
})
