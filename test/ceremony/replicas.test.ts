import { beforeAll, describe, expect, it } from 'vitest'
import type { Site } from '../../src/ceremony/ports.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import type { Definition } from '../../src/records/definition.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import { envelopeHash } from '../../src/records/sealed-shard.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { examineReplica } from '../../src/shards/replica-check.ts'
import { replicasOf } from '../../src/shards/replicas.ts'
import { replicated } from '../../src/shards/replicated.ts'
import { openShard } from '../../src/shards/seal.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, refreshDefinition, siteEntries } from '../support/definition.ts'
import { memoryKms } from '../support/kms.ts'
import { approveIn, copyWorld, type MemoryWorld, memoryWorld, startJoin } from '../support/memory-site.ts'
import { type MemoryStore, memoryStore } from '../support/memory-store.ts'
import { inTurn } from '../support/report.ts'
import { newestAt, recordHashOf } from '../support/reshares.ts'
import { moveCard, rewrapOf } from '../support/rewraps.ts'

const names = ['eu', 'us', 'ap']
const deadlines = { gather: 60, proposal: 5, round: 20, close: 10 }
const uris = ['s3://first/a?region=eu-west-1', 'gs://second/b']

/** eu's stores: what they hold is copied with a world. */
const newStores = (from: readonly MemoryStore[] = []): MemoryStore[] =>
  uris.map((uri, n) => {
    const store = memoryStore(uri)
    for (const [name, bytes] of from[n]?.objects ?? []) store.objects.set(name, Uint8Array.from(bytes))
    return store
  })

const owner = 'ee'.repeat(32) as Hash
const replicasAt = (world: MemoryWorld, stores: readonly MemoryStore[], named = uris) =>
  replicasOf(
    world.homes.get('eu')?.disk ?? expect.fail(),
    owner,
    named,
    async (uri) => stores.find((one) => one.uri === uri) ?? expect.fail(),
  )

const shardsOf = (world: MemoryWorld, stores: readonly MemoryStore[], named = uris): Site['shards'] => {
  const disk = world.homes.get('eu')?.disk ?? expect.fail()
  return replicated(shardStore(disk), disk, replicasAt(world, stores, named))
}

const run = async (
  world: MemoryWorld,
  stores: readonly MemoryStore[],
  definition: Definition,
  who = names,
  named = uris,
) => {
  const runs = await Promise.all(
    who.map((name) =>
      startJoin(world, name, definition, null, name === 'eu' ? { shards: shardsOf(world, stores, named) } : {}),
    ),
  )
  return Promise.all(
    runs.map(async ({ done, stop }) => {
      try {
        return (await done).state
      } catch (error) {
        for (const other of runs) if (other.stop !== stop) other.stop.abort()
        return (error as QuorateError).code
      }
    }),
  )
}

const all = (state: string): string[] => names.map(() => state)
const parts = (store: MemoryStore): string[] =>
  [...store.objects.keys()].map((name) => name.split('/').slice(1).join('/'))
const slots = (store: MemoryStore): string[] => parts(store).filter((name) => name.endsWith('/slots'))

let keyed: MemoryWorld
let keygen: KeygenDefinition
let filled: MemoryStore[]
beforeAll(async () => {
  keyed = await memoryWorld(names)
  keygen = await keygenDefinition({ sites: await siteEntries(names), deadlines })
  for (const name of names) await approveIn(keyed, name, keygen)
  filled = newStores()
  expect(await run(keyed, filled, keygen)).toEqual(all('closed'))
})

let copies = 0
const copy = async () => {
  copies += 1
  return { world: await copyWorld(keyed, `replicas ${copies}`), stores: newStores(filled) }
}
const refreshing = async (world: MemoryWorld): Promise<Definition> => {
  const base = await newestAt(world, 'eu')
  const definition = await refreshDefinition({
    sites: keygen.sites,
    key: base.key,
    base: recordHashOf(base),
    deadlines,
  })
  for (const name of names) await approveIn(world, name, definition)
  return definition
}

