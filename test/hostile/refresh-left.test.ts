import { beforeAll, describe, expect, it } from 'vitest'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Definition } from '../../src/records/definition.ts'
import { signDefinition } from '../support/definition.ts'
import type { MemoryWorld } from '../support/memory-site.ts'
import { inTurn } from '../support/report.ts'
import { approveAll, joinAs } from './ceremonies.ts'
import {
  caseOf,
  deadlines,
  diskOf,
  epochsAt,
  folderAt,
  heldAt,
  joinTogether,
  type KeyHolders,
  keyHolders,
  recordHash,
  said,
  stoppedAt,
} from './refreshes.ts'

/** A refresh that something stopped on its way: each site can go on, and no old share stays behind. */

const names = ['eu', 'us', 'ap'] as SiteId[]
const [eu, us] = names as [SiteId, SiteId]
let holders: KeyHolders
let one: Definition
beforeAll(async () => {
  holders = await keyHolders(names)
  one = await holders.refresh({ nonce: '11'.repeat(16) })
})

const closed = names.map(() => 'closed')

const begun = async (seed: string): Promise<MemoryWorld> => {
  const world = await caseOf(holders, seed)
  await approveAll(world, names, one)
  return world
}

const stopAll = async (world: MemoryWorld, step: string, got: number): Promise<void> => {
  await Promise.all(names.map((name) => joinAs(world, name, one, null, undefined, stoppedAt(step, got))))
}

const nextOf = async (world: MemoryWorld): Promise<Definition> => {
  const newest = (await epochsAt(world, eu)).at(-1) ?? expect.fail()
  return holders.refresh({ nonce: '33'.repeat(16), base: recordHash(newest), epoch: newest.core.epoch + 1 })
}

const signWith = async (world: MemoryWorld, signers: readonly SiteId[], base?: Hash) => {
  const newest = (await epochsAt(world, eu)).at(-1) ?? expect.fail()
  const message = utf8('pay nobody')
  const definition = await signDefinition({
    sites: one.sites,
    key: holders.key,
    base: base ?? recordHash(newest),
    deadlines,
    signers: [...signers] as never,
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
  })
  await approveAll(world, signers, definition)
  return joinTogether(world, signers, definition, message)
}
const damage = async (world: MemoryWorld, part: string): Promise<void> => {
  const path = `${await folderAt(world, eu, 1)}/${part}`
  expect(diskOf(world, eu).files.has(path)).toBe(true)
  diskOf(world, eu).files.set(path, utf8('damaged'))
}

/** Nobody can open the share of an epoch any more. */
const isDestroyed = async (world: MemoryWorld, folder: string): Promise<void> => {
  for (const part of ['shard', 'slots']) expect(diskOf(world, eu).files.has(`${folder}/${part}`)).toBe(false)
}

const parts = inTurn(['shard', 'slots', 'outcome', 'record', 'votes'], 1)

describe('a refresh that was left', () => {
  it('before the receipts is finished after the next one, which destroys the first shares too', async () => {
    const world = await begun('left installed')
    await stopAll(world, 'installed', 1)
    for (const name of names) expect(await heldAt(world, name)).toEqual(['1 installed', '2 installed'])
    const next = await nextOf(world)
    await approveAll(world, names, next)
    expect((await joinTogether(world, names, next)).map(said)).toEqual(closed)
    for (const name of names) expect(await heldAt(world, name)).toEqual(['1 retired', '2 retired', '3 installed'])
    const ends = await joinTogether(world, names, one)
    expect(ends.map(said)).toEqual(closed)
    for (const { result } of ends) expect(result?.open).toEqual([])
    for (const name of names) expect(await heldAt(world, name)).toEqual(['1 retired', '2 retired', '3 installed'])
  })

  it('before the receipts destroys nothing at a site that comes back alone, however often', async () => {
    const world = await begun('back alone')
    await stopAll(world, 'installed', 1)
    for (let join = 1; join <= 2; join++) {
      expect(await joinAs(world, eu, one, null)).toMatchObject({ error: { code: 'E_NOT_FINISHED' } })
      expect(await heldAt(world, eu)).toEqual(['1 installed', '2 installed'])
    }
    expect((await joinTogether(world, names, one)).map(said)).toEqual(closed)
  })

  it('before the receipts destroys no old share for a new one that is damaged', async () => {
    const world = await begun('damaged newer')
    await stopAll(world, 'installed', 1)
    diskOf(world, eu).files.set(`${await folderAt(world, eu, 2)}/slots`, utf8('damaged'))
    expect((await joinTogether(world, names, one))[0]).toMatchObject({ error: { code: 'E_SHARD' } })
    expect(await heldAt(world, eu)).toEqual(['1 installed'])
  })

  it.each(parts)('before the receipts is finished although the %s of the replaced epoch is damaged', async (part) => {
    const world = await begun(`installed ${part}`)
    await stopAll(world, 'installed', 1)
    const folder = await folderAt(world, eu, 1)
    await damage(world, part)
    expect((await joinTogether(world, names, one)).map(said)).toEqual(closed)
    await isDestroyed(world, folder)
    expect((await signWith(world, [eu, us])).map(said)).toEqual(['closed', 'closed'])
  })

  it.each(parts)('after the votes is finished although the %s of the replaced epoch is damaged', async (part) => {
    const world = await begun(`voted ${part}`)
    await stopAll(world, 'ready', 1)
    for (const name of names) expect(await heldAt(world, name)).toEqual(['1 installed', '2 staged'])
    const folder = await folderAt(world, eu, 1)
    await damage(world, part)
    expect((await joinTogether(world, names, one)).map(said)).toEqual(closed)
    await isDestroyed(world, folder)
  })
})

describe('after a refresh', () => {
  it.each(inTurn(['retired', 'outcome', 'record', 'votes'], 1))(
    'a site signs although the %s of the replaced epoch is damaged',
    async (part) => {
      const world = await begun(`retired ${part}`)
      expect((await joinTogether(world, names, one)).map(said)).toEqual(closed)
      await damage(world, part)
      expect((await signWith(world, [eu, us])).map(said)).toEqual(['closed', 'closed'])
    },
  )

  it('a site does not sign where the newest epoch is damaged, with no older one either', async () => {
    const world = await begun('newest')
    await stopAll(world, 'installed', 1)
    diskOf(world, eu).files.set(`${await folderAt(world, eu, 2)}/votes`, utf8('damaged'))
    const [old = expect.fail()] = await epochsAt(world, eu)
    const [end] = await signWith(world, [eu, us], recordHash(old))
    expect(end).toMatchObject({ error: { code: 'E_SHARD' } })
  })
})
