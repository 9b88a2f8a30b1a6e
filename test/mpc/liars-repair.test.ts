import { beforeAll, describe, expect, it } from 'vitest'
import type { Index, Party } from '../../src/lib/brand.ts'
import { newSalt } from '../../src/mpc/frost/dealing.ts'
import type { RepairCheck } from '../../src/mpc/frost/facts.ts'
import { lagrange } from '../../src/mpc/frost/polynomial.ts'
import { frostRepair, partsHash, repairRounds, splitScalar } from '../../src/mpc/frost/repair.ts'
import { Scratch } from '../../src/mpc/frost/scratch.ts'
import { loadSuite, type Suite } from '../../src/mpc/frost/suite.ts'
import type { Scalar } from '../../src/mpc/group/group.ts'
import type { RepairContext, RepairInput } from '../../src/mpc/scheme.ts'
import { DecodeError } from '../../src/records/codec.ts'
import { protocolIds } from '../../src/records/definition-fields.ts'
import { multipleOfBase, notAnElement, order, plusOne, zero } from '../support/crooked.ts'
import { type Epoch, type Mending, makeEpoch, refreshed, repairInputs, sessionOf, toolsOf } from '../support/epochs.ts'
import { blameOf, type Outgoing, runAll, type Tamper, values } from '../support/memory-mailbox.ts'
import { provenIn } from '../support/proven.ts'
import { seededRandom } from '../support/random.ts'
import { inTurn } from '../support/report.ts'

/** By day one of the suites, by turns: they share their code above the group. */
const ids = inTurn(protocolIds, 1, 1)
const session = sessionOf('liars in a repair')
/** Party 2 gets its share back; 5 looks on. */
const mending: Mending = {
  helpers: [
    { party: 4 as Party, index: 1 as Index },
    { party: 1 as Party, index: 3 as Index },
    { party: 3 as Party, index: 5 as Index },
  ],
  mended: { party: 2 as Party, index: 2 as Index },
  seats: 5,
}
const members = mending.helpers.map(({ index }) => index)
const all = [1, 2, 3, 4, 5] as Party[]

type Opening = readonly [salt: Uint8Array, elements: readonly Uint8Array[]]

