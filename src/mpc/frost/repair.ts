import * as v from 'valibot'
import type { Hash, Index, Party } from '../../lib/brand.ts'
import { equal, fromHex, u32, utf8 } from '../../lib/bytes.ts'
import { tupleHash } from '../../lib/hash.ts'
import type { Random } from '../../lib/ports.ts'
import { Secret } from '../../lib/secret.ts'
import { cborCodec, DecodeError } from '../../records/codec.ts'
import { bytes } from '../../records/fields.ts'
import { oneMessage } from '../evidence.ts'
import type { Element, Scalar, ScalarField } from '../group/group.ts'
import type { Claim, Round } from '../mailbox.ts'
import type { KeyProtocol, RepairContext, RepairInput, RepairOutput } from '../scheme.ts'
import { contradiction, openBase } from './base.ts'
import { failedShare, MOST_COEFFICIENTS, newSalt, SALT_BYTES } from './dealing.ts'
import { everyOpening } from './every-opening.ts'
import { frostFacts, type RepairCheck, type ShareCheck } from './facts.ts'
import { openOwnShare } from './own-share.ts'
import { lagrange, randomScalar } from './polynomial.ts'
import { Scratch } from './scratch.ts'
import { loadSuite, type Suite, type SuiteId, suiteOf } from './suite.ts'
import { degenerateError } from './total.ts'
import { HASH_BYTES, sumShares } from './vss.ts'

/** A salt, and the elements of a helper's parts in the helpers' order. */
type RepairOpening = readonly [salt: Uint8Array, elements: readonly Uint8Array[]]

/** Every party sends one message a round; null where its part in the protocol has nothing to say. */
type RepairRounds = {
  /** A hash of what the helper will open, so that nobody splits by how others did. */
  readonly commitments: Round<Uint8Array | null, 'all'>
  readonly openings: Round<RepairOpening | null, 'all'>
  /** From helper to helper. */
  readonly parts: Round<Uint8Array | null, 'each'>
  /** From every helper to the mended site: it sees sums alone. */
  readonly sums: Round<Uint8Array | null, 'each'>
}

export const repairRounds = (id: SuiteId): RepairRounds => {
  const { group } = suiteOf(id)
  const scalarBytes = group.field.bytes
  const scalar = v.nullable(bytes(scalarBytes, scalarBytes))
  const opening = v.strictTuple([
    bytes(SALT_BYTES, SALT_BYTES),
    v.pipe(v.array(bytes(group.bytes, group.bytes)), v.minLength(1), v.maxLength(MOST_COEFFICIENTS)),
  ])
  const most = SALT_BYTES + MOST_COEFFICIENTS * (group.bytes + 2) + 64
  return {
    commitments: {
      codec: cborCodec(`${id}/repair-commitment/v1`, v.nullable(bytes(HASH_BYTES, HASH_BYTES)), HASH_BYTES + 64),
      to: 'all',
      echo: 'round',
    },
    openings: { codec: cborCodec(`${id}/repair-opening/v1`, v.nullable(opening), most), to: 'all', echo: 'round' },
    parts: { codec: cborCodec(`${id}/repair-part/v1`, scalar, scalarBytes + 64), to: 'each', echo: 'none' },
    sums: { codec: cborCodec(`${id}/repair-sum/v1`, scalar, scalarBytes + 64), to: 'each', echo: 'none' },
  }
}

/** Hides by the salt, binds by SHA-256: to what is opened, to who opens it, and to all public facts of the repair. */
export const partsHash = (
  id: SuiteId,
  { publicKey, threshold, verifyingShares, helpers, mended }: RepairContext,
  session: Hash,
  helper: Party,
  [salt, elements]: RepairOpening,
): Uint8Array =>
  tupleHash(
    'quorate repair parts v1',
    utf8(id),
    fromHex(session),
    u32(helper),
    u32(threshold),
    publicKey,
    tupleHash('verifying shares', ...verifyingShares),
    tupleHash('helpers', ...helpers.flatMap(({ party, index }) => [u32(party), u32(index)])),
    tupleHash('mended', u32(mended.party), u32(mended.index)),
    salt,
    tupleHash('elements', ...elements),
  )

