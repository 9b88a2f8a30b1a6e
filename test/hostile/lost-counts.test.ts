import { expect, it } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { open } from '../support/bundles.ts'
import { copyWorld } from '../support/memory-site.ts'
import { approveAll, joinAs } from './ceremonies.ts'
import { diskOf, stoppedAt } from './refreshes.ts'
import { keyOwners } from './reshares.ts'

/** PROTOCOL §8: the old epoch is retired once n−t+1 old sites said so. The lost site held a share of it too. */
it('the old copies of a repair are not said to be too few while the lost one and another make a quorum', async () => {
  const [eu, us, ap, spare] = ['eu', 'us', 'ap', 'spare'] as [SiteId, SiteId, SiteId, SiteId]
  const owners = await keyOwners([eu, us, ap], [spare])
  const definition = await owners.repair(ap, spare)
  const world = await copyWorld(owners.world, 'retired')
  await approveAll(world, [eu, us, spare], definition)
  const ends = await Promise.all(
    [eu, us, spare].map((name) =>
      joinAs(world, name, definition, null, undefined, name === us ? stoppedAt('installed', 2) : {}),
    ),
  )
  const end = ends.find(({ site }) => site === eu)
  if (end?.error !== undefined) throw end.error
  const bytes = (await diskOf(world, eu).read(end?.result?.bundle ?? '')) ?? expect.fail('no bundle')
  const report = await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
  const retired = report.checks.find(({ id }) => id === 'votes.retired')
  expect(retired?.verdict).toBe('open')
})