/** Each store holds the envelope of the newest epoch whole, no other wrapped piece, and it opens by the site's key. */
const holdsNewest = async (world: MemoryWorld, stores: readonly MemoryStore[], kms = memoryKms('eu')) => {
  const { key, outcome, envelope } = await newestAt(world, 'eu')
  for (const store of stores) {
    const found = await examineReplica(replicasAt(world, stores), store, key, outcome, envelope)
    expect(found).toMatchObject({ state: 'ok', others: [] })
    const sealed = found.sealed ?? expect.fail()
    expect(envelopeHash(sealed)).toBe(envelope)
    ;(await openShard(sealed, envelope, [kms])).wipe()
    expect(slots(store)).toEqual([`${outcome}/${owner}/${envelope}/slots`])
  }
}

describe('a share whose site has stores', () => {
  it('lies in each of them when its key is made', () => holdsNewest(keyed, filled))

  it('is gone from them once it was replaced, and the new one lies there', async () => {
    const { world, stores } = await copy()
    const before = await newestAt(world, 'eu')
    expect(await run(world, stores, await refreshing(world))).toEqual(all('closed'))
    await holdsNewest(world, stores)
    const replicas = replicasAt(world, stores)
    expect(await replicas.isNoted(before.key, before.outcome)).toBe(false)
    expect(await replicas.isNoted(before.key, (await newestAt(world, 'eu')).outcome)).toBe(true)
  })

  it('goes also from a store that the card names no more', async () => {
    const { world, stores } = await copy()
    const [first, second] = stores as [MemoryStore, MemoryStore]
    expect(await run(world, stores, await refreshing(world), names, uris.slice(1))).toEqual(all('closed'))
    expect(slots(first)).toEqual([])
    await holdsNewest(world, [second])
  })

  it('is not sealed while a store does not answer, and nobody is met', async () => {
    const { world, stores } = await copy()
    const definition = await refreshing(world)
    ;(stores[1] as MemoryStore).failsAt = 0
    expect(await run(world, stores, definition, ['eu'])).toEqual(['E_STORE'])
    ;(stores[1] as MemoryStore).failsAt = Number.POSITIVE_INFINITY
    expect(await run(world, stores, definition)).toEqual(all('closed'))
    await holdsNewest(world, stores)
  })

  it('comes whole through a store that stops answering at any of its deeds', async () => {
    const { world: straight, stores: straightStores } = await copy()
    expect(await run(straight, straightStores, await refreshing(straight))).toEqual(all('closed'))
    const deeds = (straightStores[0] as MemoryStore).deeds
    expect(deeds).toBeGreaterThan(3)
    const every = Array.from({ length: deeds }, (_, at) => at)
    for (const at of inTurn(every, 3)) {
      const { world, stores } = await copy()
      const definition = await refreshing(world)
      const [first] = stores as [MemoryStore]
      // It answers in preflight, which writes nothing.
      first.failsAt = at === 0 ? 0.5 : at
      first.deeds = at === 0 ? 0 : first.deeds
      const ends = await run(world, stores, definition)
      expect(ends[0], `deed ${at}`).toBe('E_STORE')
      // At every moment the share opens from this disk, and it was said to be destroyed only where no piece is left.
      const { state } = (await newestAt(world, 'eu')) ?? expect.fail()
      expect(state).toBe('installed')
      first.failsAt = Number.POSITIVE_INFINITY
      expect(await run(world, stores, definition), `after deed ${at}`).toEqual(all('closed'))
      await holdsNewest(world, stores)
    }
  })

  it('is not said to be destroyed while a lock keeps its wrapped pieces', async () => {
    const { world, stores } = await copy()
    const definition = await refreshing(world)
    const [first] = stores as [MemoryStore]
    first.locks = true
    expect((await run(world, stores, definition))[0]).toBe('E_STORE')
    const disk = world.homes.get('eu')?.disk ?? expect.fail()
    const old = (await shardStore(disk).list()).find(({ core }) => core.epoch === 1)
    // Here it is destroyed; the site has not said so yet.
    expect(old?.state).toBe('retired')
    expect(slots(first)).toHaveLength(2)
    first.locks = false
    expect(await run(world, stores, definition)).toEqual(all('closed'))
    await holdsNewest(world, stores)
  })

  it('is not said to be destroyed by a second join either, while versions that nobody lists are there', async () => {
    const { world, stores } = await copy()
    const definition = await refreshing(world)
    const [first] = stores as [MemoryStore]
    first.versions = true
    for (const _ of ['first', 'second']) expect((await run(world, stores, definition))[0]).toBe('E_STORE')
    first.versions = false
    expect(await run(world, stores, definition)).toEqual(all('closed'))
    await holdsNewest(world, stores)
  })

  it.each(['slots', 'shard', 'votes', 'outcome', 'record'])(
    'is gone from them also where the home’s %s of it is damaged when it is replaced',
    async (file) => {
      const { world, stores } = await copy()
      const { key, outcome } = await newestAt(world, 'eu')
      const disk = world.homes.get('eu')?.disk ?? expect.fail()
      const path = `keys/${key}/${outcome}/${file}`
      const bytes = (await disk.read(path)) ?? expect.fail()
      ;(disk as MemoryDisk).files.set(path, bytes.subarray(1))
      await shardsOf(world, stores).retire(key, outcome, 'ab'.repeat(32) as Hash)
      for (const store of stores) expect(slots(store)).toEqual([])
    },
  )

  it('is gone from them also where the home has lost the note of where it lies', async () => {
    const { world, stores } = await copy()
    const { key, outcome } = await newestAt(world, 'eu')
    const disk = world.homes.get('eu')?.disk ?? expect.fail()
    for (const change of [
      () => disk.remove(`keys/${key}/${outcome}/stores`),
      async () => void (disk as MemoryDisk).files.set(`keys/${key}/${outcome}/stores`, new Uint8Array(9)),
    ]) {
      await change()
      const again = await copyWorld(world, `no note ${copies}`)
      const fresh = newStores(stores)
      await shardsOf(again, fresh).retire(key, outcome, 'ab'.repeat(32) as Hash)
      for (const store of fresh) expect(slots(store)).toEqual([])
    }
  })

  it('goes from the stores that answer, also where another one does not', async () => {
    const { world, stores } = await copy()
    const [first, second] = stores as [MemoryStore, MemoryStore]
    first.failsAt = 0
    const { key, outcome } = await newestAt(world, 'eu')
    const retire = () => shardsOf(world, stores).retire(key, outcome, 'ab'.repeat(32) as Hash)
    await expect(retire()).rejects.toMatchObject({ code: 'E_STORE' })
    expect(slots(second)).toEqual([])
    first.failsAt = Number.POSITIVE_INFINITY
    await retire()
    expect(slots(first)).toEqual([])
  })

  it('does not come after it was dropped, from a store that was slow', async () => {
    const { world, stores } = await copy()
    const definition = await refreshing(world)
    const [first, second] = stores as [MemoryStore, MemoryStore]
    first.failsAt = 1
    second.slow = 50
    expect((await run(world, stores, definition))[0]).toBe('E_STORE')
    first.failsAt = Number.POSITIVE_INFINITY
    const shards = shardsOf(world, stores)
    for (const { key, outcome, state } of await shards.list())
      if (state === 'staged') await shards.dropStaged(key, outcome)
    second.slow = 0
    await new Promise((resolve) => setTimeout(resolve, 200))
    await holdsNewest(world, stores)
  })

  it('leaves alone what another site keeps in the same store', async () => {
    const { world, stores } = await copy()
    const [first] = stores as [MemoryStore]
    const { key, outcome, envelope } = await newestAt(world, 'eu')
    const others = `${key}/${outcome}/${'dd'.repeat(32)}/${envelope}/slots`
    first.objects.set(others, new Uint8Array(5))
    expect(await run(world, stores, await refreshing(world))).toEqual(all('closed'))
    expect(first.objects.has(others)).toBe(true)
  })

  it('keeps nobody who has voted from its end, while a store is down', async () => {
    const { world, stores } = await copy()
    const definition = await refreshing(world)
    expect(await run(world, stores, definition)).toEqual(all('closed'))
    ;(stores[0] as MemoryStore).failsAt = 0
    expect(await run(world, stores, definition, ['eu'])).toEqual(['closed'])
  })

  it('moves in them as it moves to another KMS key', async () => {
    const { world, stores } = await copy()
    const before = await newestAt(world, 'eu')
    await moveCard(world, 'eu', '/keys/eu-2.key')
    const definition = await rewrapOf(world, keygen, 'eu', keygen.sites[0]?.kms ?? [], { deadlines })
    await approveIn(world, 'eu', definition)
    expect(await run(world, stores, definition)).toEqual(all('closed'))
    expect((await newestAt(world, 'eu')).envelope).not.toBe(before.envelope)
    await holdsNewest(world, stores, memoryKms('/keys/eu-2.key'))
  })

  it('leaves nothing there of an attempt that came to nothing', async () => {
    const { world, stores } = await copy()
    const definition = await refreshing(world)
    const [first, second] = stores as [MemoryStore, MemoryStore]
    second.failsAt = 0.5
    expect((await run(world, stores, definition))[0]).toBe('E_STORE')
    second.failsAt = Number.POSITIVE_INFINITY
    const { key } = await newestAt(world, 'eu')
    const shards = shardsOf(world, stores)
    for (const { outcome, state } of await shards.list()) if (state === 'staged') await shards.dropStaged(key, outcome)
    await holdsNewest(world, [first, second])
    expect(parts(first)).toEqual(parts(filled[0] as MemoryStore))
  })
})

