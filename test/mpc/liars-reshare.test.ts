import { beforeAll, describe, expect, it } from 'vitest'
import type { Index, Party } from '../../src/lib/brand.ts'
import { evaluate, lagrange } from '../../src/mpc/frost/polynomial.ts'
import { frostReshare, reshareRounds, reshareTerms } from '../../src/mpc/frost/reshare.ts'
import { loadSuite, type Suite } from '../../src/mpc/frost/suite.ts'
import { type VssOpening, vssHash } from '../../src/mpc/frost/vss.ts'
import type { Scalar } from '../../src/mpc/group/group.ts'
import type { ReshareContext, ReshareInput } from '../../src/mpc/scheme.ts'
import { DecodeError } from '../../src/records/codec.ts'
import { protocolIds } from '../../src/records/definition-fields.ts'
import { type Epoch, makeEpoch, type Roster, refreshed, reshareInputs, sessionOf, toolsOf } from '../support/epochs.ts'
import { blameOf, type Outgoing, runAll, type Tamper, values } from '../support/memory-mailbox.ts'
import { provenIn } from '../support/proven.ts'
import { inTurn } from '../support/report.ts'
import { dealAny, openingLies, shareLies, vssLies } from '../support/vss-lies.ts'

/** By day one of the suites, by turns: they share their code above the group. */
const ids = inTurn(protocolIds, 1, 1)
const session = sessionOf('liars in a resharing')
/** The first deals and receives, 2 and 3 deal, 4 and 5 receive, 6 looks on. */
const roster: Roster = {
  dealers: [
    { party: 3 as Party, index: 1 as Index },
    { party: 1 as Party, index: 3 as Index },
    { party: 2 as Party, index: 4 as Index },
  ],
  receivers: [4, 1, 5] as Party[],
  threshold: 2,
  seats: 6,
}
const members = roster.dealers.map(({ index }) => index)

