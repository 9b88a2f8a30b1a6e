import { describe, expect, it } from 'vitest'
import type { Index, Party } from '../../src/lib/brand.ts'
import { lagrange } from '../../src/mpc/frost/polynomial.ts'
import { frostRefresh } from '../../src/mpc/frost/refresh.ts'
import { frostRepair, splitScalar } from '../../src/mpc/frost/repair.ts'
import { frostReshare } from '../../src/mpc/frost/reshare.ts'
import { Scratch } from '../../src/mpc/frost/scratch.ts'
import { loadSuite, type Suite } from '../../src/mpc/frost/suite.ts'
import { resharedFrom } from '../../src/mpc/frost/total.ts'
import type { Scalar } from '../../src/mpc/group/group.ts'
import { DecodeError } from '../../src/records/codec.ts'
import { protocolIds } from '../../src/records/definition-fields.ts'
import { type Epoch, makeEpoch, repairInputs, reshareInputs, sessionOf } from '../support/epochs.ts'
import { type Ended, type MemoryNetwork, runAll } from '../support/memory-mailbox.ts'
import { drawing } from '../support/random.ts'

/** Sums that chance never makes and nobody can choose: each is named, nobody is blamed, and nothing secret has left. */

const session = sessionOf('degenerate shares')

const nobody = (ended: readonly Ended<unknown>[], network: MemoryNetwork, check: string): void => {
  for (const one of ended) expect(one).toMatchObject({ error: { code: 'E_DEGENERATE', details: { check } } })
  expect(network.sent.some(({ round }) => round === 'shares' || round === 'parts')).toBe(false)
}

const shareOf = ({ group: { field } }: Suite, epoch: Epoch, index: number): Scalar =>
  field.decode(epoch.shares[index - 1]?.reveal() as Uint8Array) as Scalar

describe.each(protocolIds)('%s', (id) => {
  it('a refresh whose dealings cancel', async () => {
    const { field } = (await loadSuite(id)).group
    const epoch = await makeEpoch(id, 2, 2, id)
    const { shares, ...facts } = epoch
    const context = { ...facts, parties: 2 }
    const seven = field.fromNumber(7)
    const drawn = [seven, field.subtract(field.fromNumber(0), seven)]
    const { ended, network } = await runAll(
      frostRefresh(id),
      shares.map((share) => ({ ...context, share })),
      { session, tools: (party) => ({ random: drawing(field, [drawn[party - 1] as Scalar], `${party}`) }) },
    )
    nobody(ended, network, 'sum-identity')
    const { derive, rounds } = frostRefresh(id)
    const derived = () => derive(context, session, network.broadcasts(rounds))
    expect(derived).toThrow(DecodeError)
    expect(derived).toThrow('all parties together: sum-identity')
  })

  it('a resharing whose dealings cancel in a coefficient: t−1 shares would be enough', async () => {
    const { field } = (await loadSuite(id)).group
    const epoch = await makeEpoch(id, 2, 2, id)
    const dealers = [1, 2].map((n) => ({ party: n as Party, index: n as Index }))
    const inputs = reshareInputs(epoch, { dealers, receivers: [1, 2] as Party[], threshold: 2, seats: 2 })
    const seven = field.fromNumber(7)
    const drawn = [seven, field.subtract(field.fromNumber(0), seven)]
    const { ended, network } = await runAll(frostReshare(id), inputs, {
      session,
      tools: (party) => ({ random: drawing(field, [drawn[party - 1] as Scalar], `${party}`) }),
    })
    nobody(ended, network, 'sum-identity')
    const { derive, rounds } = frostReshare(id)
    const [context] = inputs as [(typeof inputs)[number]]
    expect(() => derive(context, session, network.broadcasts(rounds))).toThrow('all parties together: sum-identity')
  })

  it('a resharing whose verifying share is the identity', async () => {
    const suite = await loadSuite(id)
    const { group } = suite
    const slope = group.timesBase(group.field.fromNumber(5))
    const constant = group.negate(group.timesSmall(3, slope))
    expect(resharedFrom(suite, [constant, slope], 3)).toBe('verifying-share-identity')
    expect(resharedFrom(suite, [constant, slope], 2)).toMatchObject({ publicKey: group.encode(constant) })
  })

  it('a repair whose parts for one helper cancel', async () => {
    const suite = await loadSuite(id)
    const { field } = suite.group
    const epoch = await makeEpoch(id, 2, 3, id)
    const helpers = [1, 2].map((n) => ({ party: n as Party, index: n as Index }))
    const inputs = repairInputs(epoch, { helpers, mended: { party: 3 as Party, index: 3 as Index }, seats: 3 })
    // The first keeps λ·x − 7, and gets its negative from the second.
    const weight = lagrange(field, 1 as Index, [1, 2] as Index[], 3 as Index)
    const seven = field.fromNumber(7)
    const drawn = [seven, field.subtract(seven, field.multiply(weight, shareOf(suite, epoch, 1))), seven]
    const { ended, network } = await runAll(frostRepair(id), inputs, {
      session,
      tools: (party) => ({ random: drawing(field, [drawn[party - 1] as Scalar], `${party}`) }),
    })
    nobody(ended, network, 'repair-sum-identity')
    const { derive, rounds } = frostRepair(id)
    const [{ share: _, ...context }] = inputs as [(typeof inputs)[number]]
    expect(() => derive(context, session, network.broadcasts(rounds))).toThrow(
      'all parties together: repair-sum-identity',
    )
  })

  it('a helper draws again where the part that it keeps would be zero', async () => {
    const suite = await loadSuite(id)
    const { field } = suite.group
    const [seven, four] = [7, 4].map((n) => field.fromNumber(n)) as [Scalar, Scalar]
    const parts = splitScalar(suite, seven, 2, drawing(field, [seven, four], 'again'), new Scratch(field))
    expect(parts.map((part) => field.encode(part))).toEqual([3, 4].map((n) => field.encode(field.fromNumber(n))))
  })
})
