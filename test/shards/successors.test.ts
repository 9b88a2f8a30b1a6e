import { expect, it } from 'vitest'
import type { Hash, Index, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { type EpochRecord, type Outcome, outcomeCodec, readyCodec, recordCodec } from '../../src/records/outcome.ts'
import { envelopeHash, type SealedShard } from '../../src/records/sealed-shard.ts'
import { encodeEnvelope, payloadType } from '../../src/records/signed.ts'
import { memoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { sealShard } from '../../src/shards/seal.ts'
import { type ShardStore, shardStore } from '../../src/shards/store.ts'
import { memoryKms } from '../support/kms.ts'
import { seededRandom } from '../support/random.ts'

/** Which shares may lie beside each other, and which of two successors of one record comes after the other. */

const hash = (text: string): Hash => hashOf(utf8(text))
const key = hash('the key')

interface Made {
  readonly sealed: SealedShard
  readonly outcome: Outcome
  readonly record: EpochRecord
  readonly hash: Hash
}
/** A share of an epoch that its own ceremony, `name`, makes. */
const make = async (name: string, base: Hash, epoch = 2): Promise<Made> => {
  const outcome: Outcome = {
    ceremony: hash(name),
    attempt: hash('attempt'),
    transcript: hash('transcript'),
    protocol: 'frost-ed25519',
    threshold: 2,
    publicKey: 'dd'.repeat(32),
    verifyingShares: ['cd'.repeat(32), 'ce'.repeat(32), 'cf'.repeat(32)],
    base,
  }
  const id = hashOf(outcomeCodec.encode(outcome))
  const sealed = await sealShard({
    core: {
      ...{ kind: 'refresh', key, protocol: 'frost-ed25519', epoch, index: 1 as Index, threshold: 2, sites: 3 },
      ...{ verifyingShare: 'cd'.repeat(32), outcome: id, jurisdiction: 'EU', access: 'one-key' },
    },
    share: new Secret(new Uint8Array(32).fill(3)),
    keys: [memoryKms()],
    random: seededRandom(name),
  })
  const record = { outcome: id, envelopes: [envelopeHash(sealed), hash('us'), hash('ap')] }
  return { sealed, outcome, record, hash: hashOf(recordCodec.encode(record)) }
}
const ready = ({ outcome, hash: record }: Made): Uint8Array =>
  encodeEnvelope({
    type: payloadType(readyCodec.type),
    payload: readyCodec.encode({ ceremony: outcome.ceremony, site: 'eu' as SiteId, record, base: outcome.base }),
    keyid: 'of a test',
    signature: new Uint8Array(64),
  })

const old = hash('the replaced record')
const vote = async (store: ShardStore, made: Made, names: readonly Hash[] = []): Promise<void> => {
  await store.stage(made.sealed, made.outcome, [...names].sort())
  await store.keepRecord(key, made.outcome, made.record)
}
const install = (store: ShardStore, made: Made): Promise<void> => store.install(key, made.record.outcome, [ready(made)])
const held = async (store: ShardStore): Promise<readonly Hash[]> => (await store.list()).map(({ outcome }) => outcome)

it('a share lies beside one that was voted for only where the definition names its record', async () => {
  const store = shardStore(memoryDisk())
  const [a, b] = [await make('a', old), await make('b', old)]
  await vote(store, a)
  for (const names of [[], [b.hash], [hash('something else')]])
    await expect(store.stage(b.sealed, b.outcome, names)).rejects.toMatchObject({
      code: 'E_NOT_FINISHED',
      details: { ceremony: a.outcome.ceremony, record: a.hash },
    })
  await vote(store, b, [a.hash])
  expect((await store.list()).map(({ state }) => state)).toEqual(['staged', 'staged'])
})

it('a share that was not voted for lets none beside it, whatever a definition names', async () => {
  const store = shardStore(memoryDisk())
  const [a, c] = [await make('a', old), await make('c', old)]
  await store.stage(a.sealed, a.outcome)
  await expect(store.stage(c.sealed, c.outcome, [a.hash])).rejects.toMatchObject({ code: 'E_NOT_FINISHED' })
})

it('a vote for what was superseded comes too late', async () => {
  const store = shardStore(memoryDisk())
  const [a, c] = [await make('a', old), await make('c', old)]
  await vote(store, a)
  await vote(store, c, [a.hash])
  const late = await make('late', old)
  await expect(store.stage(late.sealed, late.outcome, [a.hash])).rejects.toMatchObject({ details: { record: c.hash } })
  await expect(store.keepRecord(key, a.outcome, a.record)).rejects.toMatchObject({ details: { record: c.hash } })
})

it('also a successor of another record names what is undecided', async () => {
  const store = shardStore(memoryDisk())
  const [a, c] = [await make('a', old), await make('c', old)]
  const d = await make('d', a.hash, 3)
  await vote(store, a)
  await vote(store, c, [a.hash])
  await install(store, a)
  await expect(store.stage(d.sealed, d.outcome)).rejects.toMatchObject({ details: { record: c.hash } })
  await vote(store, d, [c.hash])
  await install(store, d)
  await expect(install(store, c)).rejects.toMatchObject({ code: 'E_CONSUMED' })
})

it('a record that supersedes another one takes its place, and never the other way round', async () => {
  const [a, c] = [await make('a', old), await make('c', old)]
  for (const [first, second] of [
    [a, c],
    [c, a],
  ] as const) {
    const store = shardStore(memoryDisk())
    await vote(store, a)
    await vote(store, c, [a.hash])
    await install(store, first)
    if (first === a) await install(store, second)
    else await expect(install(store, second)).rejects.toMatchObject({ code: 'E_CONSUMED' })
    expect((await store.list()).findLast(({ state }) => state === 'installed')?.outcome).toBe(c.record.outcome)
  }
})

it('what was superseded keeps nothing out, and a definition may forget it', async () => {
  const store = shardStore(memoryDisk())
  const [a, c] = [await make('a', old), await make('c', old)]
  const next = await make('next', c.hash, 3)
  await vote(store, a)
  await vote(store, c, [a.hash])
  await install(store, c)
  await vote(store, next)
})

it('lists each after all that it names, however their hashes fall', async () => {
  for (const seed of ['1', '2', '3', '4', '5', '6']) {
    const store = shardStore(memoryDisk())
    const made: Made[] = []
    for (const name of ['a', 'b', 'c', 'd']) {
      const one = await make(`${name} ${seed}`, old)
      await vote(
        store,
        one,
        made.map((before) => before.hash),
      )
      made.push(one)
    }
    expect(await held(store)).toEqual(made.map(({ record }) => record.outcome))
  }
})

it('a share of a successor without its names is damaged', async () => {
  for (const change of [undefined, utf8('damaged')]) {
    const disk = memoryDisk()
    const a = await make('a', old)
    await vote(shardStore(disk), a)
    const path = `keys/${key}/${a.record.outcome}/supersedes`
    expect(disk.files.has(path)).toBe(true)
    if (change === undefined) disk.files.delete(path)
    else disk.files.set(path, change)
    await expect(shardStore(disk).read(key, a.record.outcome)).rejects.toMatchObject({
      code: 'E_SHARD',
      message: expect.stringContaining('supersedes'),
    })
  }
})

it.each(['shard', 'slots', 'supersedes'])(
  'a damaged %s of what was voted for keeps no definition out that names it',
  async (part) => {
    const disk = memoryDisk()
    const store = shardStore(disk)
    const [a, c] = [await make('a', old), await make('c', old)]
    await vote(store, a)
    disk.files.set(`keys/${key}/${a.record.outcome}/${part}`, utf8('damaged'))
    expect((await store.all()).damaged).toHaveLength(1)
    await expect(store.stage(c.sealed, c.outcome)).rejects.toMatchObject({ details: { record: a.hash } })
    await vote(store, c, [a.hash])
    await install(store, c)
  },
)
