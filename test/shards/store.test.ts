import { describe, expect, it } from 'vitest'
import type { Hash, Index, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { type Outcome, outcomeCodec, readyCodec, recordCodec } from '../../src/records/outcome.ts'
import { envelopeHash, type SealedShard, type ShardCore } from '../../src/records/sealed-shard.ts'
import { encodeEnvelope, payloadType } from '../../src/records/signed.ts'
import { memoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { sealShard } from '../../src/shards/seal.ts'
import { shardStore } from '../../src/shards/store.ts'
import { memoryKms } from '../support/kms.ts'
import { seededRandom } from '../support/random.ts'
import { PowerLoss, seeded, simDisk } from '../support/sim-disk.ts'

const made = (attempt: string): Outcome => ({
  ceremony: 'aa'.repeat(32) as Hash,
  attempt: attempt.repeat(32) as Hash,
  transcript: 'cc'.repeat(32) as Hash,
  protocol: 'frost-ed25519',
  threshold: 2,
  publicKey: 'dd'.repeat(32),
  verifyingShares: ['cd'.repeat(32), 'ce'.repeat(32), 'cf'.repeat(32)],
  base: null,
})
const first = made('01')
const key = hashOf(outcomeCodec.encode(first))
const second = hashOf(outcomeCodec.encode(made('02')))
const kms = memoryKms()
const share = new Uint8Array(32).fill(3)

const core = (outcome: Hash, epoch = 1): ShardCore => ({
  kind: 'keygen',
  key,
  protocol: 'frost-ed25519',
  epoch,
  index: 1 as Index,
  threshold: 2,
  sites: 3,
  verifyingShare: 'cd'.repeat(32),
  outcome,
  jurisdiction: 'EU',
  access: 'one-key',
})
const seal = (outcome = key, epoch = 1, seed = 'store'): Promise<SealedShard> =>
  sealShard({
    core: core(outcome, epoch),
    share: new Secret(share.slice()),
    keys: [kms],
    random: seededRandom(`${seed} ${outcome}`),
  })
const recordOf = (sealed: SealedShard, outcome = key) => ({
  outcome,
  envelopes: [envelopeHash(sealed), '11'.repeat(32) as Hash, '22'.repeat(32) as Hash],
})
const votesFor = (sealed: SealedShard): readonly Uint8Array[] =>
  ['eu', 'us', 'ap'].map((site) =>
    encodeEnvelope({
      type: payloadType(readyCodec.type),
      payload: readyCodec.encode({
        ceremony: first.ceremony,
        site: site as SiteId,
        record: hashOf(recordCodec.encode(recordOf(sealed))),
        base: null,
      }),
      keyid: 'of a test',
      signature: new Uint8Array(64),
    }),
  )

describe('shard store', () => {
  it('stages, reopens, keeps the record, installs and lists', async () => {
    const disk = memoryDisk()
    const store = shardStore(disk)
    const sealed = await seal()
    expect(await store.list()).toEqual([])
    expect(await store.read(key, key)).toBeUndefined()
    await store.stage(sealed, first)
    expect((await store.reopen(key, key, envelopeHash(sealed), [kms])).reveal()).toEqual(share)
    expect(await store.read(key, key)).toMatchObject({ state: 'staged', envelope: envelopeHash(sealed), votes: [] })
    await store.keepRecord(key, first, recordOf(sealed))
    await store.install(key, key, votesFor(sealed))
    expect(await store.list()).toEqual([
      {
        key,
        outcome: key,
        state: 'installed',
        core: core(key),
        envelope: envelopeHash(sealed),
        record: recordOf(sealed),
        made: first,
        supersedes: [],
        votes: votesFor(sealed),
      },
    ])
    const folder = `keys/${key}/${key}`
    expect([...disk.files.keys()].sort()).toEqual(
      ['outcome', 'record', 'shard', 'slots', 'votes'].map((f) => `${folder}/${f}`),
    )
  })

  it('takes the same again and never other bytes', async () => {
    const store = shardStore(memoryDisk())
    const sealed = await seal()
    await store.stage(sealed, first)
    await store.stage(sealed, first)
    await expect(store.stage(await seal(key, 1, 'other'), first)).rejects.toMatchObject({ code: 'E_EXISTS' })
    await store.keepRecord(key, first, recordOf(sealed))
    await store.keepRecord(key, first, recordOf(sealed))
    const another = { ...recordOf(sealed), envelopes: [envelopeHash(sealed), '33'.repeat(32) as Hash] }
    await expect(store.keepRecord(key, first, another)).rejects.toMatchObject({ code: 'E_EXISTS' })
    await store.install(key, key, votesFor(sealed))
    await store.install(key, key, votesFor(sealed))
    await expect(store.install(key, key, votesFor(sealed).slice(1))).rejects.toMatchObject({ code: 'E_EXISTS' })
  })

  it('installs nothing without shard and record, and keeps no record of another envelope', async () => {
    const store = shardStore(memoryDisk())
    const sealed = await seal()
    await expect(store.keepRecord(key, first, recordOf(sealed))).rejects.toMatchObject({ code: 'E_SHARD' })
    await expect(store.install(key, key, votesFor(sealed))).rejects.toMatchObject({ code: 'E_SHARD' })
    await expect(store.reopen(key, key, envelopeHash(sealed), [kms])).rejects.toMatchObject({ code: 'E_SHARD' })
    await store.stage(sealed, first)
    await expect(store.install(key, key, votesFor(sealed))).rejects.toThrow(/after its record/)
    await expect(store.keepRecord(key, first, recordOf(sealed, second))).rejects.toMatchObject({ code: 'E_SHARD' })
    const foreign = { outcome: key, envelopes: ['11'.repeat(32), '22'.repeat(32)] as Hash[] }
    await expect(store.keepRecord(key, first, foreign)).rejects.toMatchObject({ code: 'E_SHARD' })
    await store.keepRecord(key, first, recordOf(sealed))
    await expect(store.install(key, key, [utf8('a\nb'), utf8('')])).rejects.toThrow()
  })

  it('drops what was staged, and never what is installed', async () => {
    const disk = memoryDisk()
    const store = shardStore(disk)
    const [one, next] = [await seal(), await seal(second, 2)]
    await store.stage(one, first)
    await store.keepRecord(key, first, recordOf(one))
    await store.install(key, key, votesFor(one))
    await store.stage(next, made('02'))
    expect((await store.list()).map((one) => [one.core.epoch, one.state])).toEqual([
      [1, 'installed'],
      [2, 'staged'],
    ])
    await store.dropStaged(key, second)
    await store.dropStaged(key, second)
    expect(await store.list()).toHaveLength(1)
    await expect(store.dropStaged(key, key)).rejects.toThrow(/retired/)
    const lone = memoryDisk()
    await shardStore(lone).stage(one, first)
    await shardStore(lone).dropStaged(key, key)
    expect(await lone.list('keys')).toEqual([])
  })

  it('says that the disk failed where it decides by what could not be read once, and shows it as damaged', async () => {
    const disk = memoryDisk()
    const sealed = await seal()
    const calm = shardStore(disk)
    await calm.stage(sealed, first)
    await calm.keepRecord(key, first, recordOf(sealed))
    await calm.install(key, key, votesFor(sealed))
    for (let at = 0; ; at++) {
      let reads = 0
      const read: typeof disk.read = async (path, ...given) => {
        if (reads++ === at) throw new QuorateError('E_DISK', `EIO at ${path}`, 'look at the disk')
        return disk.read(path, ...given)
      }
      const store = shardStore({ ...disk, read })
      const found = await store.ofKey(key).catch((error: QuorateError) => error.code)
      if (reads <= at) {
        expect([at > 5, (found as { whole: readonly unknown[] }).whole]).toMatchObject([true, [{ state: 'installed' }]])
        return
      }
      expect(found).toBe('E_DISK')
      reads = 0
      expect((await store.all()).damaged).toMatchObject([{ key, fault: { code: 'E_DISK' } }])
    }
  })

  it('calls no envelope damaged that could not be read once: it opens, or the disk failed', async () => {
    const disk = memoryDisk()
    const [sealed, again] = [await seal(), await seal(key, 1, 'again')]
    const calm = shardStore(disk)
    await calm.stage(sealed, first)
    await calm.keepRecord(key, first, recordOf(sealed))
    await calm.install(key, key, votesFor(sealed))
    await calm.stageRewrap(key, key, 'ee'.repeat(32) as Hash, again)
    const found: string[] = []
    for (let at = 0, failed = true; failed; at++) {
      let reads = 0
      failed = false
      const read: typeof disk.read = async (path, ...given) => {
        failed ||= reads === at
        if (reads++ === at) throw new QuorateError('E_DISK', `EIO at ${path}`, 'look at the disk')
        return disk.read(path, ...given)
      }
      const opened = shardStore({ ...disk, read }).reopen(key, key, envelopeHash(again), [kms])
      found.push(
        await opened.then(
          (one) => (one.reveal().every((byte) => byte === 3) ? 'opens' : 'another share'),
          (error: QuorateError) => error.code,
        ),
      )
    }
    expect(found.length).toBeGreaterThan(4)
    expect(found).toEqual([...found.slice(1).map(() => 'E_DISK'), 'opens'])
  })

  it('leaves no new envelope of a share beside its destruction, however slow the disk is', async () => {
    const random = seeded(7)
    const pause = async (): Promise<void> => {
      for (let n = Math.floor(random() * 8); n > 0; n--) await new Promise((resolve) => setImmediate(resolve))
    }
    for (let round = 0; round < 40; round++) {
      const inner = memoryDisk()
      const slow =
        <A extends readonly unknown[], R>(act: (...given: A) => Promise<R>) =>
        async (...given: A): Promise<R> => {
          await pause()
          return act(...given)
        }
      const store = shardStore({ ...inner, read: slow(inner.read), list: slow(inner.list), create: slow(inner.create) })
      const [sealed, again] = [await seal(), await seal(key, 1, 'again')]
      await store.stage(sealed, first)
      await store.keepRecord(key, first, recordOf(sealed))
      await store.install(key, key, votesFor(sealed))
      const retired = store.retire(key, key, 'ab'.repeat(32) as Hash)
      await pause()
      const rewrapped = store.stageRewrap(key, key, 'ee'.repeat(32) as Hash, again).catch((error) => error.code)
      await retired
      await rewrapped
      expect((await inner.list(`keys/${key}/${key}`)).filter((name) => /^(slots|shard)/.test(name))).toEqual([])
    }
  })

  it('takes no vote for another record, nor none, for a ready set', async () => {
    for (const votes of [[], votesFor(await seal(key, 1, 'other'))]) {
      const store = shardStore(memoryDisk())
      const sealed = await seal()
      await store.stage(sealed, first)
      await store.keepRecord(key, first, recordOf(sealed))
      await store.install(key, key, votes)
      await expect(store.read(key, key)).rejects.toMatchObject({ code: 'E_SHARD' })
      expect(await store.list()).toEqual([])
      expect((await store.all()).damaged).toMatchObject([
        { key, outcome: key, made: first, fault: { code: 'E_SHARD' } },
      ])
    }
  })

  it('names what is damaged, and opens nothing that was moved', async () => {
    for (const file of ['shard', 'slots', 'outcome', 'record', 'votes']) {
      const disk = memoryDisk()
      const store = shardStore(disk)
      const sealed = await seal()
      await store.stage(sealed, first)
      await store.keepRecord(key, first, recordOf(sealed))
      await store.install(key, key, votesFor(sealed))
      const path = `keys/${key}/${key}/${file}`
      disk.files.set(path, (disk.files.get(path) as Uint8Array).slice(0, -1))
      await expect(store.read(key, key)).rejects.toMatchObject({ code: 'E_SHARD' })
      if (file === 'shard' || file === 'slots')
        await expect(store.reopen(key, key, envelopeHash(sealed), [kms])).rejects.toMatchObject({ code: 'E_SHARD' })
    }
    const disk = memoryDisk()
    await shardStore(disk).stage(await seal(), first)
    for (const [path, bytes] of [...disk.files])
      disk.files.set(path.replace(`${key}/${key}`, `${key}/${second}`), bytes)
    await expect(shardStore(disk).read(key, second)).rejects.toMatchObject({ code: 'E_SHARD' })
  })

  it('is whole or absent after a crash at any step, and goes on from there', async () => {
    const sealed = await seal()
    const run = async (disk: ReturnType<typeof simDisk>): Promise<void> => {
      const store = shardStore(disk)
      await store.stage(sealed, first)
      await store.keepRecord(key, first, recordOf(sealed))
      await store.install(key, key, votesFor(sealed))
    }
    const count = simDisk()
    await run(count)
    for (let step = 0; step < count.operations; step++)
      for (const seed of [1, 2, 3]) {
        const disk = simDisk(seeded(seed * 1000 + step))
        disk.crashAt(step)
        await expect(run(disk)).rejects.toBeInstanceOf(PowerLoss)
        disk.reboot()
        const store = shardStore(disk)
        const found = await store.read(key, key)
        if (found !== undefined) expect(found.envelope).toBe(envelopeHash(sealed))
        await run(disk)
        expect((await store.read(key, key))?.state).toBe('installed')
        disk.reboot()
        expect((await store.reopen(key, key, envelopeHash(sealed), [kms])).reveal()).toEqual(share)
        expect((await store.read(key, key))?.votes).toEqual(votesFor(sealed))
      }
  })

  it('can be sealed anew where a crash left half a staging', async () => {
    const disk = memoryDisk()
    const [one, two] = [await seal(), await seal(key, 1, 'other')]
    await shardStore(disk).stage(one, first)
    disk.files.delete(`keys/${key}/${key}/shard`)
    await shardStore(disk).stage(two, first)
    expect((await shardStore(disk).read(key, key))?.envelope).toBe(envelopeHash(two))
  })
})
