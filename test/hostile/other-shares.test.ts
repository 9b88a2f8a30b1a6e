import { expect, it, vi } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import type { Index, SiteId } from '../../src/lib/brand.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import { lagrange } from '../../src/mpc/frost/polynomial.ts'
import { suiteOf } from '../../src/mpc/frost/suite.ts'
import type { Scalar } from '../../src/mpc/group/group.ts'
import { shardStore } from '../../src/shards/store.ts'
import { open } from '../support/bundles.ts'
import { memoryKms } from '../support/kms.ts'
import { copyWorld } from '../support/memory-site.ts'
import { approveAll } from './ceremonies.ts'
import { deadlines, diskOf, epochsAt, joinTogether } from './refreshes.ts'
import { keyOwners } from './reshares.ts'

/**
 * "Public key and verifying shares of the new outcome are those of the base" (docs/adr/0034): a repair of which the
 * definition says other verifying shares, of the same public key, is not one. Here all sites collude: no honest one would
 * approve it, but `audit verify` has the base's outcome and does not look.
 */

const shares = vi.hoisted(() => ({ of: undefined as ((name: string) => Uint8Array) | undefined }))
vi.mock('../../src/ceremony/definition/lint-key.ts', async (original) => ({
  ...(await original<object>()),
  lintLostSite: () => [],
}))
vi.mock('../../src/ceremony/epoch/epoch.ts', async (original) => {
  const real = await original<typeof import('../../src/ceremony/epoch/epoch.ts')>()
  return {
    ...real,
    openShare: (...given: Parameters<typeof real.openShare>) =>
      shares.of === undefined ? real.openShare(...given) : Promise.resolve(new Secret(shares.of(given[0].seat.name))),
  }
})

it('a repair that says other verifying shares than the epoch that it builds on is not valid', async () => {
  const old = ['eu', 'us', 'ap'] as SiteId[]
  const spare = 'spare' as SiteId
  const owners = await keyOwners(old, [spare])
  const { group } = suiteOf('frost-ed25519')
  const { field } = group
  const held = await Promise.all(
    old.slice(0, 2).map(async (name) => {
      const store = shardStore(diskOf(owners.world, name))
      const [epoch = expect.fail()] = await store.list()
      const share = await store.reopen(epoch.key, epoch.outcome, epoch.envelope, [memoryKms(name)])
      return field.decode(share.reveal().slice()) as Scalar
    }),
  )
  const members = [1, 2] as Index[]
  // The same value at 0, another slope: twice f less its value at 0.
  const secret = held
    .map((share, at) => field.multiply(lagrange(field, members[at] as Index, members, 0), share))
    .reduce((a, b) => field.add(a, b))
  const slope = field.subtract(held[1] as Scalar, held[0] as Scalar)
  const twice = field.add(slope, slope)
  const at = (index: number): Scalar =>
    Array.from({ length: index }).reduce<Scalar>((sum) => field.add(sum, twice), secret)
  const honest = await owners.repair('ap' as SiteId, spare)
  const verifyingShares = [1, 2, 3].map((index) => toHex(group.encode(group.timesBase(at(index)))))
  expect(verifyingShares).not.toEqual(honest.from.verifyingShares)
  const definition = { ...honest, deadlines, from: { ...honest.from, verifyingShares } } as typeof honest
  shares.of = (name) => field.encode(at(['eu', 'us'].indexOf(name) + 1)).slice()
  const world = await copyWorld(owners.world, 'other shares')
  const who = ['eu', 'us', spare] as SiteId[]
  await approveAll(world, who, definition)
  const ends = await joinTogether(world, who, definition)
  for (const { error } of ends) if (error !== undefined) throw error
  const path = ends[0]?.result?.bundle ?? expect.fail('no bundle')
  const bytes = (await diskOf(world, 'eu' as SiteId).read(path)) ?? expect.fail('no bundle')
  const [before, after] = await epochsAt(world, 'eu' as SiteId)
  expect(after?.made.verifyingShares).not.toEqual(before?.made.verifyingShares)
  const report = await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
  expect(report.verdict).not.toBe('valid')
})