describe('a replica', () => {
  it('is not taken for put where other bytes have its name, or come back', async () => {
    const { world, stores } = await copy()
    const { key, outcome, envelope } = await newestAt(world, 'eu')
    const [first, second] = stores as [MemoryStore, MemoryStore]
    const replicas = replicasAt(world, stores)
    const { sealed } = await examineReplica(replicas, first, key, outcome, envelope)
    await replicas.put(key, outcome, sealed ?? expect.fail())
    for (const part of ['shard', 'slots'] as const) {
      const name = replicas.nameOf(key, outcome, envelope, part)
      const bytes = second.objects.get(name) ?? expect.fail()
      second.objects.set(name, bytes.subarray(1))
      await expect(replicas.put(key, outcome, sealed ?? expect.fail())).rejects.toMatchObject({
        code: 'E_STORE',
        details: { store: 'damaged' },
      })
      await replicas.mend(second, key, outcome, sealed ?? expect.fail())
      expect(second.objects.get(name)).toEqual(bytes)
    }
  })

  it('is told apart by its hash: missing, damaged, out of reach, and beside older ones', async () => {
    const { world, stores } = await copy()
    const [store] = stores as [MemoryStore]
    const { key, outcome, envelope } = await newestAt(world, 'eu')
    const look = async () => (await examineReplica(replicasAt(world, stores), store, key, outcome, envelope)).state
    for (const part of ['shard', 'slots']) {
      const name = `${key}/${outcome}/${owner}/${envelope}/${part}`
      const bytes = store.objects.get(name) ?? expect.fail()
      for (let at = 0; at < bytes.length; at += 7) {
        store.objects.set(
          name,
          bytes.map((byte, n) => (n === at ? byte ^ 1 : byte)),
        )
        expect(await look()).toBe('damaged')
      }
      store.objects.delete(name)
      expect(await look()).toBe('missing')
      store.objects.set(name, bytes)
      expect(await look()).toBe('ok')
    }
    store.objects.set(`${key}/${outcome}/${owner}/${'ab'.repeat(32)}/slots`, new Uint8Array(3))
    expect(await examineReplica(replicasAt(world, stores), store, key, outcome, envelope)).toMatchObject({
      state: 'ok',
      others: ['ab'.repeat(32)],
    })
    store.failsAt = 0
    expect(await examineReplica(replicasAt(world, stores), store, key, outcome, envelope)).toMatchObject({
      state: 'unreachable',
      fault: expect.any(QuorateError),
    })
  })
})
