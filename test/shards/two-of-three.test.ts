import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KmsKey } from '../../src/kms/port.ts'
import type { Hash, Index } from '../../src/lib/brand.ts'
import { equal } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'
import { envelopeHash, type SealedShard, type ShardCore, shardSlotsCodec } from '../../src/records/sealed-shard.ts'
import { cuts } from '../../src/shards/pieces.ts'
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
  access: 'two-of-three',
}
const share = new Uint8Array(32).map((_, at) => at * 7)
const names = ['aws', 'gcp', 'azure'] as const
const ours = names.map((name) => memoryKms(name))
const without = (...gone: readonly number[]): KmsKey[] =>
  ours.map((kms, at) => (gone.includes(at) ? { ...kms, unwrap: () => Promise.reject(unreachable(at)) } : kms))
const unreachable = (at: number): QuorateError =>
  new QuorateError('E_KMS_UNAVAILABLE', `the KMS key ${names[at]} cannot be reached`, 'look at the network')
const seal = (keys: readonly KmsKey[] = ours): Promise<SealedShard> =>
  sealShard({ core, share: new Secret(share.slice()), keys, random: seededRandom('two of three') })
const open = async (sealed: SealedShard, keys: readonly KmsKey[], wanted?: 'enough' | 'all'): Promise<Uint8Array> =>
  (await openShard(sealed, envelopeHash(sealed), keys, wanted)).reveal()

describe('a data key in three pieces', () => {
  const cut = cuts['two-of-three']
  const split = (key: Uint8Array, seed: string) => cut.split(new Secret(key.slice()), seededRandom(seed))
  const at = (pieces: readonly Secret[], ...slots: readonly number[]) =>
    new Map(slots.map((slot) => [slot, new Secret((pieces[slot - 1] as Secret).reveal().slice())]))

  it('comes back from any two of them, and from all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.string(), (key, seed) => {
        const pieces = split(key, seed)
        expect(pieces.map(({ length }) => length)).toEqual([64, 64, 64])
        for (const slots of [
          [1, 2],
          [1, 3],
          [2, 3],
          [3, 1],
          [1, 2, 3],
        ])
          expect(cut.combine(at(pieces, ...slots))?.reveal()).toEqual(key)
      }),
    )
  })

  it('is in none of them: of two keys, each piece is as likely that of the one as of the other', () => {
    // With the randomness known but for one part, a piece that lacks that part fits every key.
    const pieces = split(new Uint8Array(32).fill(5), 'one')
    for (const other of [new Uint8Array(32), new Uint8Array(32).fill(9)])
      for (const slot of [1, 2, 3]) {
        const [left, right] = [1, 2, 3].filter((one) => one !== slot) as [number, number]
        const own = (pieces[slot - 1] as Secret).reveal()
        // Pieces of the other key that share this very piece with the first.
        const [b, c] = [own.subarray(0, 32), own.subarray(32)]
        const a = other.map((byte, n) => byte ^ (b[n] as number) ^ (c[n] as number))
        const parts = new Map([
          [slot, a],
          [left, b],
          [right, c],
        ])
        const piece = (of: number) =>
          new Secret(
            new Uint8Array([1, 2, 3].filter((one) => one !== of).flatMap((one) => [...(parts.get(one) as Uint8Array)])),
          )
        expect(equal(piece(slot).reveal(), own)).toBe(true)
        for (const second of [left, right])
          expect(
            cut
              .combine(
                new Map([
                  [slot, piece(slot)],
                  [second, piece(second)],
                ]),
              )
              ?.reveal(),
          ).toEqual(other)
      }
  })

  it('comes from no two pieces of two keys', () => {
    const [one, two] = [split(new Uint8Array(32).fill(1), 'one'), split(new Uint8Array(32).fill(2), 'two')]
    for (const [a, b] of [
      [1, 2],
      [1, 3],
      [2, 3],
    ] as const)
      expect(cut.combine(new Map([...at(one, a), ...at(two, b)]))).toBeUndefined()
    expect(cut.combine(at(one, 2))).toBeUndefined()
  })
})

