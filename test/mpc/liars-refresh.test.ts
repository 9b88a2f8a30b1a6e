import { beforeAll, describe, expect, it } from 'vitest'
import type { Hash, Index, Party } from '../../src/lib/brand.ts'
import { evaluate } from '../../src/mpc/frost/polynomial.ts'
import { frostRefresh, refreshRounds, refreshTerms } from '../../src/mpc/frost/refresh.ts'
import { loadSuite, type Suite } from '../../src/mpc/frost/suite.ts'
import { dealVss, type VssOpening, vssHash } from '../../src/mpc/frost/vss.ts'
import type { RefreshContext, RefreshInput } from '../../src/mpc/scheme.ts'
import { DecodeError } from '../../src/records/codec.ts'
import { protocolIds } from '../../src/records/definition-fields.ts'
import { type Epoch, makeEpoch, sessionOf, toolsOf } from '../support/epochs.ts'
import { blameOf, type Outgoing, runAll, type Tamper, values } from '../support/memory-mailbox.ts'
import { provenIn } from '../support/proven.ts'
import { seededRandom } from '../support/random.ts'
import { inTurn } from '../support/report.ts'
import { dealAny, openingLies, shareLies, vssLies } from '../support/vss-lies.ts'

/** By day one of the suites, by turns: they share their code above the group. */
const ids = inTurn(protocolIds, 1, 1)
const session = sessionOf('liars in a refresh')
const PARTIES = 4

