import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Index, Party } from '../../src/lib/brand.ts'
import { toHex } from '../../src/lib/bytes.ts'
import type { SuiteId } from '../../src/mpc/frost/suite.ts'
import type { ShareHolder } from '../../src/mpc/scheme.ts'
import { protocolIds } from '../../src/records/definition-fields.ts'
import {
  type Epoch,
  keyOf,
  type Mending,
  makeEpoch,
  type Roster,
  refreshed,
  repaired,
  reshared,
  sharesAt,
  signWith,
} from '../support/epochs.ts'
import { inTurn, many, SEED } from '../support/report.ts'

/** Sequences of refresh, reshare and repair: which sites can sign at the end, and which cannot. */

const MOST = 5

/** A permutation of 1 … n that numbers fix. */
const shuffled = (n: number, keys: readonly number[]): readonly number[] =>
  Array.from({ length: n }, (_, at) => at + 1).sort((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0) || a - b)

interface Step {
  readonly kind: 'refresh' | 'reshare' | 'repair'
  /** Sizes and orders are drawn from these, whatever epoch the step finds. */
  readonly threshold: number
  readonly parties: number
  readonly dealers: number
  /** How many places are taken by old and new sites both. */
  readonly shared: number
  readonly keys: readonly number[]
}

const step = fc.record<Step>({
  kind: fc.constantFrom('refresh', 'reshare', 'reshare', 'repair'),
  threshold: fc.nat(MOST),
  parties: fc.nat(MOST),
  dealers: fc.nat(MOST),
  shared: fc.nat(MOST),
  keys: fc.array(fc.nat(1000), { minLength: 16, maxLength: 16 }),
})

const between = (n: number, least: number, most: number): number => least + (n % (most - least + 1))

const rosterOf = (old: Epoch, { threshold, parties, dealers, shared, keys }: Step): Roster => {
  const count = between(parties, 2, MOST)
  const old_ = old.shares.length
  const dealing = shuffled(old_, keys)
    .slice(0, between(dealers, old.threshold, old_))
    .toSorted((a, b) => a - b)
  const both = between(shared, 0, Math.min(count, dealing.length))
  const seats = dealing.length + count - both
  const places = shuffled(seats, keys) as readonly Party[]
  return {
    dealers: dealing.map((index, at) => ({ party: places[at] as Party, index: index as Index })),
    receivers: places.slice(dealing.length - both),
    threshold: between(threshold, 2, count),
    seats,
  }
}

const mendingOf = (epoch: Epoch, { keys }: Step): Mending => {
  const [mended, ...others] = shuffled(epoch.shares.length, keys) as readonly Index[] as [Index, ...Index[]]
  const places = shuffled(epoch.threshold + 1, keys.toReversed()) as readonly Party[]
  const holder = (index: Index, at: number): ShareHolder => ({ party: places[at] as Party, index })
  const helpers = others.slice(0, epoch.threshold).map(holder)
  return { helpers, mended: holder(mended, epoch.threshold), seats: epoch.threshold + 1 }
}

/** The epoch after a step; a repair is of the same epoch, and has to give the very share. */
const after = async (id: SuiteId, epoch: Epoch, one: Step, seed: string): Promise<Epoch> => {
  if (one.kind === 'refresh') return (await refreshed(id, epoch, seed)).epoch
  if (one.kind === 'reshare') return (await reshared(id, epoch, rosterOf(epoch, one), seed)).epoch
  if (epoch.threshold === epoch.shares.length) return epoch
  const mending = mendingOf(epoch, one)
  const share = await repaired(id, epoch, mending, seed)
  expect(toHex(share.reveal())).toBe(toHex(epoch.shares[mending.mended.index - 1]?.reveal() as Uint8Array))
  return { ...epoch, shares: epoch.shares.with(mending.mended.index - 1, share) }
}

/** By day two of the suites, by turns. */
describe.each(inTurn(protocolIds, 2))('%s', (id) => {
  it('keeps its key through refresh, reshare and repair: quorums of the newest epoch have it alone', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: MOST }),
        fc.nat(),
        fc.array(step, { minLength: 1, maxLength: 4 }),
        async (parties, t, steps) => {
          const first = await makeEpoch(id, between(t, 2, parties), parties, `${id} sequences`)
          const key = toHex(first.publicKey)
          const epochs = [first]
          for (const [at, one] of steps.entries()) {
            const old = epochs.at(-1) as Epoch
            const next = await after(id, old, one, `${id} step ${at}`)
            expect(toHex(next.publicKey)).toBe(key)
            for (const [place, share] of next.shares.entries())
              expect(keyOf(id, [1 as Index], [share])).toBe(toHex(next.verifyingShares[place] as Uint8Array))
            if (one.kind !== 'repair') epochs.push(next)
          }
          const newest = epochs.at(-1) as Epoch
          const { keys } = steps.at(-1) as Step
          const indices = shuffled(newest.shares.length, keys) as readonly Index[]
          const quorum = indices.slice(0, newest.threshold)
          await expect(signWith(id, newest, quorum, 'the newest')).resolves.toBeInstanceOf(Uint8Array)
          expect(
            keyOf(
              id,
              indices,
              newest.shares.map((_, at) => sharesAt(newest, [indices[at] as Index])[0] as never),
            ),
          ).toBe(key)
          const fewer = quorum.slice(1)
          expect(keyOf(id, fewer, sharesAt(newest, fewer))).not.toBe(key)
          await expect(signWith(id, { ...newest, threshold: fewer.length }, fewer, 'fewer')).rejects.toMatchObject({
            code: 'E_SHARD',
          })
          for (const old of epochs.slice(0, -1)) {
            const [one, ...others] = quorum.toSorted((a, b) => a - b) as [Index, ...Index[]]
            if (one > old.shares.length) continue
            const mixed = [...sharesAt(old, [one]), ...sharesAt(newest, others)]
            expect(keyOf(id, [one, ...others], mixed)).not.toBe(key)
          }
        },
      ),
      { numRuns: id === 'frost-ed448' ? many(1, 4, 20) : many(3, 15, 100), seed: SEED },
    )
  })
})