/** Random parts of a scalar, none of them zero; the first is the rest, and it is the one that stays. */
export const splitScalar = (suite: Suite, whole: Scalar, count: number, random: Random, scratch: Scratch): Scalar[] => {
  const { field } = suite.group
  for (;;) {
    const parts = Array.from({ length: count - 1 }, () => scratch.scalar(randomScalar(field, random)))
    const rest = parts.reduce((left, part) => scratch.scalar(field.subtract(left, part)), whole)
    if (!field.isZero(rest)) return [rest, ...parts]
  }
}

const isSound = ({ threshold, verifyingShares, helpers, mended }: RepairContext): boolean => {
  const all = [...helpers, mended]
  const sizes = threshold >= 2 && helpers.length === threshold && verifyingShares.length <= MOST_COEFFICIENTS
  const known = all.every(({ index }) => index >= 1 && index <= verifyingShares.length)
  const once = [all.map(({ index }) => index), all.map(({ party }) => party)] as const
  return sizes && known && once.every((list) => new Set<number>(list).size === all.length)
}

const assertInput = (input: RepairInput, self: Party, seats: number): void => {
  const seated = [...input.helpers, input.mended].every(({ party }) => party >= 1 && party <= seats)
  const helps = input.helpers.some(({ party }) => party === self)
  if (!isSound(input) || !seated || helps !== (input.share !== undefined))
    throw new RangeError(`no repair of share ${input.mended.index} by ${input.helpers.length} of ${input.threshold}`)
}

/** Weight of a helper's share in the mended one. */
const weightOf = (field: ScalarField, { helpers, mended }: RepairContext, index: Index): Scalar => {
  const members = helpers.map((one) => one.index)
  return lagrange(field, index, members, mended.index)
}

/** The element of the sum of all parts for one helper. */
const sumAt = ({ group }: Suite, rows: readonly (readonly Element[])[], place: number): Element =>
  rows.map((row) => row[place] as Element).reduce((a, b) => group.add(a, b))

/** Parts and sums are values of polynomials of degree zero: the same everywhere. */
const ANY = 1 as Index

const partChecks = {
  'share-scalar': 'part-scalar',
  'share-zero': 'part-zero',
  'share-commitment': 'part-commitment',
} as const satisfies Readonly<Record<ShareCheck, RepairCheck>>
const sumChecks = {
  'share-scalar': 'sum-scalar',
  'share-zero': 'sum-zero',
  'share-commitment': 'sum-commitment',
} as const satisfies Readonly<Record<ShareCheck, RepairCheck>>

/**
 * Repair of one lost share by a threshold of others: the enrolment protocol in Laing and Stinson's survey (ePrint
 * 2017/1155), which the Zcash Foundation's `repairable` follows too. A helper splits its weighted share λ·x, where λ
 * is its weight at the mended site's index, in a part a helper; each sums the parts it got, and the mended site sums
 * the sums. So that a liar is named, helpers commit to the elements of their parts: these add up to λ·Y, each part
 * fits its element, and each sum the sum of its elements. The elements show of a part no more than a Feldman
 * commitment does of a coefficient. Nobody has to prove that it knows its parts: it committed to them before it saw
 * others', and one that it does not know it can neither send nor sum.
 */
