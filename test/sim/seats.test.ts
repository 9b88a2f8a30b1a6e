import { randomBytes } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { LONG, many } from '../support/report.ts'
import { describePlan, type Outcome, planOf, play, rivalPlan } from './seats.ts'

vi.mock('../../src/transport/channels.ts', () => import('./light-channels.ts'))

/** Runs, and most sites in one: by day small rooms, which leave most of the ways to fail in. */
const [RUNS, MOST] = [many(5, 20, 2000), LONG ? 9 : 6]
const SHARD = 5
/** SEATS_SEED=… plays that one alone. */
const one = process.env['SEATS_SEED']
const base = process.env['QUORATE_SEED'] ?? randomBytes(4).toString('hex')

/** Plays that did not hold once, and why. */
const FOUND = [
  ['1005 9', 6, 'honest coordinators proposed at once, again and again'],
  ['by day 19', 9, 'followers waited for a coordinator that let its turn pass'],
  ['684039773 17', 6, 'a lost message about a ledger was taken for a ledger that went back'],
  ['777311759 444', 9, 'one that proposed out of its turn cost the one whose turn it was an attempt, and itself none'],
] as const
const RIVALS_FOUND = [
  ['r 1021', 4, 'proposals that met cost the one whose turn it was'],
  ['r 2053', 5, 'a site was blamed for a proposal that had failed before it followed another'],
  ['r 2458', 5, 'a liar excused its silence by an attempt that it made afterwards'],
  ...(LONG
    ? ([['r 1183', 7, 'attempts that rest on each other were kept once for each way between them']] as const)
    : []),
] as const

const report = (outcome: Outcome): string => `${describePlan(outcome.plan)}\n  ${outcome.faults.join('\n  ')}`

describe(`an honest connected quorum signs within the bound, and names nobody honest (seed ${base})`, () => {
  it.runIf(one !== undefined)(`seed ${one}`, async () => {
    const outcome = await play(planOf(one as string, MOST))
    expect(outcome.faults, report(outcome)).toEqual([])
  })

  const shards = Array.from({ length: one === undefined ? RUNS / SHARD : 0 }, (_, at) => at * SHARD)
  it.each(shards)('runs from %d', async (first) => {
    const failed: string[] = []
    for (let run = first; run < first + SHARD; run++) {
      const outcome = await play(planOf(`${base} ${run}`, MOST))
      if (outcome.faults.length > 0) failed.push(`SEATS_SEED='${base} ${run}' ${report(outcome)}`)
    }
    expect(failed, failed.join('\n')).toEqual([])
  })
})

const races = Array.from({ length: one === undefined ? many(2, 20, 400) : 0 }, (_, at) => at)
it.each(races)(`signs beside coordinators that race, run %d (seed ${base})`, async (run) => {
  const outcome = await play(rivalPlan(`${base} ${run}`, LONG ? 7 : 5))
  expect(outcome.faults, report(outcome)).toEqual([])
})

it.each(RIVALS_FOUND)('beside coordinators that race, %s of %d: %s no more', async (seed, most) => {
  const outcome = await play(rivalPlan(seed, most))
  expect(outcome.faults, report(outcome)).toEqual([])
})

it.each(FOUND)('%s, of %d: %s no more', async (seed, most) => {
  const outcome = await play(planOf(seed, most))
  expect(outcome.faults, report(outcome)).toEqual([])
})

it('plays every size, threshold and habit', () => {
  const plans = Array.from({ length: 2000 }, (_, run) => planOf(`${base} ${run}`))
  const sizes = new Set(plans.map(({ sites, threshold }) => `${threshold} of ${sites}`))
  expect(sizes.size).toBe(36)
  expect(new Set(plans.flatMap(({ faulty }) => [...faulty.values()])).size).toBe(8)
  for (const { sites, threshold, faulty } of plans) expect(faulty.size).toBeLessThanOrEqual(sites - threshold)
})
