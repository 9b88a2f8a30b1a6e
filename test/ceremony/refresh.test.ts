import { beforeAll, describe, expect, it } from 'vitest'
import type { Hash } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Definition } from '../../src/records/definition.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import type { StoredEpoch } from '../../src/shards/epochs.ts'
import { shardStore } from '../../src/shards/store.ts'
import { type RefreshedChain, refreshedChain } from '../support/bundles.ts'
import { refreshDefinition, signDefinition } from '../support/definition.ts'
import { memoryKms } from '../support/kms.ts'
import { approveIn, startJoin } from '../support/memory-site.ts'

const names = ['eu', 'us', 'ap']

let chain: RefreshedChain
beforeAll(async () => {
  chain = await refreshedChain()
})

const shardsOf = (name: string) => shardStore(chain.world.homes.get(name)?.disk ?? expect.fail(name))
const epochsOf = (name: string): Promise<readonly StoredEpoch[]> => shardsOf(name).list()
const recordHash = ({ record }: StoredEpoch): Hash => hashOf(recordCodec.encode(record ?? expect.fail()))

const join = async (definition: Definition, who: readonly string[], message: Uint8Array | null = null) => {
  for (const name of who) await approveIn(chain.world, name, definition)
  const runs = await Promise.all(who.map((name) => startJoin(chain.world, name, definition, message)))
  return Promise.allSettled(runs.map(({ done }) => done))
}

const signing = async (base: Hash, nonce: string, signers: readonly string[]) => {
  const message = utf8(`pay ${nonce}`)
  const { sites, key } = chain.refresh
  return {
    message,
    definition: await signDefinition({
      sites,
      key,
      base,
      nonce: hashOf(message).slice(0, 32),
      message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
      signers: signers as never,
    }),
  }
}

describe('after a refresh', () => {
  it('every site has a new share of the same key, and the old one is destroyed', async () => {
    for (const name of names) {
      const [old, made, ...more] = await epochsOf(name)
      if (old === undefined || made === undefined) expect.fail()
      expect(more).toEqual([])
      expect([old.state, old.core.epoch, made.state, made.core.epoch]).toEqual(['retired', 1, 'installed', 2])
      expect(made.made?.publicKey).toBe(old.made?.publicKey)
      expect(made.made?.base).toBe(recordHash(old))
      expect(made.core.verifyingShare).not.toBe(old.core.verifyingShare)
      const files = (await chain.world.homes.get(name)?.disk.list(`keys/${old.key}/${old.outcome}`)) ?? []
      expect([...files].sort()).toEqual(['outcome', 'record', 'retired', 'votes'])
      await expect(shardsOf(name).reopen(old.key, old.outcome, old.envelope, [memoryKms(name)])).rejects.toMatchObject({
        code: 'E_SHARD',
        message: 'this site’s share of that epoch was replaced and destroyed',
      })
    }
  })

  it.each([
    ['eu', 'us'],
    ['us', 'ap'],
    ['eu', 'ap'],
  ])('%s and %s sign under the same public key', async (...signers) => {
    const [, made] = await epochsOf('eu')
    const { definition, message } = await signing(recordHash(made ?? expect.fail()), signers.join(), signers)
    const ends = await join(definition, signers, message)
    for (const end of ends) {
      if (end.status === 'rejected') throw end.reason
      expect(end.value.key?.publicKey).toBe(made?.made?.publicKey)
      expect(end.value.open).toEqual([])
    }
  })

  it('a signature that was planned on the old epoch is refused, and says so', async () => {
    const [old] = await epochsOf('eu')
    const { definition, message } = await signing(recordHash(old ?? expect.fail()), 'old', ['eu', 'us'])
    const ends = await join(definition, ['eu', 'us'], message)
    for (const end of ends)
      expect(end).toMatchObject({ reason: { code: 'E_DEFINITION', message: expect.stringContaining('newest record') } })
  })

  it('a second refresh of the old record is refused, and one of the new record makes epoch 3', async () => {
    const [old, made] = await epochsOf('eu')
    const given = { sites: chain.refresh.sites, key: old?.key as Hash }
    const again = await refreshDefinition({ ...given, base: recordHash(old ?? expect.fail()), nonce: 'aa'.repeat(16) })
    for (const end of await join(again, names))
      expect(end).toMatchObject({ reason: { code: 'E_DEFINITION', message: expect.stringContaining('newest record') } })
    const base = recordHash(made ?? expect.fail())
    const wrong = await refreshDefinition({ ...given, base, nonce: 'bb'.repeat(16) })
    for (const end of await join(wrong, names))
      expect(end).toMatchObject({
        reason: { code: 'E_DEFINITION', message: expect.stringContaining('the next one is 3') },
      })
    const next = await refreshDefinition({ ...given, base, epoch: 3, nonce: 'cc'.repeat(16) })
    for (const end of await join(next, names)) expect(end).toMatchObject({ status: 'fulfilled', value: { open: [] } })
    for (const name of names)
      expect((await epochsOf(name)).map(({ state, core }) => [core.epoch, state])).toEqual([
        [1, 'retired'],
        [2, 'retired'],
        [3, 'installed'],
      ])
  })

  it('a join of it again says the same once more, although the old share is gone', async () => {
    const runs = await Promise.all(names.map((name) => startJoin(chain.world, name, chain.refresh)))
    for (const { done } of runs) expect(await done).toMatchObject({ kind: 'refresh', open: [] })
  })
})

it('a ready vote for one successor of a record keeps this site from voting for another', async () => {
  const shards = shardsOf('eu')
  const newest = (await epochsOf('eu')).at(-1) ?? expect.fail()
  const { made, record } = newest
  if (made === undefined || record === undefined) expect.fail()
  const other = { ...made, ceremony: hashOf(utf8('another ceremony')) }
  await expect(shards.keepRecord(newest.key, other, record)).rejects.toMatchObject({
    code: 'E_NOT_FINISHED',
    details: { ceremony: made.ceremony },
  })
})