describe.each(ids)('%s: liars in a refresh', (id) => {
  const { judge, derive } = frostRefresh(id)
  const rounds = refreshRounds(id)
  let suite: Suite
  let epoch: Epoch
  let context: RefreshContext
  beforeAll(async () => {
    suite = await loadSuite(id)
    epoch = await makeEpoch(id, 3, PARTIES, `${id} refreshed`)
    const { shares: _, ...facts } = epoch
    context = { ...facts, parties: PARTIES }
  })

  const refresh = (tamper?: Tamper, inputs?: readonly RefreshInput[]) =>
    runAll(frostRefresh(id), inputs ?? epoch.shares.map((share) => ({ ...context, share })), {
      session,
      tools: toolsOf(`${id} refresh`),
      ...(tamper && { tamper }),
    })

  /** `tried`: whom a stranger tries to convict, of everything. */
  const convicted = async (
    liar: Party,
    check: string,
    tamper: Tamper,
    tried: readonly number[] = [],
  ): Promise<void> => {
    const { ended, network } = await refresh(tamper)
    const blame = blameOf(ended)
    expect([blame.accused, blame.check]).toEqual([liar, check])
    // No honest share has left.
    expect(network.sent.some((one) => one.round === 'shares' && one.from !== liar)).toBe(false)
    const claim = blame.claim(context)
    expect(judge(claim)).toBe('proven')
    for (const round of ['commitments', 'openings'])
      expect(judge({ ...claim, messages: claim.messages.filter((one) => one.round !== round) })).toBe('refuted')
    if (tried.length > 0)
      expect(provenIn(frostRefresh(id), network, session, context, tried as Party[])).toEqual([`${liar} ${check}`])
    expect(() => derive(context, session, network.broadcasts(rounds))).toThrow(`party ${liar}: ${check}`)
  }

  /** Sends this opening, and its hash before. */
  const opens =
    (liar: Party, opening: VssOpening): Tamper =>
    ({ round, from }: Outgoing) => {
      if (from !== liar) return undefined
      const hash = vssHash(suite, refreshTerms(context, session, liar), opening)
      if (round === 'commitments') return rounds.commitments.codec.encode(hash)
      return round === 'openings' ? rounds.openings.codec.encode(opening) : undefined
    }

  const cases = Object.entries(vssLies).flatMap(([check, lies]) => lies.map((lie, at) => ({ check, at, lie })))
  it.each(cases)('$check $at', async ({ check, at, lie }) => {
    const liar = 2 as Party
    const terms = refreshTerms(context, session, liar)
    const opening = lie(suite, terms, dealAny(suite, terms, `${id} liar`), undefined)
    await convicted(liar, check, opens(liar, opening), at === 0 ? [1, 2, 3, 4] : [])
  })

  it.each(openingLies.map((lie, at) => ({ at, lie })))('opening $at', async ({ lie }) => {
    const liar = 3 as Party
    const { codec } = rounds.openings
    const terms = refreshTerms(context, session, liar)
    await convicted(liar, 'opening', ({ round, from, payload }) =>
      round === 'openings' && from === liar
        ? codec.encode(lie(suite, terms, codec.decode(payload), undefined))
        : undefined,
    )
  })

  it.each<{ what: string; terms: (context: RefreshContext) => ReturnType<typeof refreshTerms> }>([
    { what: 'another session', terms: (context) => refreshTerms(context, sessionOf('x'), 2 as Party) },
    { what: 'another dealer', terms: (context) => refreshTerms(context, session, 1 as Party) },
    { what: 'another threshold', terms: (context) => refreshTerms({ ...context, threshold: 2 }, session, 2 as Party) },
    { what: 'another size', terms: (context) => refreshTerms({ ...context, parties: 5 }, session, 2 as Party) },
    {
      what: 'another key',
      terms: (context) =>
        refreshTerms({ ...context, publicKey: context.verifyingShares[0] as Uint8Array }, session, 2 as Party),
    },
    {
      what: 'another base of this key',
      terms: (context) =>
        refreshTerms({ ...context, verifyingShares: context.verifyingShares.toReversed() }, session, 2 as Party),
    },
  ])('opening: a hash made for $what', async ({ terms }) => {
    const liar = 2 as Party
    const opening = dealAny(suite, refreshTerms(context, session, liar), 'bound')
    await convicted(liar, 'opening', ({ round, from }) => {
      if (from !== liar) return undefined
      if (round === 'openings') return rounds.openings.codec.encode(opening)
      const hash = vssHash(suite, terms(context), opening)
      return round === 'commitments' ? rounds.commitments.codec.encode(hash) : undefined
    })
  })

  it('opening: a commitment copied from another dealer opens to nothing', async () => {
    const liar = 4 as Party
    const copies = new Map<string, Uint8Array>()
    await convicted(liar, 'opening', ({ round, from, payload }) => {
      if (round !== 'commitments' && round !== 'openings') return undefined
      if (from === 1) copies.set(round, payload)
      return from === liar ? copies.get(round) : undefined
    })
  })

  it.each(shareLies)('$check', async ({ check, lie }) => {
    const { codec } = rounds.shares
    const { ended, network } = await refresh(({ round, from, to, payload }) =>
      round === 'shares' && from === 3 && to === 1 ? codec.encode(lie(suite, codec.decode(payload))) : undefined,
    )
    const blame = blameOf(ended)
    expect([blame.accuser, blame.accused, blame.check]).toEqual([1, 3, check])
    const claim = blame.claim(context)
    expect(judge(claim)).toBe('proven')
    for (const accused of [2, 4] as Party[]) expect(judge({ ...claim, accused })).toBe('refuted')
    expect(provenIn(frostRefresh(id), network, session, context)).toEqual([`3 ${check}`])
    for (const other of Object.keys(frostRefresh(id).checks).filter((one) => one !== check))
      expect(judge({ ...claim, check: other })).toBe('refuted')
    for (const round of ['commitments', 'openings', 'shares'])
      expect(judge({ ...claim, messages: claim.messages.filter((one) => one.round !== round) })).toBe('refuted')
    expect(judge({ ...claim, session: sessionOf('another') as Hash })).toBe('refuted')
    expect(judge({ ...claim, context: { ...context, threshold: 2 } })).toBe('refuted')
  })

  it('share-zero: a polynomial with a root at the receiver, dealt as it is committed to', async () => {
    const { field } = suite.group
    const liar = 3 as Party
    // (x − 1)·5.
    const five = field.fromNumber(5)
    const polynomial = [field.subtract(field.fromNumber(0), five), five]
    const { opening } = dealVss(suite, refreshTerms(context, session, liar), polynomial, seededRandom('root'))
    const { codec } = rounds.shares
    const { ended, network } = await refresh((one) =>
      one.from === liar && one.round === 'shares'
        ? codec.encode(field.encode(evaluate(field, polynomial, one.to as Index)))
        : opens(liar, opening)(one),
    )
    const blame = blameOf(ended)
    expect([blame.accuser, blame.accused, blame.check]).toEqual([1, liar, 'share-zero'])
    expect(provenIn(frostRefresh(id), network, session, context)).toEqual(['3 share-zero'])
  })

  it('an honest party is never guilty', async () => {
    const { ended, network } = await refresh()
    values(ended)
    expect(provenIn(frostRefresh(id), network, session, context)).toEqual([])
  })

  it('derive needs every dealing and a base that holds', async () => {
    const { ended, network } = await refresh()
    const [made] = values(ended)
    const messages = network.broadcasts(rounds)
    const { share: _, ...shown } = made as { share: unknown }
    expect(derive(context, session, messages)).toEqual(shown)
    for (const missing of ['commitments', 'openings'])
      expect(() =>
        derive(
          context,
          session,
          messages.filter((one) => one.round !== missing || one.from !== 2),
        ),
      ).toThrow('party 2: its dealing is not here')
    const verifyingShares = context.verifyingShares.toReversed()
    expect(() => derive({ ...context, verifyingShares }, session, messages)).toThrow(DecodeError)
  })

  it('nothing is sent from a share, a base or a roster that does not hold', async () => {
    const honest = epoch.shares.map((share) => ({ ...context, share }))
    const [first] = honest as [RefreshInput]
    const [, second] = context.verifyingShares as [Uint8Array, Uint8Array]
    const swapped = { ...first, share: epoch.shares[1] as Epoch['shares'][number] }
    const reversed = { ...first, verifyingShares: context.verifyingShares.toReversed() }
    const otherKey = { ...first, publicKey: second }
    const lastWrong = { ...first, verifyingShares: [...context.verifyingShares.slice(0, -1), second] }
    const noPoint = { ...first, verifyingShares: [...context.verifyingShares.slice(0, -1), new Uint8Array(5)] }
    for (const wrong of [swapped, reversed, otherKey, lastWrong, noPoint]) {
      const { ended, network } = await refresh(undefined, [wrong, ...honest.slice(1)])
      expect(ended[0]).toMatchObject({ error: { code: 'E_SHARD' } })
      expect(network.sent.filter((one) => one.from === 1)).toEqual([])
    }
    for (const wrong of [
      { threshold: 1 },
      { threshold: 5 },
      { parties: 3 },
      { parties: 33 },
      { verifyingShares: context.verifyingShares.slice(1) },
    ]) {
      const { ended } = await refresh(undefined, [{ ...first, ...wrong }, ...honest.slice(1)])
      expect(ended[0]).toMatchObject({ error: expect.any(RangeError) })
    }
  })
})
