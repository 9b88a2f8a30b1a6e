import { describe, expect, it } from 'vitest'
import type { Index } from '../../src/lib/brand.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { frostRefresh } from '../../src/mpc/frost/refresh.ts'
import { loadSuite, suiteOf } from '../../src/mpc/frost/suite.ts'
import { refreshedFrom } from '../../src/mpc/frost/total.ts'
import type { Element } from '../../src/mpc/group/group.ts'
import { protocolIds } from '../../src/records/definition-fields.ts'
import { type Epoch, keyOf, makeEpoch, refreshed, sharesAt, signWith } from '../support/epochs.ts'

describe.each(protocolIds)('%s: a refresh', (id) => {
  it.each([
    { threshold: 2, parties: 2 },
    { threshold: 2, parties: 3 },
    { threshold: 3, parties: 4 },
  ])('keeps the key of $threshold of $parties and makes every share anew', async ({ threshold, parties }) => {
    const old = await makeEpoch(id, threshold, parties, `${id} ${threshold}`)
    const { epoch: fresh, messages, session } = await refreshed(id, old, 'once')
    expect(toHex(fresh.publicKey)).toBe(toHex(old.publicKey))
    for (const [at, share] of fresh.shares.entries()) {
      expect(toHex(share.reveal())).not.toBe(toHex(old.shares[at]?.reveal() as Uint8Array))
      expect(keyOf(id, [1 as Index], [share])).toBe(toHex(fresh.verifyingShares[at] as Uint8Array))
    }
    const { shares: _, ...facts } = old
    const { publicKey, verifyingShares } = fresh
    expect(frostRefresh(id).derive({ ...facts, parties }, session, messages)).toEqual({ publicKey, verifyingShares })

    const last = Array.from({ length: threshold }, (_, at) => (parties - at) as Index)
    await expect(signWith(id, fresh, last, 'the last')).resolves.toBeInstanceOf(Uint8Array)
    // One share less gives another key, and so does one of the old epoch among the new ones.
    const key = toHex(old.publicKey)
    expect(keyOf(id, last, sharesAt(fresh, last))).toBe(key)
    expect(keyOf(id, last.slice(1), sharesAt(fresh, last.slice(1)))).not.toBe(key)
    const [one, ...others] = last as [Index, ...Index[]]
    expect(keyOf(id, last, [...sharesAt(old, [one]), ...sharesAt(fresh, others)])).not.toBe(key)
    const mixed: Epoch = {
      ...fresh,
      shares: fresh.shares.map((share, at) => (at + 1 === one ? old.shares[at] : share)) as Epoch['shares'],
    }
    await expect(signWith(id, mixed, last, 'mixed')).rejects.toMatchObject({ code: 'E_SHARD' })
  })

  it('a sum of dealings that makes no epoch has a name', async () => {
    const { group } = await loadSuite(id)
    const { field } = group
    const { shares: _, ...facts } = await makeEpoch(id, 3, 3, `${id} degenerate`)
    const context = { ...facts, parties: 3 }
    const base = facts.verifyingShares.map((one) => group.decode(one) as Element)
    const identity = group.combine(undefined, [], [])
    const other = group.timesBase(field.fromNumber(9))
    const made = (total: readonly Element[]) => refreshedFrom(suiteOf(id), context, base, total)
    expect(made([identity, other])).toBe('sum-identity')
    expect(made([other, identity])).toBe('sum-identity')
    expect(typeof made([other, other])).toBe('object')
    // Y_2 + 2·(C_0 + 2·C_1) is the identity for C_0 = −Y_2/2 − 2·C_1.
    const half = field.invert(field.fromNumber(2))
    const minus = (element: Element, times: ReturnType<typeof field.fromNumber>) =>
      group.negate(group.combine(undefined, [times], [element]))
    const root = group.add(minus(base[1] as Element, half), minus(other, field.fromNumber(2)))
    expect(made([root, other])).toBe('verifying-share-identity')
    // C_1 that takes away the base’s top coefficient, Σ Y_i / Π (i − j).
    const members = [1, 2, 3] as Index[]
    const weights = members.map((i) => {
      const product = members
        .filter((j) => j !== i)
        .reduce(
          (all, j) => field.multiply(all, field.subtract(field.fromNumber(i), field.fromNumber(j))),
          field.fromNumber(1),
        )
      return field.invert(product)
    })
    expect(made([other, group.negate(group.combine(undefined, weights, base))])).toBe('threshold-lower')
  })
})
