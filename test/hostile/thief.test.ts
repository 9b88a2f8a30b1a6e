import { createDecipheriv, createHash, hkdfSync } from 'node:crypto'
import { decode } from 'cborg'
import { beforeAll, describe, expect, it } from 'vitest'
import type { KmsKey } from '../../src/kms/port.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import { replicasOf } from '../../src/shards/replicas.ts'
import { replicated } from '../../src/shards/replicated.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { kmsOf } from '../support/kms.ts'
import { approveIn, type MemoryWorld, memoryWorld, startJoin } from '../support/memory-site.ts'
import { type MemoryStore, memoryStore } from '../support/memory-store.ts'
import { moveCard } from '../support/rewraps.ts'

/**
 * A thief has every store of every site, and KMS keys. Its code knows the format and nothing of ours: where it opens a
 * share with the keys that are enough, it is good enough to say something where they are not.
 */

const names = ['eu', 'us', 'ap']
const euKeys = ['/keys/eu.key', '/keys/eu-2.key', '/keys/eu-3.key'].map((key) => ({ provider: 'local', key }))

const u32 = (n: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(n)
  return bytes
}
const tuple = (label: string, ...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256').update(u32(label.length)).update(label).update(u32(parts.length))
  for (const part of parts) hash.update(u32(part.length)).update(part)
  return hash.digest()
}

interface Sealed {
  readonly core: Uint8Array
  readonly slots: Uint8Array
  readonly ciphertext: Uint8Array
}

/** Every envelope that lies in a store. */
const envelopesIn = (store: MemoryStore): readonly Sealed[] =>
  [...store.objects].flatMap(([name, file]) => {
    const slots = name.endsWith('/shard') ? store.objects.get(name.replace(/shard$/, 'slots')) : undefined
    if (slots === undefined) return []
    const [, [core, ciphertext]] = decode(file) as [string, [Uint8Array, Uint8Array]]
    return [{ core, slots, ciphertext }]
  })

const xor = (...parts: readonly Uint8Array[]): Buffer =>
  Buffer.from(Array.from({ length: 32 }, (_, at) => parts.reduce((sum, part) => sum ^ (part[at] ?? 0), 0)))

/** All that a thief would try as a data key: pieces, their halves, and what any of them give together. */
const candidates = (pieces: readonly Uint8Array[]): readonly Buffer[] => {
  const halves = pieces
    .flatMap((piece) => [piece.subarray(0, 32), piece.subarray(32)])
    .filter(({ length }) => length === 32)
  const found: Buffer[] = []
  for (let set = 1; set < 2 ** halves.length; set++) found.push(xor(...halves.filter((_, at) => set & (1 << at))))
  return found
}

const opened = async (sealed: Sealed, keys: readonly KmsKey[]): Promise<Buffer | undefined> => {
  const [, slots] = decode(sealed.slots) as [
    string,
    { wrapped: Uint8Array; provider: string; key: string; version: string }[],
  ]
  const [, body] = decode(sealed.ciphertext) as [string, { salt: Uint8Array; sealed: Uint8Array }]
  const pieces: Uint8Array[] = []
  for (const [at, slot] of slots.entries())
    for (const key of keys) {
      const context = tuple('quorate shard slot v1', sealed.core, u32(at + 1)).toString('hex') as Hash
      const wrapped = { ...slot, ciphertext: slot.wrapped }
      const piece = await key.unwrap(wrapped, context).catch(() => undefined)
      if (piece !== undefined) pieces.push(Uint8Array.from(piece.reveal()))
    }
  const binding = tuple('quorate shard key v1', sealed.core, sealed.slots)
  for (const dataKey of candidates(pieces)) {
    const derived = Buffer.from(hkdfSync('sha256', dataKey, body.salt, binding, 76))
    const decipher = createDecipheriv('aes-256-gcm', derived.subarray(0, 32), derived.subarray(32, 44))
    decipher.setAAD(binding)
    decipher.setAuthTag(body.sealed.subarray(-16))
    try {
      return Buffer.concat([decipher.update(body.sealed.subarray(0, -16)), decipher.final()])
    } catch {
      // Not this one.
    }
  }
  return undefined
}

const subsets = <T>(all: readonly T[]): readonly (readonly T[])[] =>
  Array.from({ length: 2 ** all.length }, (_, set) => all.filter((__, at) => set & (1 << at)))

describe('whoever has every store of every site', () => {
  let world: MemoryWorld
  const stores = new Map(names.map((name) => [name, memoryStore(`s3://${name}?region=eu-west-1`)] as const))
  let keygen: KeygenDefinition
  beforeAll(async () => {
    world = await memoryWorld(names)
    await moveCard(world, 'eu', ...euKeys.map(({ key }) => key))
    const sites = (await siteEntries(names)).map((site) => (site.name === 'eu' ? { ...site, kms: euKeys } : site))
    keygen = await keygenDefinition({ sites, sealing: 'two-of-three' })
    for (const name of names) await approveIn(world, name, keygen)
    const runs = await Promise.all(
      names.map((name) => {
        const store = stores.get(name) as MemoryStore
        const disk = world.homes.get(name)?.disk ?? expect.fail()
        return startJoin(world, name, keygen, null, {
          shards: replicated(
            shardStore(disk),
            disk,
            replicasOf(disk, hashOf(Buffer.from(name)), [store.uri], async () => store),
          ),
        })
      }),
    )
    for (const { done } of runs) expect((await done).state).toBe('closed')
  })

  const keysOf = (name: string): readonly KmsKey[] =>
    (keygen.sites.find((site) => site.name === name)?.kms ?? []).map((slot) => kmsOf(name, slot))

  it('opens a share with exactly those keys that are enough for it', async () => {
    const everywhere = names.flatMap((name) =>
      envelopesIn(stores.get(name) as MemoryStore).map((sealed) => ({ name, sealed })),
    )
    expect(everywhere.map(({ name }) => name)).toEqual(names)
    const all = names.flatMap((name) => keysOf(name).map((key) => ({ name, key })))
    expect(all).toHaveLength(5)
    let shares = 0
    for (const hand of subsets(all))
      for (const { name, sealed } of everywhere) {
        const own = hand.filter((one) => one.name === name).length
        const share = await opened(
          sealed,
          hand.map(({ key }) => key),
        )
        expect(share !== undefined, `${name} with ${hand.map((one) => one.key.ref.key)}`).toBe(
          own >= (name === 'eu' ? 2 : 1),
        )
        if (share !== undefined) shares += 1
      }
    // Of 32 hands: 16 open eu's, and 16 each that of the others.
    expect(shares).toBe(48)
  })
})
