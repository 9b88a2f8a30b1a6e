import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { dice } from '../fuzz/mutate.ts'
import { NIGHTLY, report, SEED } from '../support/report.ts'
import { type Code, failAfter, mend } from './faulty-fs.ts'
import { changes, restore, type Snapshot, snapshot } from './homes.ts'
import { runLine } from './line.ts'
import { type Line, rightLines } from './lines.ts'
import { expectNone, faultsOf, run } from './run.ts'
import { makeWorld, type World } from './world.ts'

vi.mock('node:fs/promises', async (load) => {
  const { faulty } = await import('./faulty-fs.ts')
  return faulty(await load())
})
vi.mock('../../src/lib/scrypt.ts', async (load) => (await import('../support/cheap-scrypt.ts')).cheapScrypt(load))

let world: World
let before: Snapshot
beforeAll(async () => {
  if (!NIGHTLY) return
  world = await makeWorld()
  before = snapshot(world.folder)
})
afterAll(() => world?.remove())

/** Exits after which an operator runs the same command again, or that it had anyway. */
const allowed = (exit: number, right: number): boolean => [right, 2, 5].includes(exit)
/** Joins meet their disks in test/faults/crash.test.ts; the others of these do not write, or have processes of their own. */
const ELSEWHERE = /join$|^(?:demo|relay|help|completion)/

/** By night: every write of every command under a fault takes longer than a long suite may. */
test.runIf(NIGHTLY)(
  'a disk that fails at any write loses nothing, and the same command goes on afterwards',
  async () => {
    const d = dice(SEED)
    const codes: readonly Code[] = ['ENOSPC', 'EIO', 'EROFS']
    const all: string[] = []
    let met = 0
    const play = async (line: Line, after: number, code: Code, right: number): Promise<boolean> => {
      const name = `${line.command.id} (${line.about}), ${code} after ${after} changes`
      failAfter(after, code)
      const ended = await run(line)
      const failed = mend()
      met += failed
      for (const fault of faultsOf(ended)) all.push(`${name}: ${fault}`)
      if (!allowed(ended.exit, right)) all.push(`${name}: exit ${ended.exit} ${ended.stderr}`)
      if (failed > 0) {
        const keys = await runLine('keys list', ['--home', world.at('eu')])
        if (keys.exit !== 0 || /cannot be used/.test(keys.stdout)) all.push(`${name}: a key is gone`)
        const again = await run(line)
        for (const fault of faultsOf(again)) all.push(`${name}, again: ${fault}`)
        // A file that was made before the fault is there, and is not made twice.
        if (again.exit !== right && again.fault?.code !== 'E_EXISTS')
          all.push(`${name}, again: exit ${again.exit} ${again.stderr}`)
      }
      restore(world.folder, before)
      return failed > 0
    }
    for (const line of rightLines(world).filter(({ command: { id } }) => !ELSEWHERE.test(id))) {
      const { exit } = await run(line)
      const writes = changes(before, snapshot(world.folder, before)).length > 0
      restore(world.folder, before)
      if (!writes) continue
      for (let after = 0; ; after++) if (!(await play(line, after, d.pick(codes), exit))) break
    }
    report(`disks: ${met} faults met`)
    expect(met).toBeGreaterThan(20)
    expectNone(all)
  },
)