describe('a shard under three keys', () => {
  it('opens by any two, and by no single one', async () => {
    const sealed = await seal()
    for (const gone of [[], [0], [1], [2]]) expect(await open(sealed, without(...gone))).toEqual(share)
    for (const gone of [
      [0, 1],
      [0, 2],
      [1, 2],
      [0, 1, 2],
    ]) {
      const left = [0, 1, 2].filter((one) => !gone.includes(one))
      await expect(open(sealed, without(...gone))).rejects.toMatchObject({
        code: 'E_KMS_UNAVAILABLE',
        message: expect.stringMatching(
          `^${left.length === 0 ? 'none' : 'only 1'} of the 3 KMS keys opened its piece of the shard, and 2 are needed: ${gone.map((at) => unreachable(at).message).join('; ')}$`,
        ),
        hint: `${left.length === 0 ? '2 of them more are needed' : 'one of them more is enough'}. look at the network`,
      })
    }
    for (const keys of [ours.slice(0, 1), ours.slice(2), []])
      await expect(open(sealed, keys)).rejects.toMatchObject({ message: expect.stringContaining('2 are needed') })
  })

  it('waits for none of them longer than for two others', async () => {
    const sealed = await seal()
    let late: ((piece: Secret) => void) | undefined
    const hanging = { ...(ours[0] as KmsKey), unwrap: () => new Promise<Secret>((resolve) => (late = resolve)) }
    expect(await open(sealed, [hanging, ...ours.slice(1)])).toEqual(share)
    // A piece that comes when nobody waits for it any more is wiped.
    const piece = new Secret(new Uint8Array(64))
    late?.(piece)
    await new Promise((resolve) => setImmediate(resolve))
    expect(() => piece.reveal()).toThrow('wiped')
  })

  it('opens although one of them answers with another piece; each has to answer where all are asked', async () => {
    const sealed = await seal()
    for (const at of [0, 1, 2]) {
      const lying = { ...(ours[at] as KmsKey), unwrap: async () => new Secret(new Uint8Array(64).fill(at)) }
      const keys = ours.map((kms, n) => (n === at ? lying : kms))
      expect(await open(sealed, keys)).toEqual(share)
      await expect(open(sealed, keys, 'all')).rejects.toMatchObject({
        code: 'E_SHARD',
        message: expect.stringMatching(
          new RegExp(`only 2 of the 3 .* 3 are needed: .* wrapped under local:/memory/${names[at]}$`),
        ),
      })
      await expect(open(sealed, without(at), 'all')).rejects.toMatchObject({ code: 'E_KMS_UNAVAILABLE' })
    }
    expect(await open(sealed, ours, 'all')).toEqual(share)
  })

  it('is not sealed where one of them does not wrap, and no piece is left behind', async () => {
    const given: Secret[] = []
    const watched = ours.map((kms, at) => ({
      ...kms,
      wrap: async (...wanted: Parameters<KmsKey['wrap']>) => {
        given.push(wanted[0])
        if (at === 1) throw unreachable(at)
        return kms.wrap(...wanted)
      },
    }))
    await expect(seal(watched)).rejects.toMatchObject({ message: 'the KMS key gcp cannot be reached' })
    expect(given.length).toBe(3)
    for (const piece of given) expect(() => piece.reveal()).toThrow('wiped')
    for (const keys of [ours.slice(0, 2), [...ours, memoryKms('more')]])
      await expect(seal(keys)).rejects.toThrow('two-of-three sealing takes another number')
  })

  it('is refused with any byte of its slots flipped, with slots in another order, and with fewer', async () => {
    const sealed = await seal()
    for (let at = 0; at < sealed.slots.length; at++) {
      const slots = sealed.slots.slice()
      slots[at] = (slots[at] ?? 0) ^ (1 << (at % 8))
      const flipped = { ...sealed, slots }
      await expect(openShard(flipped, envelopeHash(flipped), ours)).rejects.toBeInstanceOf(QuorateError)
    }
    const [a, b, c] = shardSlotsCodec.decode(sealed.slots)
    for (const order of [
      [b, a, c],
      [a, c, b],
      [a, b],
      [a, a, c],
      [a, b, c, c],
    ]) {
      const mixed = { ...sealed, slots: shardSlotsCodec.encode(order.flatMap((slot) => slot ?? [])) }
      await expect(openShard(mixed, envelopeHash(mixed), ours)).rejects.toBeInstanceOf(QuorateError)
    }
  })

  it('ends with the bug itself where one stands behind a failing key', async () => {
    const sealed = await seal()
    const broken = ours.map((kms) => ({ ...kms, unwrap: () => Promise.reject(new TypeError('a bug')) }))
    await expect(open(sealed, [broken[0] as KmsKey, ...without(1, 2).slice(1)])).rejects.toThrow('a bug')
  })
})
