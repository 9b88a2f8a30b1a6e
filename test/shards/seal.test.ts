import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KmsKey } from '../../src/kms/port.ts'
import type { Hash, Index } from '../../src/lib/brand.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { Codec } from '../../src/records/codec.ts'
import {
  envelopeHash,
  type SealedShard,
  type ShardCore,
  shardCiphertextCodec,
  shardCoreCodec,
  shardFileCodec,
  shardSlotsCodec,
} from '../../src/records/sealed-shard.ts'
import { openShard, sealShard } from '../../src/shards/seal.ts'
import { memoryKms } from '../support/kms.ts'
import { seededRandom } from '../support/random.ts'

const core: ShardCore = {
  kind: 'keygen',
  key: 'ab'.repeat(32) as Hash,
  protocol: 'frost-ed25519',
  epoch: 1,
  index: 2 as Index,
  threshold: 2,
  sites: 3,
  verifyingShare: 'cd'.repeat(32),
  outcome: 'ab'.repeat(32) as Hash,
  jurisdiction: 'EU',
  access: 'one-key',
}
const shareBytes = new Uint8Array(32).map((_, at) => at * 7)
const seal = (keys: readonly KmsKey[] = [memoryKms()], seed = 'seal', share = shareBytes): Promise<SealedShard> =>
  sealShard({ core, share: new Secret(share.slice()), keys, random: seededRandom(seed) })

