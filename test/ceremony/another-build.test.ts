import { expect, it } from 'vitest'
import { buildsOf } from '../../src/audit/builds.ts'
import { readBundle } from '../../src/audit/bundle.ts'
import { bufferSource } from '../../src/audit/tar.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { warningOf } from '../../src/cli/progress.ts'
import { buildsWarning } from '../../src/cli/render/audit.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { approveIn, memorySite, memoryWorld, startJoin } from '../support/memory-site.ts'

it('a site whose build is another is named once at each of the others, which it names as well', async () => {
  const names = ['eu', 'us', 'ap']
  const world = await memoryWorld(names)
  const definition = await keygenDefinition({ sites: await siteEntries(names) })
  for (const name of names) await approveIn(world, name, definition)
  const { machine } = await memorySite(world, 'ap')
  const joins = await Promise.all(
    names.map((name) =>
      startJoin(
        world,
        name,
        definition,
        null,
        name === 'ap' ? { machine: { ...machine, build: 'c2'.repeat(32) as Hash } } : {},
      ),
    ),
  )
  const [joined] = await Promise.all(joins.map(({ done }) => done))
  const warnings = joins.map(({ events }) => events.flatMap((event) => warningOf(event) ?? []).sort())
  const [same, other] = ['b1'.repeat(8), 'c2'.repeat(8)]
  expect(warnings).toEqual([
    [`ap runs another build: ${other}, here ${same}`],
    [`ap runs another build: ${other}, here ${same}`],
    [`eu runs another build: ${same}, here ${other}`, `us runs another build: ${same}, here ${other}`],
  ])

  const disk = world.homes.get('eu')?.disk
  const bundle = await readBundle(bufferSource((await disk?.read(joined?.bundle ?? '')) ?? new Uint8Array()))
  const report = await verifyBundle(bundle, { trust: 'stated', evidence: protocolEvidence })
  expect(report.builds.map(({ sites, build }) => [sites, build])).toEqual([
    [['eu', 'us'], 'b1'.repeat(32)],
    [['ap'], 'c2'.repeat(32)],
  ])
  expect(buildsWarning(report.builds)).toBe(`sites state different builds: eu, us ${same}; ap ${other}`)
  expect(buildsWarning(report.builds.slice(1))).toBe(undefined)
})

it('sites in one cloud that reach it by other code are named; those in other clouds are not', () => {
  const [build, runtime] = ['b1'.repeat(32) as Hash, 'node 20.20.2']
  const stated = (site: string, provider: string, sdk: string) => ({
    ...{ site: site as SiteId, build, runtime },
    sdks: [{ provider, build: sdk.repeat(32) as Hash }],
  })
  const apart = buildsOf([stated('eu', 'aws-kms', 'aa'), stated('us', 'gcp-kms', 'cc')])
  expect(buildsWarning(apart)).toBe(undefined)
  const differing = buildsOf([
    stated('eu', 'aws-kms', 'aa'),
    stated('us', 'gcp-kms', 'cc'),
    stated('ap', 'aws-kms', 'ab'),
  ])
  expect(buildsWarning(differing)).toBe(
    `sites state different builds: eu aws-kms ${'aa'.repeat(8)}; ap aws-kms ${'ab'.repeat(8)}`,
  )
  const together = buildsOf([stated('eu', 'aws-kms', 'aa'), stated('us', 'aws-kms', 'aa')])
  expect([together.map(({ sites }) => sites), buildsWarning(together)]).toEqual([[['eu', 'us']], undefined])
})
