import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { bundlePath } from '../../src/ceremony/paths.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import { verifyHistory } from '../../src/site/history.ts'
import { copyWorld } from '../support/memory-site.ts'
import { approveAll } from './ceremonies.ts'
import { diskOf, joinTogether } from './refreshes.ts'
import { keyOwners } from './reshares.ts'

/** A repair makes no new share: the shares, and the lost one that still counts with them, are as old as before. */
it('a repair makes no share younger', async () => {
  const [eu, us, ap, spare] = ['eu', 'us', 'ap', 'spare'] as [SiteId, SiteId, SiteId, SiteId]
  const owners = await keyOwners([eu, us, ap], [spare])
  const made = owners.world.clock.now()
  const world = await copyWorld(owners.world, 'age')
  await world.clock.sleep(20 * 60_000)
  const definition = await owners.repair(ap, spare)
  await approveAll(world, [eu, us, spare], definition)
  const [end] = await joinTogether(world, [eu, us, spare], definition)
  if (end?.error !== undefined) throw end.error
  const now = world.clock.now()
  expect(now - made).toBeGreaterThan(15 * 60_000)
  const folder = await mkdtemp(join(tmpdir(), 'age-'))
  try {
    const paths = [bundlePath(ceremonyId(owners.keygen), 'keygen'), end?.result?.bundle ?? '']
    for (const [at, path] of paths.entries())
      await writeFile(join(folder, `${at}.bundle`), (await diskOf(world, eu).read(path)) ?? expect.fail(path))
    const wanted = { folder, trust: undefined, trustStated: true, at: undefined, require: [], now }
    const { keys, verdict } = await verifyHistory({ ...wanted, maxAge: 10 / (24 * 60) })
    expect(verdict).toBe('valid')
    expect(keys.map(({ epochs }) => epochs.map(({ kind }) => kind))).toEqual([['keygen', 'repair']])
    // No share of this key was made in the last quarter of an hour.
    expect(keys.map(({ overdue }) => overdue)).toEqual([true])
  } finally {
    await rm(folder, { recursive: true })
  }
})
