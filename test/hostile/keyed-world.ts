import { expect } from 'vitest'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Definition } from '../../src/records/definition.ts'
import type { SignDefinition } from '../../src/records/kinds/sign.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { type MemoryWorld, memoryWorld } from '../support/memory-site.ts'
import { approveAll, joinAs } from './ceremonies.ts'

/** Sites that have made a key, two of which sign by it. Copy the world before each ceremony in it. */
export interface Keyed {
  readonly world: MemoryWorld
  /** Record of the epoch. */
  readonly base: Hash
  /** A definition that signs a message with the key. */
  signing(message: Uint8Array, changes?: Partial<SignDefinition>): Promise<Definition>
}

export const keyedWorld = async (names: readonly SiteId[], deadlines: Definition['deadlines']): Promise<Keyed> => {
  const world = await memoryWorld(names)
  const sites = await siteEntries(names)
  const keygen = await keygenDefinition({ sites, deadlines })
  await approveAll(world, names, keygen)
  const made = await Promise.all(names.map((name) => joinAs(world, name, keygen, null)))
  const key = made[0]?.result?.key?.id as Hash
  const [epoch] = await shardStore((world.homes.get(names[0] as SiteId) ?? expect.fail()).disk).list()
  const base = hashOf(recordCodec.encode(epoch?.record ?? expect.fail('no key')))
  return {
    world,
    base,
    signing: (message, changes = {}) =>
      signDefinition({
        sites,
        key,
        base,
        deadlines,
        message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
        ...changes,
      }),
  }
}
