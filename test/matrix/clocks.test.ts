import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { many, report, SEED } from '../support/report.ts'
import { restore, type Snapshot, snapshot } from './homes.ts'
import { runLine } from './line.ts'
import { type Line, rightLines } from './lines.ts'
import { expectNone, faultsOf, run } from './run.ts'
import { makeWorld, type World } from './world.ts'

/** A machine whose clock is wrong: it was never set, it overflows, somebody mistyped the year, it jumps while a command runs. */
const clocks: Readonly<Record<string, () => number>> = {
  'is before its beginning': () => -1,
  'is at its beginning': () => 0,
  'is before the window': () => Date.parse('2001-09-09T01:46:40Z'),
  'is at the end of 32 bits': () => 2 ** 31 * 1000,
  'is far ahead': () => Date.parse('9999-12-31T23:59:59Z'),
  'is at the last date that there is': () => 8.64e15,
  'runs backwards': (
    (at) => () =>
      (at -= 3_600_000)
  )(Date.now()),
  'jumps ahead': (
    (at) => () =>
      (at += 86_400_000)
  )(Date.now()),
}

vi.mock('../../src/lib/scrypt.ts', async (load) => (await import('../support/cheap-scrypt.ts')).cheapScrypt(load))

let world: World
let before: Snapshot
beforeAll(async () => {
  world = await makeWorld()
  before = snapshot(world.folder)
})
afterAll(() => world.remove())
afterEach(() => vi.restoreAllMocks())

test.each(Object.keys(clocks))('a clock that %s', async (name) => {
  const lines: readonly Line[] = rightLines(world).filter(
    ({ command: { id } }) => !/^(?:demo|help|completion)/.test(id),
  )
  const all: string[] = []
  let count = 0
  for (const [n, line] of lines.entries()) {
    // Joins wait for others. By day every third of the rest, other ones at each run.
    const every = /join$/.test(line.command.id) ? many(8, 8, 1) : many(3, 3, 1)
    if ((n + SEED) % every !== 0) continue
    const told = `${line.command.id} (${line.about})`
    vi.spyOn(Date, 'now').mockImplementation(clocks[name] as () => number)
    const ended = await run(line)
    vi.restoreAllMocks()
    count += 1
    for (const fault of faultsOf(ended)) all.push(`${told}: ${fault}`)
    // Whoever sets the clock right finds a home that works.
    for (const [id, argv] of [
      ['keys list', []],
      ['keygen status', ['--definition', world.ceremonies.pending.file, '--offline']],
    ] as const) {
      const after = await runLine(id, ['--home', world.at('eu'), ...argv])
      if (after.exit !== 0) all.push(`${told}, and then ${id}: ${after.stderr}`)
    }
    restore(world.folder, before)
  }
  report(`clocks: ${name}, ${count} lines`)
  expect(count).toBeGreaterThan(0)
  expectNone(all)
})
