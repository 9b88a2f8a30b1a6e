import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../../src/host/clock.ts'
import type { Hash, Identity } from '../../src/lib/brand.ts'
import type { Definition } from '../../src/records/definition.ts'
import { type Rehearsal, rehearse } from '../../src/rehearsal/rehearse.ts'
import { memoryHome } from '../support/home.ts'

/** Inside of the window of test definitions. */
export const NOW = 1_790_000_000_000

export const rehearsal = (wanted: {
  readonly definition: Definition
  readonly seed?: string
  readonly now?: number
  readonly message?: Uint8Array
  readonly faults?: readonly string[]
}): Promise<Rehearsal> =>
  rehearse({
    definition: wanted.definition,
    seed: wanted.seed ?? 'seed',
    faults: wanted.faults ?? [],
    message: wanted.message,
    build: 'b1'.repeat(32) as Hash,
    runtime: 'node 20.20.2',
    clock: { ...systemClock, now: () => wanted.now ?? NOW },
    stopwatch: () => performance.now(),
  })

export const approverIdentities = (count: number): Promise<Identity[]> =>
  Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const { home } = await memoryHome(`approver-of-${at}`, { role: 'approver' })
      return home.identity
    }),
  )

/** Every file under a folder, by its path: bytes as hex, and when it was last written. */
export const filesUnder = async (folder: string): Promise<Readonly<Record<string, string>>> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const told = files.map(async (path) => {
    const { mtimeMs } = await stat(path)
    return [path, `${(await readFile(path)).toString('hex')} ${mtimeMs}`] as const
  })
  return Object.fromEntries((await Promise.all(told)).sort(([a], [b]) => (a < b ? -1 : 1)))
}
