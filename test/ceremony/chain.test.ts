import { describe, expect, it } from 'vitest'
import type { Hash } from '../../src/lib/brand.ts'
import { fromHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import type { Definition } from '../../src/records/definition.ts'
import { protocolIds } from '../../src/records/definition-fields.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { approveIn, type MemoryWorld, memoryWorld, startJoin } from '../support/memory-site.ts'
import { inTurn } from '../support/report.ts'

const joinAll = async (
  world: MemoryWorld,
  names: readonly string[],
  definition: Definition,
  message: Uint8Array | null = null,
) => {
  const runs = await Promise.all(names.map((name) => startJoin(world, name, definition, message)))
  return Promise.all(runs.map((run) => run.done))
}

const bundleOf = async (world: MemoryWorld, name: string, path: string | null) => {
  const bytes = await world.homes.get(name)?.disk.read(path ?? '')
  if (bytes === undefined) throw new Error('no bundle')
  return hashOf(bytes)
}

describe('the chain in memory', () => {
  it.each(inTurn(protocolIds, 1))(
    '%s: three sites make a key, two sign with it, all bundles are equal',
    async (protocol) => {
      const names = ['eu', 'us', 'ap']
      const world = await memoryWorld(names)
      const keygen = await keygenDefinition({ protocol, sites: await siteEntries(names) })
      for (const name of names) await approveIn(world, name, keygen)
      const made = await joinAll(world, names, keygen)
      expect(made.map((one) => one.open)).toEqual([[], [], []])
      expect(new Set(await Promise.all(made.map((one) => bundleOf(world, one.site, one.bundle)))).size).toBe(1)
      const key = made[0]?.key
      if (key === null || key === undefined) throw new Error('no key')

      const message = utf8('pay nobody')
      const [epoch] = await (await import('../../src/shards/store.ts'))
        .shardStore(world.homes.get('eu')?.disk as never)
        .list()
      const { recordCodec } = await import('../../src/records/outcome.ts')
      const base = hashOf(recordCodec.encode(epoch?.record as never))
      const sign = await signDefinition({
        protocol,
        sites: keygen.sites,
        key: key.id as Hash,
        base,
        message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
      })
      for (const name of ['eu', 'ap']) await approveIn(world, name, sign)
      const signed = await joinAll(world, ['eu', 'ap'], sign, message)
      expect(signed.map((one) => one.open)).toEqual([[], []])
      expect(new Set(await Promise.all(signed.map((one) => bundleOf(world, one.site, one.bundle)))).size).toBe(1)
      const protocols = await loadScheme(protocol)
      for (const one of signed)
        expect(protocols.verifySignature(fromHex(key.publicKey), message, fromHex(one.signature ?? ''))).toBe(true)
    },
  )
})
