import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Hash, Index, Party } from '../../src/lib/brand.ts'
import { concat, fromHex, toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { type Dealt, deal, newSalt, type Opening } from '../../src/mpc/frost/dealing.ts'
import type { KeygenCheck, SignCheck } from '../../src/mpc/frost/facts.ts'
import { dealingHash, frostKeygen, keygenRounds } from '../../src/mpc/frost/keygen.ts'
import { frostSign, type NonceCommitments, signRounds } from '../../src/mpc/frost/sign.ts'
import { loadSuite, type Suite, suiteOf } from '../../src/mpc/frost/suite.ts'
import type { Claim, JudgedMessage } from '../../src/mpc/mailbox.ts'
import type { KeygenContext, SignInput } from '../../src/mpc/scheme.ts'
import { DecodeError } from '../../src/records/codec.ts'
import { type ProtocolId, protocolIds } from '../../src/records/definition-fields.ts'
import { notAnElement, order, plusOne } from '../support/crooked.ts'
import { blameOf, type MemoryNetwork, type Outgoing, runAll, type Tamper, values } from '../support/memory-mailbox.ts'
import { seededRandom } from '../support/random.ts'
import { inTurn } from '../support/report.ts'

/** By day two of the suites, by turns: they share their code above the group. */
const ids = inTurn(protocolIds, 1)

const session = hashOf(utf8('liars')) as Hash
const otherSession = hashOf(utf8('another session')) as Hash
const tools = (seed: string) => (party: Party) => ({ random: seededRandom(`${seed} ${party}`) })

const context: KeygenContext = { threshold: 2, parties: 3 }
const keygen = async (id: ProtocolId, tamper?: Tamper) =>
  runAll(frostKeygen(id), [context, context, context], {
    session,
    tools: tools(`${id} keygen`),
    ...(tamper && { tamper }),
  })

/** What an honest dealer of `keygen` opens: the same bytes as in its run. */
const openingOf = (suite: Suite, from: Party): Opening => {
  const random = seededRandom(`${suite.id} keygen ${from}`)
  const { message } = deal(suite, context, session, from, random)
  return [newSalt(random), ...message]
}

type ShownCheck = Exclude<KeygenCheck, 'opening' | 'share-scalar' | 'share-zero' | 'share-commitment'>
type DealtLie = (suite: Suite, dealt: Dealt, from: Party) => Dealt
/** Lies that their dealer committed to. */
const dealtLies: Record<ShownCheck, DealtLie[]> = {
  'commitment-count': [
    (_, [commitment, ...proofs]) => [commitment.slice(0, 1), ...proofs],
    // A polynomial of a higher degree would raise the threshold.
    (suite, _dealt, from) =>
      deal(suite, { ...context, threshold: 3 }, session, from, seededRandom('long')).message as Dealt,
  ],
  'commitment-point': [
    (suite, [[constant], ...proofs]) => [[constant as Uint8Array, notAnElement(suite)], ...proofs],
    (suite, [[, linear], ...proofs]) => [[notAnElement(suite), linear as Uint8Array], ...proofs],
    (_, [[constant], ...proofs]) => [
      [constant as Uint8Array, new Uint8Array((constant as Uint8Array).length)],
      ...proofs,
    ],
  ],
  'proof-of-knowledge': [
    (suite, [commitment, proof, session]) => {
      const cut = proof.length - suite.group.field.bytes
      return [commitment, concat(proof.subarray(0, cut), plusOne(suite, proof.subarray(cut))), session]
    },
    (suite, [commitment, proof, session]) => {
      const cut = proof.length - suite.group.field.bytes
      return [commitment, concat(proof.subarray(0, cut), order(suite)), session]
    },
    // Made for another index.
    (suite, [commitment, , proof], from) => {
      const other = deal(suite, context, session, (from + 1) as Party, seededRandom(`${suite.id} keygen ${from}`))
      expect(other.message[0].map(toHex)).toEqual(commitment.map(toHex))
      return [commitment, other.message[1], proof]
    },
  ],
  'session-proof': [
    (suite, [commitment, proof, own]) => {
      const cut = own.length - suite.group.field.bytes
      return [commitment, proof, concat(own.subarray(0, cut), plusOne(suite, own.subarray(cut)))]
    },
    // A whole message replayed from another session: the proof that peers exchange holds.
    (suite, _dealt, from) => deal(suite, context, otherSession, from, seededRandom('replay')).message,
    // Made for another size of the roster.
    (suite, _dealt, from) => deal(suite, { ...context, parties: 4 }, session, from, seededRandom('size')).message,
    // The second coefficient replaced after the proof was made.
    (suite, [[constant], ...proofs]) => [
      [constant as Uint8Array, suite.group.encode(suite.group.timesBase(suite.group.field.fromNumber(7)))],
      ...proofs,
    ],
  ],
}

/** What is opened instead of what was committed to. */
const openingLies: ((suite: Suite, opening: Opening, from: Party) => Opening)[] = [
  (_, [, ...dealt]) => [new Uint8Array(32), ...dealt],
  // Dealt anew, when all others' dealings are known; every proof holds.
  (suite, [salt], from) => [salt, ...deal(suite, context, session, from, seededRandom('rushing')).message],
  // Another dealer's opening.
  (suite, _, from) => openingOf(suite, ((from % 3) + 1) as Party),
]

const makeKey = async (id: ProtocolId) => {
  const made = await keygen(id)
  return { network: made.network, keys: values(made.ended) }
}
const keysMade = new Map<ProtocolId, ReturnType<typeof makeKey>>()
const keyOf = (id: ProtocolId): ReturnType<typeof makeKey> => {
  const made = keysMade.get(id) ?? makeKey(id)
  keysMade.set(id, made)
  return made
}

const signInputs = async (id: ProtocolId, indices: readonly Index[]): Promise<SignInput[]> => {
  const { keys } = await keyOf(id)
  return indices.map((index) => {
    const key = keys[index - 1] as (typeof keys)[number]
    return {
      threshold: 2,
      publicKey: key.publicKey,
      verifyingShares: key.verifyingShares,
      indices,
      message: utf8('what liars sign'),
      share: key.share,
    }
  })
}

const claimsAbout = <C>(network: MemoryNetwork, checks: readonly string[], parties: number, context: C): Claim<C>[] =>
  checks.flatMap((check) =>
    Array.from({ length: parties }, (_, at) => (at + 1) as Party).map((accused) => ({
      session,
      check,
      accused,
      context,
      messages: network.sent
        .filter((one) => one.round !== 'confirm')
        .map(
          (one): JudgedMessage => ({ ...one, to: one.round === 'shares' && check.startsWith('share-') ? one.to : 0 }),
        )
        // One receiver's view: a private share has one receiver.
        .filter((one) => one.to === 0 || one.to === (accused === 1 ? 2 : 1)),
    })),
  )

const keygenChecks: KeygenCheck[] = [
  'commitment-count',
  'commitment-point',
  'proof-of-knowledge',
  'session-proof',
  'opening',
  'share-scalar',
  'share-zero',
  'share-commitment',
]
const signChecks: SignCheck[] = ['commitment-point', 'signature-share-scalar', 'signature-share']

describe.each(ids)('%s: liars in key generation', (id) => {
  const rounds = keygenRounds(id)
  const cases = Object.entries(dealtLies).flatMap(([check, lies]) => lies.map((lie, at) => ({ check, at, lie })))

  it.each(cases)('$check $at', async ({ check, lie }) => {
    const suite = await loadSuite(id)
    const liar = 2 as Party
    const [salt, ...dealt] = openingOf(suite, liar)
    const opening: Opening = [salt, ...lie(suite, dealt, liar)]
    const tamper = ({ round, from, payload }: Outgoing): Uint8Array | undefined => {
      if (from !== liar) return undefined
      if (round === 'openings') {
        expect(toHex(payload)).toBe(toHex(rounds.openings.codec.encode([salt, ...dealt])))
        return rounds.openings.codec.encode(opening)
      }
      const hash = dealingHash(id, context, session, liar, opening)
      return round === 'commitments' ? rounds.commitments.codec.encode(hash) : undefined
    }
    await convicted(liar, check, tamper)
  })

  it.each(openingLies.map((lie, at) => ({ at, lie })))('opening $at', async ({ lie }) => {
    const suite = await loadSuite(id)
    const liar = 2 as Party
    const { codec } = rounds.openings
    await convicted(liar, 'opening', ({ round, from, payload }) =>
      round === 'openings' && from === liar ? codec.encode(lie(suite, codec.decode(payload), liar)) : undefined,
    )
  })

  it('opening: a commitment copied from another dealer opens to nothing', async () => {
    const suite = await loadSuite(id)
    const copied = dealingHash(id, context, session, 1 as Party, openingOf(suite, 1 as Party))
    await convicted(3 as Party, 'opening', ({ round, from }) => {
      if (from !== 3) return undefined
      if (round === 'openings') return rounds.openings.codec.encode(openingOf(suite, 1 as Party))
      return round === 'commitments' ? rounds.commitments.codec.encode(copied) : undefined
    })
  })

  const convicted = async (liar: Party, check: string, tamper: Tamper): Promise<void> => {
    const { ended, network } = await keygen(id, tamper)
    const blame = blameOf(ended)
    expect([blame.accused, blame.check]).toEqual([liar, check])
    expect(network.sent.some((one) => one.round === 'shares' && one.from !== liar)).toBe(false)
    const { judge, derive } = frostKeygen(id)
    const claim = blame.claim(context)
    expect(judge(claim)).toBe('proven')
    for (const round of ['commitments', 'openings'])
      expect(judge({ ...claim, messages: claim.messages.filter((one) => one.round !== round) })).toBe('refuted')
    for (const other of claimsAbout(network, keygenChecks, 3, context)) {
      const proven = judge(other) === 'proven'
      expect(proven).toBe(other.accused === liar && other.check === check)
    }
    expect(() => derive(context, session, network.broadcasts(rounds))).toThrow(`party ${liar}: ${check}`)
  }

  it.each([
    { check: 'share-scalar', lie: (suite: Suite) => order(suite) },
    { check: 'share-zero', lie: ({ group: { field } }: Suite) => field.encode(field.fromNumber(0)) },
    { check: 'share-commitment', lie: plusOne },
  ])('$check', async ({ check, lie }) => {
    const suite = await loadSuite(id)
    const { codec } = rounds.shares
    const tamper = ({ round, from, to, payload }: Outgoing): Uint8Array | undefined =>
      round === 'shares' && from === 3 && to === 1 ? codec.encode(lie(suite, codec.decode(payload))) : undefined
    const { ended } = await keygen(id, tamper)
    const blame = blameOf(ended)
    expect([blame.accuser, blame.accused, blame.check]).toEqual([1, 3, check])
    const claim = blame.claim(context)
    const { judge } = frostKeygen(id)
    expect(judge(claim)).toBe('proven')
    expect(judge({ ...claim, accused: 2 as Party })).toBe('refuted')
    expect(judge({ ...claim, session: otherSession })).toBe('refuted')
    expect(judge({ ...claim, messages: claim.messages.filter((one) => one.round !== 'shares') })).toBe('refuted')
    expect(judge({ ...claim, messages: [] })).toBe('refuted')
  })
})

describe.each(ids)('%s: liars in signing', (id) => {
  const rounds = signRounds(id)
  const sign = async (inputs: readonly SignInput[], tamper?: Tamper) =>
    runAll(frostSign(id), inputs, { session, tools: tools(`${id} sign`), ...(tamper && { tamper }) })

  const nonceLies: ((suite: Suite, own: NonceCommitments) => NonceCommitments)[] = [
    (suite, [, binding]) => [notAnElement(suite), binding],
    (suite, [hiding]) => [hiding, notAnElement(suite)],
    (_, [hiding]) => [hiding, new Uint8Array(hiding.length)],
  ]
  it.each(nonceLies)('commitment-point', async (lie) => {
    const suite = await loadSuite(id)
    const { codec } = rounds.commitments
    const inputs = await signInputs(id, [3, 1] as Index[])
    const { ended } = await sign(inputs, ({ round, from, payload }) =>
      round === 'commitments' && from === 1 ? codec.encode(lie(suite, codec.decode(payload))) : undefined,
    )
    const blame = blameOf(ended)
    expect([blame.accused, blame.check]).toEqual([1, 'commitment-point'])
    expect(frostSign(id).judge(blame.claim(inputs[0] as SignInput))).toBe('proven')
  })

  it.each([
    { check: 'signature-share-scalar', lie: (suite: Suite) => order(suite) },
    { check: 'signature-share', lie: plusOne },
  ])('$check', async ({ check, lie }) => {
    const suite = await loadSuite(id)
    const { codec } = rounds.shares
    const inputs = await signInputs(id, [2, 3, 1] as Index[])
    const { ended } = await sign(inputs, ({ round, from, payload }) =>
      round === 'shares' && from === 3 ? codec.encode(lie(suite, codec.decode(payload))) : undefined,
    )
    const blame = blameOf(ended)
    expect([blame.accused, blame.check]).toEqual([3, check])
    const claim = blame.claim(inputs[0] as SignInput)
    const { judge } = frostSign(id)
    expect(judge(claim)).toBe('proven')
    for (const accused of [1, 2, 4] as Party[]) expect(judge({ ...claim, accused })).toBe('refuted')
    expect(judge({ ...claim, check: 'commitment-point' })).toBe('refuted')
    // The others' commitments are part of the evidence.
    const alone = claim.messages.filter((one) => one.from === 3)
    expect(judge({ ...claim, messages: alone })).toBe('refuted')
  })

  it('never judges an honest party guilty, whatever is claimed of its messages', async () => {
    const inputs = await signInputs(id, [1, 2, 3] as Index[])
    const signed = await sign(inputs)
    values(signed.ended)
    const made = await keyOf(id)
    for (const claim of claimsAbout(made.network, keygenChecks, 3, context))
      expect(frostKeygen(id).judge(claim)).toBe('refuted')
    const [about] = inputs as [SignInput]
    for (const claim of claimsAbout(signed.network, signChecks, 3, about)) {
      expect(frostSign(id).judge(claim)).toBe('refuted')
      fc.assert(
        fc.property(fc.subarray([...claim.messages]), (messages) => {
          expect(frostSign(id).judge({ ...claim, messages })).toBe('refuted')
        }),
        { numRuns: id === 'frost-ed448' ? 2 : 8 },
      )
    }
  })

  it('does not sign with a share that is not its own', async () => {
    const [first, second] = await signInputs(id, [1, 2] as Index[])
    const swapped = [{ ...first, share: second?.share }, second] as SignInput[]
    const { ended, network } = await sign(swapped)
    expect(ended[0]).toMatchObject({ error: { code: 'E_SHARD' } })
    expect(network.sent.filter((one) => one.from === 1)).toEqual([])
  })

  it('refuses parties that are no quorum', async () => {
    const [first] = await signInputs(id, [1, 2] as Index[])
    for (const indices of [[1], [1, 1], [1, 4], [1, 2, 3]] as Index[][]) {
      const input = { ...(first as SignInput), indices }
      const { ended } = await sign([input, input])
      expect(ended).toMatchObject([{ error: expect.any(RangeError) }, { error: expect.any(RangeError) }])
    }
    for (const wrong of [{ threshold: 1 }, { threshold: 4 }, { parties: 4 }, { parties: 33 }]) {
      const input = { ...context, ...wrong }
      const { ended } = await runAll(frostKeygen(id), [input, input, input], { session, tools: tools('none') })
      for (const one of ended) expect(one).toMatchObject({ error: expect.any(RangeError) })
    }
  })
})

describe('codecs of the rounds', () => {
  it('refuse other lengths than the suite’s, and whatever encode would not have written', () => {
    for (const id of protocolIds) {
      const { group } = suiteOf(id)
      const { commitments, shares } = signRounds(id)
      for (const codec of [shares.codec, keygenRounds(id).shares.codec]) {
        for (const length of [0, group.field.bytes - 1, group.field.bytes + 1])
          expect(() => codec.encode(new Uint8Array(length))).toThrow(DecodeError)
        expect(codec.decode(codec.encode(new Uint8Array(group.field.bytes))).length).toBe(group.field.bytes)
      }
      expect(() => commitments.codec.encode([new Uint8Array(group.bytes), new Uint8Array(group.bytes + 1)])).toThrow(
        DecodeError,
      )
      const { codec } = keygenRounds(id).openings
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
          for (const one of [codec, commitments.codec, shares.codec])
            try {
              const value = one.decode(bytes)
              expect(toHex(one.encode(value as never))).toBe(toHex(bytes))
            } catch (error) {
              expect(error).toBeInstanceOf(DecodeError)
            }
        }),
        { numRuns: 50 },
      )
    }
  })

  it('hold the largest honest message', async () => {
    for (const id of protocolIds) {
      const suite = await loadSuite(id)
      const about = { threshold: 32, parties: 32 }
      const { message } = deal(suite, about, session, 32 as Party, seededRandom(id))
      const { codec } = keygenRounds(id).openings
      expect(codec.encode([new Uint8Array(32), ...message]).length).toBeLessThanOrEqual(codec.limit)
    }
  })
})

describe('ed25519 elements with a torsion part', () => {
  it('are refused as commitments', async () => {
    const suite = await loadSuite('frost-ed25519')
    const torsion = ed25519.Point.fromBytes(fromHex(ED25519_TORSION_SUBGROUP[1] as string))
    const mixed = ed25519.Point.BASE.multiply(5n).add(torsion).toBytes()
    expect(suite.group.decode(mixed)).toBeUndefined()
    for (const small of ED25519_TORSION_SUBGROUP) expect(suite.group.decode(fromHex(small))).toBeUndefined()
  })
})