export const frostRepair = (id: SuiteId): KeyProtocol<RepairRounds, RepairContext, RepairInput, RepairOutput> => {
  const rounds = repairRounds(id)

  /** A party's elements, undefined where it rightly sent none, or the first check that its first two messages fail. */
  const open = (
    { group }: Suite,
    context: RepairContext,
    base: readonly Element[],
    session: Hash,
    party: Party,
    committed: Uint8Array | null,
    opening: RepairOpening | null,
  ): readonly Element[] | RepairCheck | undefined => {
    const helper = context.helpers.find((one) => one.party === party)
    if (helper === undefined) return committed === null && opening === null ? undefined : 'dealing-unasked'
    if (committed === null || opening === null) return 'opening'
    if (!equal(partsHash(id, context, session, party, opening), committed)) return 'opening'
    const [, encoded] = opening
    if (encoded.length !== context.threshold) return 'commitment-count'
    const elements: Element[] = []
    for (const one of encoded) {
      const element = group.decode(one)
      if (element === undefined) return 'commitment-point'
      elements.push(element)
    }
    const weight = weightOf(group.field, context, helper.index)
    const whole = group.combine(undefined, [weight], [base[helper.index - 1] as Element])
    const sum = elements.reduce((a, b) => group.add(a, b))
    return group.equals(sum, whole) ? elements : 'base-share'
  }

  const openedIn = (
    suite: Suite,
    claim: Pick<Claim<RepairContext>, 'messages' | 'context' | 'session'>,
    base: readonly Element[],
    party: Party,
  ): ReturnType<typeof open> | 'missing' => {
    const committed = oneMessage(claim, 'commitments', party, rounds.commitments.codec)
    const opening = oneMessage(claim, 'openings', party, rounds.openings.codec)
    if (committed === undefined || opening === undefined) return 'missing'
    return open(suite, claim.context, base, claim.session, party, committed.value, opening.value)
  }

  const placeOf = ({ helpers }: RepairContext, party: number): number => helpers.findIndex((one) => one.party === party)

  /** The check that a party's part fails, if any: of an honest dealing. */
  const failedPart = (suite: Suite, claim: Claim<RepairContext>, opened: readonly Element[] | undefined) => {
    const part = oneMessage(claim, 'parts', claim.accused, rounds.parts.codec)
    if (part === undefined) return undefined
    const element = opened?.[placeOf(claim.context, part.to)]
    if (element === undefined) return part.value === null ? undefined : 'part-unasked'
    const failed = failedShare(suite, [element], ANY, part.value ?? new Uint8Array())
    return failed && partChecks[failed]
  }

  const failedSum = (suite: Suite, claim: Claim<RepairContext>, base: readonly Element[]) => {
    const { context, accused } = claim
    const sum = oneMessage(claim, 'sums', accused, rounds.sums.codec)
    if (sum === undefined) return undefined
    const place = placeOf(context, accused)
    if (place < 0 || sum.to !== context.mended.party) return sum.value === null ? undefined : 'sum-unasked'
    const elements = context.helpers.map(({ party }) => openedIn(suite, claim, base, party))
    if (!elements.every((one) => typeof one === 'object')) return undefined
    const failed = failedShare(suite, [sumAt(suite, elements, place)], ANY, sum.value ?? new Uint8Array())
    return failed && sumChecks[failed]
  }

  const firstFailure = (claim: Claim<RepairContext>): RepairCheck | undefined => {
    const suite = suiteOf(id)
    const base = isSound(claim.context) ? openBase(suite, claim.context) : undefined
    const opened = base && openedIn(suite, claim, base, claim.accused)
    if (base === undefined || opened === 'missing') return undefined
    if (typeof opened === 'string') return opened
    return failedPart(suite, claim, opened) ?? failedSum(suite, claim, base)
  }

  return {
    ...frostFacts(id).repair,
    rounds,

    async run(box, input, { random }) {
      assertInput(input, box.self, box.peers.length + 1)
      const suite = await loadSuite(id)
      const { group } = suite
      const { field } = group
      const base = openBase(suite, input)
      if (base === undefined) throw contradiction()
      const { helpers, mended } = input
      const place = placeOf(input, box.self)
      const scratch = new Scratch(field)
      /** This helper's parts, in the helpers' order, and what it says of them. */
      const ownParts = (index: Index, share: Secret) => {
        const old = scratch.scalar(openOwnShare(suite, share, input.verifyingShares[index - 1] as Uint8Array))
        const whole = scratch.scalar(field.multiply(weightOf(field, input, index), old))
        const [rest, ...others] = splitScalar(suite, whole, helpers.length, random, scratch)
        const parts = others.toSpliced(place, 0, rest as Scalar)
        const elements = parts.map((part) => group.timesBase(part))
        const opening: RepairOpening = [newSalt(random), elements.map((element) => group.encode(element))]
        return { parts, elements, opening }
      }
      try {
        const helper = helpers[place]
        const own = helper && input.share && ownParts(helper.index, input.share)

        // Round 1: hashes of the parts' elements; all parties hold the same ones before any is opened.
        const hash = own ? partsHash(id, input, box.session, box.self, own.opening) : null
        const committed = await box.broadcast('commitments', hash)

        // Round 2: the elements themselves; all parties hold the same ones before a part leaves.
        const openings = await box.broadcast('openings', own ? own.opening : null)
        const opened = new Map<Party, readonly Element[]>(own && [[box.self, own.elements]])
        for (const peer of box.peers) {
          const theirs = openings.get(peer) as RepairOpening | null
          const elements = open(suite, input, base, box.session, peer, committed.get(peer) as Uint8Array | null, theirs)
          if (typeof elements === 'string') return box.blame(peer, elements, ['commitments', 'openings'])
          if (elements !== undefined) opened.set(peer, elements)
        }
        const rows = helpers.map(({ party }) => opened.get(party) as readonly Element[])
        const sumElements = helpers.map((_, at) => sumAt(suite, rows, at))
        if (sumElements.some((element) => group.isIdentity(element))) throw degenerateError('repair-sum-identity')

        // Round 3: one part from every helper to every other.
        const sentParts = await box.scatter('parts', (peer) => {
          const part = own?.parts[placeOf(input, peer)]
          return part === undefined ? null : scratch.encoding(field.encode(part))
        })
        const parts = new Map<Party, Uint8Array>()
        for (const [peer, part] of sentParts)
          if (own !== undefined && opened.has(peer)) parts.set(peer, part ?? new Uint8Array())
          else if (part !== null) return box.blame(peer, 'part-unasked', ['commitments', 'openings', 'parts'])
        const commitments = new Map([...opened].map(([party, row]) => [party, [row[place] as Element]]))
        const total = [sumElements[place] as Element]
        const summed =
          own && sumShares(suite, { receiver: ANY, own: own.parts[place], shares: parts, commitments, total }, scratch)
        if (summed !== undefined && 'check' in summed)
          return box.blame(summed.dealer, partChecks[summed.check], ['commitments', 'openings', 'parts'])

        // Round 4: one sum from every helper to the mended site.
        const sentSums = await box.scatter('sums', (peer) =>
          summed === undefined || peer !== mended.party ? null : scratch.encoding(field.encode(summed.sum)),
        )
        const isMended = box.self === mended.party
        const sums = new Map<Party, Uint8Array>()
        for (const [peer, sum] of sentSums)
          if (isMended && opened.has(peer)) sums.set(peer, sum ?? new Uint8Array())
          else if (sum !== null) return box.blame(peer, 'sum-unasked', ['commitments', 'openings', 'sums'])
        const sumCommitments = new Map(helpers.map(({ party }, at) => [party, [sumElements[at] as Element]]))
        const received = {
          receiver: ANY,
          own: undefined,
          shares: sums,
          commitments: sumCommitments,
          total: [base[mended.index - 1] as Element],
        }
        const whole = isMended ? sumShares(suite, received, scratch) : undefined
        if (whole !== undefined && 'check' in whole)
          return box.blame(whole.dealer, sumChecks[whole.check], ['commitments', 'openings', 'sums'])

        // Round 5: every sender and receiver confirms the private messages.
        await box.confirm('confirm')
        return { share: whole && new Secret(field.encode(whole.sum)) }
      } finally {
        scratch.wipe()
      }
    },

    judge(claim) {
      return firstFailure(claim) === claim.check ? 'proven' : 'refuted'
    },

    derive(context, session, messages) {
      const suite = suiteOf(id)
      const base = isSound(context) ? openBase(suite, context) : undefined
      if (base === undefined) throw new DecodeError('the base: its verifying shares are not shares of its key')
      const named = [...context.helpers, context.mended].map(({ party }) => party)
      const rows = everyOpening(messages, named, (party) =>
        openedIn(suite, { messages, context, session }, base, party),
      )
      // The parts of all helpers add up to the mended share by their checks: nothing of the key is another than before.
      const sums = context.helpers.map((_, at) => sumAt(suite, rows, at))
      if (sums.some((sum) => suite.group.isIdentity(sum)))
        throw new DecodeError('all parties together: repair-sum-identity')
      return { publicKey: context.publicKey, verifyingShares: context.verifyingShares }
    },
  }
}
