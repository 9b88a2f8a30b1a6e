import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/lib/bytes.ts'
import { refreshRounds } from '../../src/mpc/frost/refresh.ts'
import { repairRounds } from '../../src/mpc/frost/repair.ts'
import { reshareRounds } from '../../src/mpc/frost/reshare.ts'
import { suiteOf } from '../../src/mpc/frost/suite.ts'
import { type Codec, DecodeError } from '../../src/records/codec.ts'
import { protocolIds } from '../../src/records/definition-fields.ts'

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(9)
const list = (count: number, length: number): readonly Uint8Array[] =>
  Array.from({ length: count }, () => bytes(length))

/** Takes each value there and back, and none of the others. */
const holds = <T>(codec: Codec<T>, right: readonly T[], wrong: readonly T[]): void => {
  for (const one of right) expect(codec.decode(codec.encode(one))).toEqual(one)
  for (const one of wrong) expect(() => codec.encode(one)).toThrow(DecodeError)
}

describe.each(protocolIds)('%s: messages by which shares move', (id) => {
  const { group } = suiteOf(id)
  const size = group.field.bytes
  const proof = bytes(group.bytes + size)
  const [refresh, reshare, repair] = [refreshRounds(id), reshareRounds(id), repairRounds(id)]

  it('have one length, hold the largest roster, and say nothing only where that is foreseen', () => {
    const hashes = [0, 31, 33].map(bytes)
    holds(refresh.commitments.codec, [bytes(32)], [...hashes, null as never])
    for (const { commitments } of [reshare, repair]) holds(commitments.codec, [bytes(32), null], hashes)
    const scalars = [0, size - 1, size + 1].map(bytes)
    holds(refresh.shares.codec, [bytes(size)], [...scalars, null as never])
    for (const { codec } of [reshare.shares, repair.parts, repair.sums]) holds(codec, [bytes(size), null], scalars)

    const lists = [list(0, group.bytes), list(33, group.bytes), list(1, group.bytes - 1), list(1, group.bytes + 1)]
    const most = [bytes(32), list(32, group.bytes), proof] as const
    const openings = [
      ...lists.map((one) => [bytes(32), one, proof] as const),
      [bytes(31), list(2, group.bytes), proof] as const,
      [bytes(32), list(2, group.bytes), proof.subarray(1)] as const,
    ]
    holds(refresh.openings.codec, [most], [...openings, null as never])
    holds(reshare.openings.codec, [most, null], openings)
    const parts = [...lists.map((one) => [bytes(32), one] as const), [bytes(33), list(2, group.bytes)] as const]
    holds(repair.openings.codec, [[bytes(32), list(32, group.bytes)], null], parts)
  })

  it('are of one protocol and round each, and never written in two ways', () => {
    const samples: readonly (readonly [Codec<unknown>, unknown])[] = [
      ...[refresh, reshare, repair].map(({ commitments }) => [commitments.codec, bytes(32)] as const),
      ...[refresh, reshare].map(({ openings }) => [openings.codec, [bytes(32), list(2, group.bytes), proof]] as const),
      [repair.openings.codec, [bytes(32), list(2, group.bytes)]],
      ...[refresh.shares, reshare.shares, repair.parts, repair.sums].map(({ codec }) => [codec, bytes(size)] as const),
    ]
    expect(new Set(samples.map(([{ type }]) => type)).size).toBe(samples.length)
    fc.assert(
      fc.property(fc.nat(samples.length - 1), fc.nat(), fc.integer({ min: 1, max: 255 }), (at, place, change) => {
        const [codec, value] = samples[at] as (typeof samples)[number]
        const encoded = codec.encode(value)
        for (const [other] of samples) if (other !== codec) expect(() => other.decode(encoded)).toThrow(DecodeError)
        const index = place % encoded.length
        const changed = encoded.with(index, ((encoded[index] as number) + change) % 256)
        try {
          expect(toHex(codec.encode(codec.decode(changed)))).toBe(toHex(changed))
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { numRuns: 100 },
    )
  })
})