describe.each(ids)('%s: liars in a repair', (id) => {
  const rules = frostRepair(id)
  const { judge, derive } = rules
  const rounds = repairRounds(id)
  let suite: Suite
  let epoch: Epoch
  let context: RepairContext
  beforeAll(async () => {
    suite = await loadSuite(id)
    epoch = await makeEpoch(id, 3, 5, `${id} repaired`)
    const { share: _, ...facts } = repairInputs(epoch, mending)[0] as RepairInput
    context = facts
  })

  const repair = (tamper?: Tamper, inputs: readonly RepairInput[] = repairInputs(epoch, mending)) =>
    runAll(rules, inputs, { session, tools: toolsOf(`${id} repair`), ...(tamper && { tamper }) })

  const convicted = async (
    liar: Party,
    check: RepairCheck,
    tamper: Tamper,
    tried?: readonly Party[],
  ): Promise<void> => {
    const { ended, network } = await repair(tamper)
    const blame = blameOf(ended)
    expect([blame.accused, blame.check]).toEqual([liar, check])
    // No honest part has left.
    expect(network.sent.some((one) => one.round === 'parts' && one.from !== liar)).toBe(false)
    const claim = blame.claim(context)
    expect(judge(claim)).toBe('proven')
    for (const round of ['commitments', 'openings'])
      expect(judge({ ...claim, messages: claim.messages.filter((one) => one.round !== round) })).toBe('refuted')
    if (tried !== undefined) expect(provenIn(rules, network, session, context, tried)).toEqual([`${liar} ${check}`])
  }

  const weighted = (from: Epoch, index: Index, among = members, mended = mending.mended.index): Scalar => {
    const { field } = suite.group
    const share = field.decode(from.shares[index - 1]?.reveal() as Uint8Array) as Scalar
    return field.multiply(lagrange(field, index, among, mended), share)
  }
  /** An opening of this value in that many parts. */
  const split = (whole: Scalar, count = 3): Opening => {
    const random = seededRandom(`${id} liar`)
    const parts = splitScalar(suite, whole, count, random, new Scratch(suite.group.field))
    return [newSalt(random), parts.map((part) => suite.group.encode(suite.group.timesBase(part)))]
  }
  /** Sends this opening, and its hash before. */
  const opens =
    (liar: Party, opening: Opening): Tamper =>
    ({ round, from }: Outgoing) => {
      if (from !== liar) return undefined
      const hash = partsHash(id, context, session, liar, opening)
      if (round === 'commitments') return rounds.commitments.codec.encode(hash)
      return round === 'openings' ? rounds.openings.codec.encode(opening) : undefined
    }

  it('commitment-count', async () => {
    const whole = weighted(epoch, 3 as Index)
    await convicted(1 as Party, 'commitment-count', opens(1 as Party, split(whole, 2)), all)
    await convicted(1 as Party, 'commitment-count', opens(1 as Party, split(whole, 4)))
  })

  it('commitment-point: no element, and the identity', async () => {
    const [salt, [first, second]] = split(weighted(epoch, 3 as Index)) as [Uint8Array, [Uint8Array, Uint8Array]]
    const identity = new Uint8Array(suite.group.bytes)
    if (id === 'frost-ed25519' || id === 'frost-ed448') identity[0] = 1
    await convicted(
      1 as Party,
      'commitment-point',
      opens(1 as Party, [salt, [first, second, notAnElement(suite)]]),
      all,
    )
    await convicted(1 as Party, 'commitment-point', opens(1 as Party, [salt, [identity, first, second]]))
  })

  it('base-share: parts of something else', async () => {
    const { field } = suite.group
    const right = weighted(epoch, 3 as Index)
    const { epoch: later } = await refreshed(id, epoch, `${id} another epoch`)
    await convicted(1 as Party, 'base-share', opens(1 as Party, split(field.add(right, field.fromNumber(1)))), all)
    for (const whole of [
      field.decode(epoch.shares[2]?.reveal() as Uint8Array) as Scalar,
      weighted(epoch, 3 as Index, [1, 3, 4] as Index[]),
      weighted(epoch, 3 as Index, members, 7 as Index),
      weighted(epoch, 1 as Index),
      weighted(later, 3 as Index),
      field.subtract(field.fromNumber(0), right),
    ])
      await convicted(1 as Party, 'base-share', opens(1 as Party, split(whole)))
  })

  it('opening: other parts, another’s, none', async () => {
    const { commitments, openings } = rounds
    const liar = 3 as Party
    const own = split(weighted(epoch, 5 as Index))
    // Split anew, when all others' elements are known.
    const instead = (opening: Opening | null) => openings.codec.encode(opening)
    await convicted(
      liar,
      'opening',
      ({ round, from }) => (from === liar && round === 'openings' ? instead(own) : undefined),
      all,
    )
    await convicted(liar, 'opening', ({ round, from }) =>
      from === liar && round === 'openings' ? instead([new Uint8Array(32), own[1]]) : undefined,
    )
    for (const silent of [['commitments'], ['openings'], ['commitments', 'openings']])
      await convicted(liar, 'opening', ({ round, from }) =>
        from === liar && silent.includes(round) ? rounds[round as 'openings'].codec.encode(null) : undefined,
      )
    // Party 1 speaks before it.
    const copies = new Map<string, Uint8Array>()
    await convicted(liar, 'opening', ({ round, from, payload }) => {
      if (round !== 'commitments' && round !== 'openings') return undefined
      if (from === 1) copies.set(round, payload)
      return from === liar ? copies.get(round) : undefined
    })
    const [one, two, three] = context.helpers as [
      (typeof mending)['mended'],
      (typeof mending)['mended'],
      (typeof mending)['mended'],
    ]
    for (const [facts, inSession, helper] of [
      [context, sessionOf('another'), liar],
      [context, session, 1],
      [{ ...context, threshold: 2 }, session, liar],
      [{ ...context, publicKey: context.verifyingShares[0] as Uint8Array }, session, liar],
      [{ ...context, verifyingShares: context.verifyingShares.toReversed() }, session, liar],
      [{ ...context, helpers: [two, one, three] }, session, liar],
      [{ ...context, helpers: [one, two, { ...three, index: 4 as Index }] }, session, liar],
      [{ ...context, mended: { ...context.mended, index: 4 as Index } }, session, liar],
      [{ ...context, mended: { ...context.mended, party: 5 as Party } }, session, liar],
    ] as const) {
      const hash = partsHash(id, facts, inSession, helper as Party, own)
      await convicted(liar, 'opening', (message) =>
        message.from === liar && message.round === 'commitments'
          ? commitments.codec.encode(hash)
          : opens(liar, own)(message),
      )
    }
  })

  it.each([
    { liar: 2, speaks: ['commitments'], what: 'the mended site' },
    { liar: 5, speaks: ['openings'], what: 'who looks on' },
    { liar: 5, speaks: ['commitments', 'openings'], what: 'who looks on' },
  ])('dealing-unasked: $what in $speaks', async ({ liar, speaks }) => {
    const opening: Opening = [new Uint8Array(32), [3, 4, 5].map((n) => multipleOfBase(suite, n))]
    await convicted(
      liar as Party,
      'dealing-unasked',
      (message) => (speaks.includes(message.round) ? opens(liar as Party, opening)(message) : undefined),
      [liar as Party],
    )
  })

  type Lie = (suite: Suite, honest: Uint8Array | null) => Uint8Array | null
  const seven: Lie = ({ group: { field } }) => field.encode(field.fromNumber(7))
  const scalarLies: Record<string, Lie> = {
    scalar: order,
    'scalar: nothing': () => null,
    zero,
    commitment: (_, honest) => plusOne(suite, honest as Uint8Array),
  }
  const privates: { check: string; round: 'parts' | 'sums'; from: number; to: number; lie: Lie }[] = [
    ...Object.entries(scalarLies).flatMap(([name, lie]) => [
      { check: `part-${name}`, round: 'parts' as const, from: 3, to: 4, lie },
      { check: `sum-${name}`, round: 'sums' as const, from: 1, to: 2, lie },
    ]),
    { check: 'part-unasked: a helper to the mended site', round: 'parts', from: 1, to: 2, lie: seven },
    { check: 'part-unasked: a helper to who looks on', round: 'parts', from: 4, to: 5, lie: seven },
    { check: 'part-unasked: the mended site', round: 'parts', from: 2, to: 3, lie: seven },
    { check: 'part-unasked: who looks on', round: 'parts', from: 5, to: 2, lie: seven },
    { check: 'sum-unasked: a helper to another', round: 'sums', from: 1, to: 4, lie: seven },
    { check: 'sum-unasked: a helper to who looks on', round: 'sums', from: 1, to: 5, lie: seven },
    { check: 'sum-unasked: the mended site', round: 'sums', from: 2, to: 4, lie: seven },
    { check: 'sum-unasked: who looks on', round: 'sums', from: 5, to: 2, lie: seven },
  ]
  it.each(privates)('$check', async ({ check: name, round, from, to, lie }) => {
    const [check] = name.split(':') as [string]
    const { codec } = rounds[round]
    const { ended, network } = await repair((one) => {
      if (one.round !== round || one.from !== from || one.to !== to) return undefined
      const honest = codec.decode(one.payload)
      expect(honest === null).toBe(check.endsWith('unasked'))
      return codec.encode(lie(suite, honest))
    })
    const blame = blameOf(ended)
    expect([blame.accuser, blame.accused, blame.check]).toEqual([to, from, check])
    // The mended site has no sum before all parts hold.
    if (round === 'parts') expect(network.sent.some((one) => one.round === 'sums' && one.from === to)).toBe(false)
    const claim = blame.claim(context)
    expect(judge(claim)).toBe('proven')
    expect(provenIn(rules, network, session, context, [from as Party])).toEqual([`${from} ${check}`])
    for (const missing of ['commitments', 'openings', round])
      expect(judge({ ...claim, messages: claim.messages.filter((one) => one.round !== missing) })).toBe('refuted')
    for (const wrong of [{ threshold: 2 }, { verifyingShares: context.verifyingShares.toReversed() }])
      expect(judge({ ...claim, context: { ...context, ...wrong } })).toBe('refuted')
    // Of a sum, everybody's elements are the evidence.
    const alone = claim.messages.filter((one) => one.from === from)
    const needsAll = ['sum-scalar', 'sum-zero', 'sum-commitment'].includes(check)
    expect(judge({ ...claim, messages: alone })).toBe(needsAll ? 'refuted' : 'proven')
  })

  it('parts that cancel for one helper change nothing: the mended share is the right one', async () => {
    const { codec } = rounds.parts
    const { field } = suite.group
    const one = field.fromNumber(1)
    const { ended } = await repair(({ round, from, to, payload }) => {
      if (round !== 'parts' || to !== 4 || (from !== 1 && from !== 3)) return undefined
      const part = field.decode(codec.decode(payload) as Uint8Array) as Scalar
      return codec.encode(field.encode(from === 1 ? field.add(part, one) : field.subtract(part, one)))
    })
    const shares = values(ended).map(({ share }) => share?.reveal())
    expect(shares[1]).toEqual(epoch.shares[1]?.reveal())
  })

  it('an honest party is never guilty, and nothing but sums meets the mended site', async () => {
    const { ended, network } = await repair()
    expect(values(ended).map(({ share }) => share !== undefined)).toEqual([false, true, false, false, false])
    expect(provenIn(rules, network, session, context, [1, 2, 5] as Party[])).toEqual([])
    const empty = (round: 'parts' | 'sums') =>
      network.sent.filter((one) => one.round === round && rounds[round].codec.decode(one.payload) === null)
    const said = (round: string) => network.sent.filter((one) => one.round === round)
    const spoken = (round: 'parts' | 'sums') =>
      said(round)
        .filter((one) => !empty(round).includes(one))
        .map(({ from, to }) => `${from} ${to}`)
    expect(spoken('parts').toSorted()).toEqual(['1 3', '1 4', '3 1', '3 4', '4 1', '4 3'])
    expect(spoken('sums').toSorted()).toEqual(['1 2', '3 2', '4 2'])
  })

  it('nothing is sent from a share, a base or a roster that does not hold', async () => {
    const honest = repairInputs(epoch, mending)
    const [first, second, third] = honest as [RepairInput, RepairInput, RepairInput]
    const { verifyingShares } = context
    for (const wrong of [
      { share: third.share },
      { verifyingShares: verifyingShares.toReversed() },
      { publicKey: verifyingShares[0] as Uint8Array },
      { verifyingShares: verifyingShares.with(-1, new Uint8Array(3)) },
    ]) {
      const { ended, network } = await repair(undefined, [{ ...first, ...wrong }, ...honest.slice(1)])
      expect(ended[0]).toMatchObject({ error: { code: 'E_SHARD' } })
      expect(network.sent.filter((one) => one.from === 1)).toEqual([])
    }
    const [one, two, three] = mending.helpers as [
      (typeof mending)['mended'],
      (typeof mending)['mended'],
      (typeof mending)['mended'],
    ]
    const contexts: Partial<RepairInput>[] = [
      { threshold: 1, helpers: [two] },
      { threshold: 2 },
      { threshold: 4 },
      { share: undefined },
      { helpers: [one, two] },
      { helpers: [one, two, two] },
      { helpers: [one, two, { ...three, party: one.party }] },
      { helpers: [one, two, { ...three, index: 2 as Index }] },
      { helpers: [one, two, { ...three, party: 2 as Party }] },
      { helpers: [one, two, { ...three, index: 6 as Index }] },
      { helpers: [one, two, { ...three, index: 0 as Index }] },
      { helpers: [one, two, { ...three, party: 6 as Party }] },
      { mended: { ...mending.mended, index: 6 as Index } },
      { mended: { ...mending.mended, party: 6 as Party } },
      { verifyingShares: Array.from({ length: 33 }, (_, at) => verifyingShares[at % 5] as Uint8Array) },
    ]
    for (const wrong of contexts) {
      const { ended } = await repair(undefined, [{ ...first, ...wrong }, ...honest.slice(1)])
      expect([wrong, ended[0]]).toMatchObject([wrong, { error: expect.any(RangeError) }])
    }
    // A share at the mended site.
    const { ended } = await repair(undefined, honest.with(1, { ...second, share: first.share }))
    expect(ended[1]).toMatchObject({ error: expect.any(RangeError) })
  })

  it('derive gives the key as it was, and needs every opening and a base that holds', async () => {
    const { network } = await repair()
    const messages = network.broadcasts(rounds)
    const { publicKey, verifyingShares } = context
    expect(derive(context, session, messages)).toEqual({ publicKey, verifyingShares })
    for (const party of all)
      for (const missing of ['commitments', 'openings']) {
        const fewer = messages.filter((one) => one.round !== missing || one.from !== party)
        expect(() => derive(context, session, fewer)).toThrow(`party ${party}: its dealing is not here`)
      }
    for (const wrong of [
      { verifyingShares: verifyingShares.toReversed() },
      { threshold: 4 },
      { helpers: mending.helpers.slice(1) },
      { mended: { ...mending.mended, index: 0 as Index } },
    ])
      expect(() => derive({ ...context, ...wrong }, session, messages)).toThrow(DecodeError)
    const other = { ...context, mended: { party: 2 as Party, index: 4 as Index } }
    expect(() => derive(other, session, messages)).toThrow('party 1: opening')
  })
})
