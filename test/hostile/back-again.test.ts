import { beforeAll, describe, expect, it } from 'vitest'
import { recordsToName } from '../../src/ceremony/epoch/rivals.ts'
import type { Hash, Index, SiteId } from '../../src/lib/brand.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { lagrange } from '../../src/mpc/frost/polynomial.ts'
import { suiteOf } from '../../src/mpc/frost/suite.ts'
import type { Scalar } from '../../src/mpc/group/group.ts'
import type { Definition } from '../../src/records/definition.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { shardStore } from '../../src/shards/store.ts'
import { refreshDefinition, siteEntries } from '../support/definition.ts'
import { memoryKms } from '../support/kms.ts'
import { copyDisk, copyWorld, type MemoryWorld, memorySite } from '../support/memory-site.ts'
import { approveAll, joinAs } from './ceremonies.ts'
import { deadlines, diskOf, heldAt, joinTogether, said, stoppedAt } from './refreshes.ts'
import { keyOwners, type Owners } from './reshares.ts'

/**
 * A repair that supersedes an undecided refresh, which comes true after all: its staged shards are the shares of the epoch
 * that the refresh destroyed.
 */

const [eu, us, ap, spare] = ['eu', 'us', 'ap', 'spare'] as [SiteId, SiteId, SiteId, SiteId]
let owners: Owners
let stolen: MemoryDisk
let world: MemoryWorld
let repair: Definition
beforeAll(async () => {
  owners = await keyOwners([eu, us, ap], [spare])
  world = await copyWorld(owners.world, 'back again')
  // A thief has a copy of ap's home, and may open its share: that is why the key is refreshed.
  stolen = await copyDisk(diskOf(world, ap))
  const [{ key = expect.fail(), record = undefined } = {}] = await shardStore(stolen).list()
  void record
  const refresh = await refreshDefinition({
    ...{ sites: await siteEntries([eu, us, ap]), threshold: 2, key: key as Hash, deadlines, attempts: 8 },
    base: (await owners.repair(ap, spare)).base,
  })
  await approveAll(world, [eu, us, ap], refresh)
  // ap loses power just before its vote, and is taken for lost.
  await Promise.all(
    [eu, us, ap].map((name) =>
      joinAs(world, name, refresh, null, undefined, name === ap ? stoppedAt('proven', 3) : {}),
    ),
  )
  const supersedes = [...(await recordsToName(await memorySite(world, eu), key as Hash))]
  expect(supersedes).toHaveLength(1)
  repair = { ...(await owners.repair(ap, spare)), supersedes }
  await approveAll(world, [eu, us, spare], repair)
  await Promise.all(
    [eu, us, spare].map((name) =>
      joinAs(world, name, repair, null, undefined, name === spare ? stoppedAt('proven', 3) : {}),
    ),
  )
  // ap is back: the refresh comes true, and all three say that their share of epoch 1 is destroyed.
  expect((await joinTogether(world, [eu, us, ap], refresh)).map(said)).toEqual(['closed', 'closed', 'closed'])
})

const share = async (name: SiteId, disk: MemoryDisk, which: (epoch: number, kind: string) => boolean) => {
  for (const { key, outcome, core, envelope, state } of await shardStore(disk).list())
    if (state !== 'retired' && which(core.epoch, core.kind))
      return [
        core.index,
        (await shardStore(disk).reopen(key, outcome, envelope, [memoryKms(name)])).reveal().slice(),
      ] as const
  return undefined
}

describe('a refresh that all sites closed', () => {
  it('has made the old shares worthless: a stolen one and one more site do not make the key', async () => {
    const { group } = suiteOf('frost-ed25519')
    const { field } = group
    const held = [
      (await share(ap, stolen, (epoch) => epoch === 1)) ?? expect.fail('nothing was stolen'),
      await share(eu, diskOf(world, eu), (_epoch, kind) => kind !== 'refresh'),
    ]
    const [, second] = held
    // Where nothing of epoch 1 is left at eu, there is nothing to try.
    if (second === undefined) return
    const both = held as (readonly [Index, Uint8Array])[]
    const members = both.map(([index]) => index)
    const secret = both
      .map(([index, bytes]) => field.multiply(lagrange(field, index, members, 0), field.decode(bytes) as Scalar))
      .reduce((a, b) => field.add(a, b))
    const { publicKey } = ((await shardStore(diskOf(world, eu)).list())[0] ?? expect.fail()).made
    expect(toHex(group.encode(group.timesBase(secret))), 'the thief has the key').not.toBe(publicKey)
  })

  it('is not taken back by a repair that comes true later: ap keeps a share that others sign with', async () => {
    const ends = await joinTogether(world, [eu, us, spare], repair)
    expect(await heldAt(world, ap)).toEqual(['1 retired', '2 installed'])
    expect([ends.map(said), await heldAt(world, eu)]).toEqual([
      expect.not.arrayContaining(['closed']),
      ['1 retired', '2 installed'],
    ])
  })
})
