import { beforeAll, describe, expect, it } from 'vitest'
import type { JoinControl } from '../../src/ceremony/store/ceremony.ts'
import type { Hash, Index, SiteId } from '../../src/lib/brand.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { lagrange } from '../../src/mpc/frost/polynomial.ts'
import { suiteOf } from '../../src/mpc/frost/suite.ts'
import type { Scalar } from '../../src/mpc/group/group.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { shardStore } from '../../src/shards/store.ts'
import { memoryKms } from '../support/kms.ts'
import type { MemoryWorld } from '../support/memory-site.ts'
import { copyDisk, copyWorld } from '../support/memory-site.ts'
import { repairOf } from '../support/reshares.ts'
import { approveAll, type JoinChanges, joinAs } from './ceremonies.ts'
import { deadlines, diskOf, joinTogether, said, stoppedAt } from './refreshes.ts'
import { keyOwners, type Owners } from './reshares.ts'

/**
 * No machine may ever be given two shares of one polynomial: with t = 2 a single lying machine would hold the key. A repair
 * changes no share, so all repairs since the last keygen, refresh or reshare are of one polynomial.
 */

const eu = 'eu' as SiteId
const us = 'us' as SiteId
const ap = 'ap' as SiteId
const spare = 'spare' as SiteId
let owners: Owners
beforeAll(async () => {
  owners = await keyOwners([eu, us, ap], [spare, 'other' as SiteId])
})

/** Every share that a machine's disks can open, by index; what a thief at that machine has. */
const sharesOn = async (name: SiteId, disks: readonly MemoryDisk[]): Promise<ReadonlyMap<Index, Uint8Array>> => {
  const found = new Map<Index, Uint8Array>()
  for (const disk of disks)
    for (const { key, outcome, core, envelope, state } of await shardStore(disk).list()) {
      if (state === 'retired') continue
      const share = await shardStore(disk).reopen(key, outcome, envelope as Hash, [memoryKms(name)])
      found.set(core.index, share.reveal().slice())
    }
  return found
}

/** The public key of the secret that these shares give by interpolation. */
const keyFrom = (shares: ReadonlyMap<Index, Uint8Array>): string => {
  const { group } = suiteOf('frost-ed25519')
  const members = [...shares.keys()]
  const secret = members
    .map((index) => {
      const share = group.field.decode(shares.get(index) as Uint8Array) as Scalar
      return group.field.multiply(lagrange(group.field, index, members, 0), share)
    })
    .reduce((a, b) => group.field.add(a, b))
  return toHex(group.encode(group.timesBase(secret)))
}

const leaves: JoinChanges = { control: (given: JoinControl) => void given.abort('it failed').catch(() => undefined) }

const publicKeyOf = async (world: MemoryWorld): Promise<string> =>
  ((await shardStore(diskOf(world, eu)).list())[0] ?? expect.fail()).made.publicKey

describe('one lying machine', () => {
  it('that was mended away is not given a second share in another place', async () => {
    const world = await copyWorld(owners.world, 'mended away')
    const first = await owners.repair(ap, spare)
    await approveAll(world, [eu, us, spare], first)
    expect((await joinTogether(world, [eu, us, spare], first)).map(said)).toEqual(['closed', 'closed', 'closed'])
    // ap was not lost at all: it lies, keeps its share aside, and is offered as a machine in the place of us.
    const disk = diskOf(world, ap)
    const kept = await copyDisk(disk)
    for (const path of [...disk.files.keys()]) if (path.startsWith('keys/')) disk.files.delete(path)
    const second = { ...(await repairOf(world, first, us, ap)), deadlines, attempts: 8 }
    await approveAll(world, [eu, ap, spare], second)
    await joinTogether(world, [eu, ap, spare], second)
    const shares = await sharesOn(ap, [kept, disk])
    expect(keyFrom(shares), 'one machine can make the key').not.toBe(await publicKeyOf(world))
    expect([...shares.keys()]).toEqual([3])
  })

  it('that got a share in a repair which failed is not given another one', async () => {
    const world = await copyWorld(owners.world, 'failed')
    const first = await owners.repair(ap, spare)
    await approveAll(world, [eu, us, spare], first)
    // The mended machine falls silent once it has sealed what it got; the others have not voted, and leave.
    await Promise.all(
      [eu, us, spare].map((name) =>
        joinAs(world, name, first, null, undefined, name === spare ? stoppedAt('staged', 1) : {}),
      ),
    )
    const kept = await copyDisk(diskOf(world, spare))
    await Promise.all([eu, us].map((name) => joinAs(world, name, first, null, undefined, leaves)))
    // The site that was missed is back, and another one is lost: the same spare machine takes its place.
    const disk = diskOf(world, spare)
    for (const path of [...disk.files.keys()]) if (path.startsWith('keys/')) disk.files.delete(path)
    const second = await owners.repair(us, spare, '22'.repeat(16))
    await approveAll(world, [eu, ap, spare], second)
    await joinTogether(world, [eu, spare, ap], second)
    const shares = await sharesOn(spare, [kept, disk])
    expect(keyFrom(shares), 'one machine can make the key').not.toBe(await publicKeyOf(world))
    expect([...shares.keys()]).toEqual([3])
  })
})