describe.each(ids)('%s: liars in a resharing', (id) => {
  const rules = frostReshare(id)
  const { judge, derive } = rules
  const rounds = reshareRounds(id)
  let suite: Suite
  let epoch: Epoch
  let context: ReshareContext
  beforeAll(async () => {
    suite = await loadSuite(id)
    epoch = await makeEpoch(id, 2, 4, `${id} reshared`)
    const { share: _, ...facts } = reshareInputs(epoch, roster)[0] as ReshareInput
    context = facts
  })

  const reshare = (tamper?: Tamper, inputs: readonly ReshareInput[] = reshareInputs(epoch, roster)) =>
    runAll(rules, inputs, { session, tools: toolsOf(`${id} reshare`), ...(tamper && { tamper }) })

  /** `tried`: whom a stranger tries to convict, of everything. */
  const convicted = async (
    liar: Party,
    check: string,
    tamper: Tamper,
    tried: readonly number[] = [],
  ): Promise<void> => {
    const { ended, network } = await reshare(tamper)
    const blame = blameOf(ended)
    expect([blame.accused, blame.check]).toEqual([liar, check])
    // No honest share has left.
    expect(network.sent.some((one) => one.round === 'shares' && one.from !== liar)).toBe(false)
    const claim = blame.claim(context)
    expect(judge(claim)).toBe('proven')
    for (const round of ['commitments', 'openings'])
      expect(judge({ ...claim, messages: claim.messages.filter((one) => one.round !== round) })).toBe('refuted')
    if (tried.length > 0)
      expect(provenIn(rules, network, session, context, tried as Party[])).toEqual([`${liar} ${check}`])
    expect(() => derive(context, session, network.broadcasts(rounds))).toThrow(`party ${liar}: ${check}`)
  }

  const indexOf = (party: Party): Index => roster.dealers.find((one) => one.party === party)?.index as Index
  const shareOf = (from: Epoch, index: Index): Scalar =>
    suite.group.field.decode(from.shares[index - 1]?.reveal() as Uint8Array) as Scalar
  const weighted = (from: Epoch, index: Index, among: readonly Index[] = members): Scalar =>
    suite.group.field.multiply(lagrange(suite.group.field, index, among), shareOf(from, index))

  /** Sends this opening, and its hash before. */
  const opens =
    (liar: Party, opening: VssOpening): Tamper =>
    ({ round, from }: Outgoing) => {
      if (from !== liar) return undefined
      const hash = vssHash(suite, reshareTerms(context, session, liar), opening)
      if (round === 'commitments') return rounds.commitments.codec.encode(hash)
      return round === 'openings' ? rounds.openings.codec.encode(opening) : undefined
    }

  const cases = Object.entries(vssLies).flatMap(([check, lies]) => lies.map((lie, at) => ({ check, at, lie })))
  it.each(cases)('$check $at', async ({ check, at, lie }) => {
    const liar = 2 as Party
    const terms = reshareTerms(context, session, liar)
    const constant = weighted(epoch, indexOf(liar))
    const honest = dealAny(suite, terms, `${id} liar`, constant)
    await convicted(liar, check, opens(liar, lie(suite, terms, honest, constant)), at === 0 ? [1, 2, 4, 6] : [])
  })

  it('base-share: a share of something else, with a proof that holds', async () => {
    const liar = 1 as Party
    const index = indexOf(liar)
    const { field } = suite.group
    const { epoch: later } = await refreshed(id, epoch, `${id} another epoch`)
    for (const constant of [
      shareOf(epoch, index),
      weighted(epoch, index, [1, 3] as Index[]),
      weighted(epoch, 4 as Index),
      weighted(later, index),
      field.add(weighted(epoch, index), field.fromNumber(1)),
      field.subtract(field.fromNumber(0), weighted(epoch, index)),
    ])
      await convicted(
        liar,
        'base-share',
        opens(liar, dealAny(suite, reshareTerms(context, session, liar), 'base', constant)),
      )
  })

  it.each(openingLies.map((lie, at) => ({ at, lie })))('opening $at', async ({ lie }) => {
    const liar = 3 as Party
    const { codec } = rounds.openings
    const terms = reshareTerms(context, session, liar)
    await convicted(liar, 'opening', ({ round, from, payload }) =>
      round === 'openings' && from === liar
        ? codec.encode(lie(suite, terms, codec.decode(payload) as VssOpening, weighted(epoch, indexOf(liar))))
        : undefined,
    )
  })

  it.each([{ silent: ['commitments'] }, { silent: ['openings'] }, { silent: ['commitments', 'openings'] }])(
    'opening: a dealer that says nothing in $silent',
    async ({ silent }) => {
      const liar = 3 as Party
      await convicted(liar, 'opening', ({ round, from }) => {
        if (from !== liar || !silent.includes(round)) return undefined
        return rounds[round as 'commitments' | 'openings'].codec.encode(null)
      })
    },
  )

  it('opening: a hash made for other facts', async () => {
    const liar = 2 as Party
    const opening = dealAny(suite, reshareTerms(context, session, liar), 'bound', weighted(epoch, indexOf(liar)))
    const [first, ...others] = context.dealers as [(typeof context.dealers)[number]]
    for (const terms of [
      reshareTerms(context, sessionOf('another'), liar),
      reshareTerms(context, session, 1 as Party),
      reshareTerms({ ...context, threshold: 3 }, session, liar),
      reshareTerms({ ...context, oldThreshold: 3 }, session, liar),
      reshareTerms({ ...context, receivers: context.receivers.toReversed() }, session, liar),
      reshareTerms({ ...context, receivers: context.receivers.slice(1) }, session, liar),
      reshareTerms({ ...context, dealers: others }, session, liar),
      reshareTerms({ ...context, dealers: [{ ...first, index: 2 as Index }, ...others] }, session, liar),
      reshareTerms({ ...context, verifyingShares: context.verifyingShares.toReversed() }, session, liar),
      reshareTerms({ ...context, publicKey: context.verifyingShares[0] as Uint8Array }, session, liar),
    ])
      await convicted(liar, 'opening', (message) =>
        message.from === liar && message.round === 'commitments'
          ? rounds.commitments.codec.encode(vssHash(suite, terms, opening))
          : opens(liar, opening)(message),
      )
  })

  it.each([
    { liar: 4, speaks: ['commitments'] },
    { liar: 6, speaks: ['openings'] },
    { liar: 6, speaks: ['commitments', 'openings'] },
  ])('dealing-unasked: party $liar speaks in $speaks', async ({ liar, speaks }) => {
    const party = liar as Party
    const opening = dealAny(suite, reshareTerms(context, session, party), 'unasked')
    await convicted(party, 'dealing-unasked', (message) =>
      speaks.includes(message.round) ? opens(party, opening)(message) : undefined,
    )
  })

  /** The blame of one private message that a liar sends instead of its own. */
  const blamedFor = async (
    from: Party,
    to: Party,
    check: string,
    lie: (share: Uint8Array | null) => Uint8Array | null,
  ) => {
    const { codec } = rounds.shares
    const { ended, network } = await reshare((one) =>
      one.round === 'shares' && one.from === from && one.to === to
        ? codec.encode(lie(codec.decode(one.payload)))
        : undefined,
    )
    const blame = blameOf(ended)
    expect([blame.accuser, blame.accused, blame.check]).toEqual([to, from, check])
    const claim = blame.claim(context)
    expect(judge(claim)).toBe('proven')
    expect(provenIn(rules, network, session, context, [from])).toEqual([`${from} ${check}`])
    for (const round of ['commitments', 'openings', 'shares'])
      expect(judge({ ...claim, messages: claim.messages.filter((one) => one.round !== round) })).toBe('refuted')
    expect(judge({ ...claim, context: { ...context, oldThreshold: 1 } })).toBe('refuted')
    expect(judge({ ...claim, context: { ...context, verifyingShares: context.verifyingShares.toReversed() } })).toBe(
      'refuted',
    )
  }

  it.each(shareLies)('$check', async ({ check, lie }) => {
    await blamedFor(2 as Party, check === 'share-zero' ? (1 as Party) : (4 as Party), check, (share) =>
      lie(suite, share as Uint8Array),
    )
  })

  it('share-scalar: a dealer that sends none; share-commitment: another receiver’s', async () => {
    await blamedFor(1 as Party, 5 as Party, 'share-scalar', () => null)
    const polynomial = [3, 5].map((n) => suite.group.field.fromNumber(n))
    const share = suite.group.field.encode(evaluate(suite.group.field, polynomial, 1 as Index))
    await blamedFor(1 as Party, 5 as Party, 'share-commitment', () => share)
  })

  it.each([
    { from: 2, to: 3, what: 'a dealer to who gets none' },
    { from: 1, to: 6, what: 'a dealer to who looks on' },
    { from: 4, to: 5, what: 'a receiver' },
    { from: 6, to: 1, what: 'who looks on' },
  ])('share-unasked: from $what', async ({ from, to }) => {
    const share = suite.group.field.encode(suite.group.field.fromNumber(7))
    await blamedFor(from as Party, to as Party, 'share-unasked', (honest) => {
      expect(honest).toBeNull()
      return share
    })
  })

  it('an honest party is never guilty, and derive needs every dealing and a base that holds', async () => {
    const { ended, network } = await reshare()
    const [made] = values(ended)
    expect(provenIn(rules, network, session, context)).toEqual([])
    const messages = network.broadcasts(rounds)
    const { share: _, ...shown } = made as { share: unknown }
    expect(derive(context, session, messages)).toEqual(shown)
    for (const party of [1, 2, 3, 4, 5, 6])
      for (const missing of ['commitments', 'openings']) {
        const fewer = messages.filter((one) => one.round !== missing || one.from !== party)
        expect(() => derive(context, session, fewer)).toThrow(`party ${party}: its dealing is not here`)
      }
    for (const wrong of [
      { verifyingShares: context.verifyingShares.toReversed() },
      { oldThreshold: 4 },
      { dealers: context.dealers.toReversed() },
    ])
      expect(() => derive({ ...context, ...wrong }, session, messages)).toThrow(DecodeError)
  })

  it('nothing is sent from a share, a base or a roster that does not hold', async () => {
    const honest = reshareInputs(epoch, roster)
    const [first, second, , fourth] = honest as [ReshareInput, ReshareInput, ReshareInput, ReshareInput]
    const { verifyingShares } = context
    const damaged = [
      { share: second.share },
      { verifyingShares: verifyingShares.toReversed() },
      { publicKey: verifyingShares[0] as Uint8Array },
      { verifyingShares: verifyingShares.with(-1, new Uint8Array(3)) },
    ]
    for (const wrong of damaged) {
      const { ended, network } = await reshare(undefined, [{ ...first, ...wrong }, ...honest.slice(1)])
      expect(ended[0]).toMatchObject({ error: { code: 'E_SHARD' } })
      expect(network.sent.filter((one) => one.from === 1)).toEqual([])
    }
    const { dealers, receivers } = roster
    const [one, two, three] = dealers as [(typeof dealers)[number], (typeof dealers)[number], (typeof dealers)[number]]
    const contexts: Partial<ReshareInput>[] = [
      { threshold: 1 },
      { threshold: 4 },
      { oldThreshold: 1 },
      { oldThreshold: 4 },
      { share: undefined },
      { dealers: [two, one, three] },
      { dealers: [one, one, two, three] },
      { dealers: [one, { ...two, party: one.party }, three] },
      { dealers: [one, two, { ...three, index: 5 as Index }] },
      { dealers: [{ ...one, index: 0 as Index }, two, three] },
      { dealers: [one, two, { ...three, party: 7 as Party }] },
      { receivers: [4, 1, 4] as Party[] },
      { receivers: [4, 1, 7] as Party[] },
      { receivers: [4, 1, 0] as Party[] },
      { verifyingShares: Array.from({ length: 33 }, (_, at) => verifyingShares[at % 4] as Uint8Array) },
    ]
    for (const wrong of contexts) {
      const { ended } = await reshare(undefined, [{ ...first, ...wrong }, ...honest.slice(1)])
      expect([wrong, ended[0]]).toMatchObject([wrong, { error: expect.any(RangeError) }])
    }
    // A share at a party that deals none.
    const { ended } = await reshare(undefined, honest.with(3, { ...fourth, share: first.share }))
    expect(ended[3]).toMatchObject({ error: expect.any(RangeError) })
    expect(receivers).toContain(4)
  })
})
