import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { systemRandom } from '../../src/host/random.ts'
import { claimHome } from '../../src/host/run-socket.ts'
import { localKms } from '../../src/kms/local.ts'
import { type Code, failAfter, mend } from '../matrix/faulty-fs.ts'
import { LONG } from '../support/report.ts'

vi.mock('node:fs/promises', async (load) => {
  const { faulty } = await import('../matrix/faulty-fs.ts')
  return faulty(await load())
})

/** What is left behind where a disk fails in the middle of work: nothing that the same work stumbles over afterwards. */

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quorate-left-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Runs `work` with the disk failing at each of its changes in turn, and `again` after each. Returns at how many. */
const atEach = async (code: Code, work: (n: number) => Promise<unknown>, again: (n: number) => Promise<unknown>) => {
  for (let n = 0; ; n++) {
    failAfter(n, code)
    await work(n).catch(() => undefined)
    const met = mend()
    await again(n)
    if (met === 0) return n
  }
}

test.each(['EIO', 'EROFS'] as const)('a local KMS key is whole or not there: %s', async (code) => {
  const context = { home: join(folder, 'home'), random: systemRandom }
  const pathOf = (n: number): string => join(folder, `${code} ${n}`, 'eu.key')
  const faults = await atEach(
    code,
    (n) => localKms.ensure(pathOf(n), context),
    async (n) => {
      await localKms.ensure(pathOf(n), context)
      await localKms.open(pathOf(n), context)
    },
  )
  expect(faults).toBeGreaterThan(4)
})

/** A turn that nobody could end is waited for. */
test.runIf(LONG).each(['EIO', 'EROFS'] as const)(
  'a home that could not be claimed is claimed by the next: %s',
  async (code) => {
    const faults = await atEach(
      code,
      async () => (await claimHome(folder)).release(),
      async () => (await claimHome(folder)).release(),
    )
    expect(faults).toBeGreaterThan(1)
  },
)