describe('sealed shard', () => {
  it('opens to the share that was sealed', async () => {
    for (const length of [32, 57, 4000]) {
      const share = new Uint8Array(length).fill(length)
      const sealed = await seal([memoryKms()], 'length', share)
      expect((await openShard(sealed, envelopeHash(sealed), [memoryKms()])).reveal()).toEqual(share)
      expect(shardCoreCodec.decode(sealed.core)).toEqual(core)
    }
  })

  it('leaves no data key behind where the KMS refuses to wrap it', async () => {
    let piece: Secret | undefined
    const wrap: KmsKey['wrap'] = async (given) => {
      piece = given
      throw new Error('refused')
    }
    await expect(seal([{ ...memoryKms(), wrap }])).rejects.toThrow('refused')
    expect(() => piece?.reveal()).toThrow('wiped')
  })

  it('holds the share in no plain form, and never seals it twice alike', async () => {
    const [one, two] = [await seal(), await seal([memoryKms()], 'again')]
    const all = [one.core, one.slots, one.ciphertext].map(toHex).join('')
    expect(all).not.toContain(toHex(shareBytes))
    expect(envelopeHash(one)).not.toBe(envelopeHash(two))
    expect(shardCiphertextCodec.decode(one.ciphertext).sealed).not.toEqual(
      shardCiphertextCodec.decode(two.ciphertext).sealed,
    )
  })

  it('is refused where it is not the one that the record names', async () => {
    const [one, two] = [await seal(), await seal([memoryKms()], 'again')]
    await expect(openShard(one, envelopeHash(two), [memoryKms()])).rejects.toMatchObject({ code: 'E_SHARD', exit: 5 })
  })

  it('is refused with any byte flipped, before and after the hash is made to fit', async () => {
    const sealed = await seal()
    const hash = envelopeHash(sealed)
    for (const part of ['core', 'slots', 'ciphertext'] as const)
      for (let at = 0; at < sealed[part].length; at++) {
        const bytes = sealed[part].slice()
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8))
        const flipped = { ...sealed, [part]: bytes }
        await expect(openShard(flipped, hash, [memoryKms()])).rejects.toMatchObject({ code: 'E_SHARD' })
        await expect(openShard(flipped, envelopeHash(flipped), [memoryKms()])).rejects.toMatchObject({
          code: expect.stringMatching(/^E_(SHARD|KMS_DENIED|KMS_UNAVAILABLE)$/),
        })
      }
  })

  it('is refused with parts of two envelopes', async () => {
    const [one, two] = [await seal(), await seal([memoryKms()], 'again')]
    for (const part of ['slots', 'ciphertext'] as const) {
      const mixed = { ...one, [part]: two[part] }
      await expect(openShard(mixed, envelopeHash(mixed), [memoryKms()])).rejects.toMatchObject({ code: 'E_SHARD' })
    }
  })

  it('opens with the key that its slot names, among several of one provider', async () => {
    const used: string[] = []
    const watched = (name: string): KmsKey => {
      const kms = memoryKms(name)
      return {
        ...kms,
        unwrap: (...given) => {
          used.push(name)
          return kms.unwrap(...given)
        },
      }
    }
    const keys = ['first', 'second', 'third'].map(watched)
    for (const name of ['second', 'third', 'first']) {
      used.length = 0
      const sealed = await seal([memoryKms(name)], name)
      expect((await openShard(sealed, envelopeHash(sealed), keys)).reveal()).toEqual(shareBytes)
      expect(used).toEqual([name])
    }
  })

  it('opens with a key that has another name by now', async () => {
    const sealed = await seal([memoryKms('moved')])
    const renamed = { ...memoryKms('moved'), ref: { provider: 'local', key: '/elsewhere' } }
    for (const keys of [[renamed], [memoryKms('other'), renamed], [renamed, memoryKms('other')]])
      expect((await openShard(sealed, envelopeHash(sealed), keys)).reveal()).toEqual(shareBytes)
    const elsewhere = { ...renamed, ref: { provider: 'cloud', key: '/memory/moved' } }
    await expect(openShard(sealed, envelopeHash(sealed), [elsewhere])).rejects.toMatchObject({
      code: 'E_KMS_UNAVAILABLE',
    })
  })

  it('opens for no other key, and for none', async () => {
    const sealed = await seal()
    await expect(openShard(sealed, envelopeHash(sealed), [memoryKms('other')])).rejects.toMatchObject({
      code: 'E_KMS_DENIED',
    })
    await expect(openShard(sealed, envelopeHash(sealed), [])).rejects.toMatchObject({ code: 'E_KMS_UNAVAILABLE' })
    await expect(openShard(sealed, envelopeHash(sealed), [])).rejects.toMatchObject({
      message: expect.stringContaining('local:/memory/memory'),
    })
    await expect(seal([])).rejects.toThrow(/^one-key sealing takes another number/)
    await expect(seal([memoryKms(), memoryKms('b')])).rejects.toThrow(/^one-key sealing takes another number/)
  })

  it('is refused where the KMS returns another piece', async () => {
    const sealed = await seal()
    for (const piece of [new Uint8Array(32), new Uint8Array(0), new Uint8Array(64)]) {
      const liar: KmsKey = { ...memoryKms(), unwrap: async () => new Secret(piece.slice()) }
      await expect(openShard(sealed, envelopeHash(sealed), [liar])).rejects.toMatchObject({
        code: 'E_SHARD',
        message: expect.stringContaining('another piece'),
      })
    }
  })

  it('is refused with another key commitment, whatever the ciphertext', async () => {
    const sealed = await seal()
    const body = shardCiphertextCodec.decode(sealed.ciphertext)
    const changed = {
      ...sealed,
      ciphertext: shardCiphertextCodec.encode({ ...body, commitment: new Uint8Array(32) }),
    }
    await expect(openShard(changed, envelopeHash(changed), [memoryKms()])).rejects.toMatchObject({
      message: expect.stringContaining('key commitment'),
    })
    const longer = new Uint8Array([...body.sealed, 0])
    const tail = { ...sealed, ciphertext: shardCiphertextCodec.encode({ ...body, sealed: longer }) }
    await expect(openShard(tail, envelopeHash(tail), [memoryKms()])).rejects.toMatchObject({
      message: expect.stringContaining('ciphertext was changed'),
    })
  })

  it('wipes no share of its caller', async () => {
    const share = new Secret(shareBytes.slice())
    await sealShard({ core, share, keys: [memoryKms()], random: seededRandom('x') })
    expect(share.reveal()).toEqual(shareBytes)
  })
})

describe('parts of an envelope', () => {
  it('decode only what encode writes', async () => {
    const sealed = await seal()
    const parts: readonly (readonly [Codec<unknown>, Uint8Array])[] = [
      [shardCoreCodec as Codec<unknown>, sealed.core],
      [shardSlotsCodec as Codec<unknown>, sealed.slots],
      [shardCiphertextCodec as Codec<unknown>, sealed.ciphertext],
      [shardFileCodec as Codec<unknown>, shardFileCodec.encode([sealed.core, sealed.ciphertext])],
    ]
    for (const [codec, bytes] of parts) {
      fc.assert(
        fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
          const changed = cut ? bytes.slice(0, at) : bytes.slice()
          if (!cut) changed[at] = byte
          try {
            const value = codec.decode(changed)
            expect(codec.encode(value)).toEqual(changed)
          } catch (error) {
            expect((error as Error).name).toBe('DecodeError')
          }
        }),
        { numRuns: 500 },
      )
      expect(() => codec.decode(new Uint8Array(codec.limit + 1))).toThrow(/more than/)
    }
  })
})
