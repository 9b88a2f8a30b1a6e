import { describe, expect, it } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { bundlePath } from '../../src/ceremony/paths.ts'
import type { JoinControl } from '../../src/ceremony/store/ceremony.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import { open } from '../support/bundles.ts'
import { copyWorld } from '../support/memory-site.ts'
import { approveAll, joinAs } from './ceremonies.ts'
import { diskOf, said, stoppedAt } from './refreshes.ts'
import { keyOwners, type Owners } from './reshares.ts'

/**
 * A site that held no share of the epoch before has never seen its record: where those who have are gone when it closes,
 * its own bundle lacks their logs. That is an incomplete bundle, and accuses nobody (PROTOCOL §6: one predicate a record;
 * never a false accusation).
 */

const old = ['eu', 'us', 'ap'] as SiteId[]
const [eu, us, ap] = old as [SiteId, SiteId, SiteId]
const next = ['sa', 'af', 'me'] as SiteId[]
const [sa] = next as [SiteId]

const alone = async (
  owners: Owners,
  definition: Definition,
  gone: readonly SiteId[],
  stop: { step: string; got: number },
): Promise<void> => {
  const world = await copyWorld(owners.world, `${definition.kind} ${stop.step} ${stop.got}`)
  const who = definition.sites.map(({ name }) => name)
  await approveAll(world, who, definition)
  const ends = await Promise.all(
    who.map((name) =>
      joinAs(world, name, definition, null, undefined, gone.includes(name) ? stoppedAt(stop.step, stop.got) : {}),
    ),
  )
  const left = ends.filter(({ site }) => !gone.includes(site))
  let seen = 0
  for (const end of left) {
    const path = end.result?.bundle ?? bundlePath(ceremonyId(definition), 'abort')
    const bytes = await diskOf(world, end.site).read(path)
    if (bytes === undefined) continue
    seen++
    const report = await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
    expect({
      end: said(end),
      verdict: report.verdict,
      fails: report.checks.filter(({ verdict }) => verdict === 'fails').map(({ id, reason }) => `${id}: ${reason}`),
    }).toEqual({ end: said(end), verdict: 'incomplete', fails: [] })
  }
  expect(seen).toBeGreaterThan(0)
}

describe('the bundle of a site that never held a share of the epoch before, and is left alone', () => {
  it.each([
    { step: 'installed', got: 3 },
    { step: 'retired', got: 2 },
  ])('is not invalid: the mended site, the others stopped at $step', async (stop) => {
    const owners = await keyOwners(old, next)
    await alone(owners, await owners.repair(ap, sa), [eu, us], stop)
  })

  it('is not invalid: the new sites of a reshare, all old ones stopped', async () => {
    const owners = await keyOwners(old, next)
    await alone(owners, await owners.reshare({ sites: next }), old, { step: 'installed', got: 3 })
  })
})

describe('the abort bundle of a site that never held a share of the epoch before', () => {
  it.each(['repair', 'reshare'] as const)(
    'is not invalid: a %s that an old site left in the middle of an attempt',
    async (kind) => {
      const owners = await keyOwners(old, next)
      const definition = kind === 'repair' ? await owners.repair(ap, sa) : await owners.reshare({ sites: [eu, us, sa] })
      const world = await copyWorld(owners.world, `abort ${kind}`)
      const who = definition.sites.map(({ name }) => name)
      await approveAll(world, who, definition)
      let control: JoinControl | undefined
      const ends = await Promise.all(
        who.map((name) =>
          joinAs(
            world,
            name,
            definition,
            null,
            undefined,
            name === eu
              ? {
                  control: (given) => {
                    control = given
                  },
                  progress: (event) => {
                    if (event.phase === 'step' && event.step === 'staged')
                      void control?.abort('no').catch(() => undefined)
                  },
                }
              : {},
          ),
        ),
      )
      expect(ends.map(said)).toContain('E_ABORTED')
      const verdicts: unknown[] = []
      for (const name of who) {
        const bytes = await diskOf(world, name).read(bundlePath(ceremonyId(definition), 'abort'))
        const report = bytes && (await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence }))
        verdicts.push([
          name,
          report?.verdict,
          report?.checks.filter(({ verdict }) => verdict === 'fails').map(({ id, reason }) => `${id}: ${reason}`),
        ])
      }
      expect(verdicts).toEqual(who.map((name) => [name, expect.not.stringMatching('invalid'), []]))
    },
  )
})
