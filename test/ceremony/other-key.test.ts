import { beforeAll, expect, test } from 'vitest'
import { definitionPath, logPath } from '../../src/ceremony/paths.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, definitionCodec } from '../../src/records/definition.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import type { SignDefinition } from '../../src/records/kinds/sign.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { shardStore } from '../../src/shards/store.ts'
import { approveAll, joinAs } from '../hostile/ceremonies.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { type MemoryWorld, memoryWorld } from '../support/memory-site.ts'

const names = ['s1', 's2', 's3'] as SiteId[]
const message = utf8('pay nobody')
let world: MemoryWorld
let keygen: KeygenDefinition
let right: Partial<SignDefinition>

beforeAll(async () => {
  world = await memoryWorld(names)
  keygen = await keygenDefinition({ sites: await siteEntries(names) })
  await approveAll(world, names, keygen)
  await Promise.all(names.map((name) => joinAs(world, name, keygen, null)))
  const [epoch] = await shardStore(world.homes.get('s1')?.disk as MemoryDisk).list()
  if (epoch?.record === undefined) throw new Error('no key')
  right = {
    sites: keygen.sites,
    key: epoch.key,
    base: hashOf(recordCodec.encode(epoch.record)),
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
    deadlines: { ...keygen.deadlines, gather: 5 },
  }
})

const joined = async (changes: Partial<SignDefinition>) => {
  const definition = await signDefinition({ ...right, ...changes })
  await approveAll(world, names, definition)
  return joinAs(world, 's1' as SiteId, definition, message)
}

/** Where approve could not look: its home had no share of the key yet, or an approver planned it. */
test.each<[string, () => Partial<SignDefinition>, string]>([
  [
    'another record',
    () => ({ base: 'ab'.repeat(32) as Hash }),
    'base: not the newest record of this key that this home holds',
  ],
  ['another threshold', () => ({ threshold: 3 }), 'threshold: the key needs 2'],
  ['another protocol', () => ({ protocol: 'frost-ristretto255' }), 'protocol: the key is for frost-ed25519'],
  [
    'the sites in another order',
    () => ({ sites: [keygen.sites[0], keygen.sites[2], keygen.sites[1]] as KeygenDefinition['sites'] }),
    'sites[1]: not the site that holds this share (and 1 more)',
  ],
])('a join refuses a definition that says otherwise than the key: %s', async (_, changes, said) => {
  const { error } = await joined(changes())
  expect(error).toMatchObject({ code: 'E_DEFINITION', message: said })
})

test('it is held against the home’s own copy of the keygen or, where that is damaged or gone, against its log', async () => {
  expect((await joined({ nonce: '77'.repeat(16) })).error).toMatchObject({ code: 'E_APPROVALS_MISSING' })
  const disk = world.homes.get('s1')?.disk as MemoryDisk
  const path = definitionPath(ceremonyId(keygen))
  const another = definitionCodec.encode({ ...keygen, nonce: '79'.repeat(16) })
  for (const [at, bytes] of [utf8('{}'), another].entries()) {
    disk.files.set(path, bytes)
    expect((await joined({ nonce: `8${at}`.repeat(16) })).error).toMatchObject({ code: 'E_APPROVALS_MISSING' })
    expect((await joined({ nonce: `9${at}`.repeat(16), threshold: 3 })).error).toMatchObject({ code: 'E_DEFINITION' })
  }
  disk.files.delete(path)
  expect((await joined({ nonce: '82'.repeat(16) })).error).toMatchObject({ code: 'E_APPROVALS_MISSING' })
  disk.files.delete(logPath(ceremonyId(keygen)))
  expect((await joined({ nonce: '83'.repeat(16) })).error).toMatchObject({ code: 'E_NOT_FOUND' })
})
