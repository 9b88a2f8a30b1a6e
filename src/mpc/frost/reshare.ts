import * as v from 'valibot'
import type { Hash, Index, Party } from '../../lib/brand.ts'
import { u32 } from '../../lib/bytes.ts'
import { tupleHash } from '../../lib/hash.ts'
import { Secret } from '../../lib/secret.ts'
import { cborCodec, DecodeError } from '../../records/codec.ts'
import { bytes } from '../../records/fields.ts'
import { oneMessage } from '../evidence.ts'
import type { Element } from '../group/group.ts'
import type { Claim, Round } from '../mailbox.ts'
import type { KeyProtocol, ReshareContext, ReshareInput, ReshareOutput } from '../scheme.ts'
import { contradiction, openBase } from './base.ts'
import { drawPolynomial, failedShare, MOST_COEFFICIENTS } from './dealing.ts'
import { everyOpening } from './every-opening.ts'
import { frostFacts, type ReshareCheck } from './facts.ts'
import { openOwnShare } from './own-share.ts'
import { evaluate, lagrange, sumCommitments } from './polynomial.ts'
import { Scratch } from './scratch.ts'
import { loadSuite, type Suite, type SuiteId, suiteOf } from './suite.ts'
import { degenerateError, resharedFrom } from './total.ts'
import { dealVss, HASH_BYTES, openVss, sumShares, type Terms, type VssOpening, vssHash, vssOpening } from './vss.ts'

/** Every party sends one message a round; null where its part in the protocol has nothing to say. */
type ReshareRounds = {
  /** A hash of what the dealer will open, so that nobody deals by what others dealt. */
  readonly commitments: Round<Uint8Array | null, 'all'>
  readonly openings: Round<VssOpening | null, 'all'>
  readonly shares: Round<Uint8Array | null, 'each'>
}

export const reshareRounds = (id: SuiteId): ReshareRounds => {
  const suite = suiteOf(id)
  const scalarBytes = suite.group.field.bytes
  const { schema, most } = vssOpening(suite)
  const hash = v.nullable(bytes(HASH_BYTES, HASH_BYTES))
  const share = v.nullable(bytes(scalarBytes, scalarBytes))
  return {
    commitments: {
      codec: cborCodec(`${id}/reshare-commitment/v1`, hash, HASH_BYTES + 64),
      to: 'all',
      echo: 'round',
    },
    openings: { codec: cborCodec(`${id}/reshare-opening/v1`, v.nullable(schema), most), to: 'all', echo: 'round' },
    shares: { codec: cborCodec(`${id}/reshare-share/v1`, share, scalarBytes + 64), to: 'each', echo: 'none' },
  }
}

export const reshareTerms = (context: ReshareContext, session: Hash, dealer: Party): Terms => ({
  protocol: 'reshare',
  session,
  dealer,
  length: context.threshold,
  context: tupleHash(
    'quorate reshare context v1',
    u32(context.oldThreshold),
    u32(context.threshold),
    context.publicKey,
    tupleHash('verifying shares', ...context.verifyingShares),
    tupleHash('dealers', ...context.dealers.flatMap(({ party, index }) => [u32(party), u32(index)])),
    tupleHash('receivers', ...context.receivers.map((party) => u32(party))),
  ),
})

const distinct = (list: readonly number[]): boolean => new Set(list).size === list.length

const isSound = ({ verifyingShares, oldThreshold, dealers, receivers, threshold }: ReshareContext): boolean => {
  const indices = dealers.map(({ index }) => index)
  const places = dealers.map(({ party }) => party)
  const old = oldThreshold >= 2 && oldThreshold <= dealers.length && verifyingShares.length <= MOST_COEFFICIENTS
  const rising = indices.every((index, at) => index > (indices[at - 1] ?? 0) && index <= verifyingShares.length)
  const fresh = threshold >= 2 && threshold <= receivers.length && receivers.length <= MOST_COEFFICIENTS
  return old && rising && fresh && distinct(places) && distinct(receivers)
}

/** Verifying shares of the old epoch as elements; undefined where the context contradicts itself. */
const baseOf = (suite: Suite, context: ReshareContext): readonly Element[] | undefined =>
  isSound(context) ? openBase(suite, { ...context, threshold: context.oldThreshold }) : undefined

const assertInput = (input: ReshareInput, self: Party, seats: number): void => {
  const { dealers, receivers, share } = input
  const seated = [...dealers.map(({ party }) => party), ...receivers].every((party) => party >= 1 && party <= seats)
  const deals = dealers.some(({ party }) => party === self)
  if (!isSound(input) || !seated || deals !== (share !== undefined))
    throw new RangeError(
      `no resharing by ${dealers.length} (${input.oldThreshold}) to ${input.threshold} of ${receivers.length}`,
    )
}

/**
 * Resharing without a dealer (Desmedt and Jajodia, 1997; verifiable as Wong, Wang and Wing, 2002): at least an old
 * threshold of sites share their weighted shares λ·x anew, and the sums are shares of the same key under another
 * roster or threshold. Every first commitment has to be λ·Y of the base, so the key stays; every commitment has
 * exactly as many coefficients as the new threshold, so that stays too. Key and shares are after BIP-341's tweak
 * already. All parties, old and new, hold the same dealings before a share leaves; old shares end with the ceremony's
 * promises, never here.
 */
export const frostReshare = (id: SuiteId): KeyProtocol<ReshareRounds, ReshareContext, ReshareInput, ReshareOutput> => {
  const rounds = reshareRounds(id)

  /**
   * A party's commitment as elements, undefined where it rightly sent none, or the first check that its first two
   * messages fail.
   */
  const open = (
    suite: Suite,
    context: ReshareContext,
    base: readonly Element[],
    session: Hash,
    party: Party,
    committed: Uint8Array | null,
    opening: VssOpening | null,
  ): readonly Element[] | ReshareCheck | undefined => {
    const { group } = suite
    const dealer = context.dealers.find((one) => one.party === party)
    if (dealer === undefined) return committed === null && opening === null ? undefined : 'dealing-unasked'
    if (committed === null || opening === null) return 'opening'
    const opened = openVss(suite, reshareTerms(context, session, party), committed, opening)
    if (typeof opened === 'string') return opened
    const members = context.dealers.map(({ index }) => index)
    const weight = lagrange(group.field, dealer.index, members)
    const constant = group.combine(undefined, [weight], [base[dealer.index - 1] as Element])
    return group.equals(opened[0] as Element, constant) ? opened : 'base-share'
  }

  const openedIn = (
    suite: Suite,
    claim: Pick<Claim<ReshareContext>, 'messages' | 'context' | 'session'>,
    base: readonly Element[],
    party: Party,
  ): ReturnType<typeof open> | 'missing' => {
    const committed = oneMessage(claim, 'commitments', party, rounds.commitments.codec)
    const opening = oneMessage(claim, 'openings', party, rounds.openings.codec)
    if (committed === undefined || opening === undefined) return 'missing'
    return open(suite, claim.context, base, claim.session, party, committed.value, opening.value)
  }

  /** Index in the new epoch. */
  const indexOf = ({ receivers }: ReshareContext, party: number): Index | undefined => {
    const at = receivers.indexOf(party as Party)
    return at < 0 ? undefined : ((at + 1) as Index)
  }

  const firstFailure = (claim: Claim<ReshareContext>): ReshareCheck | undefined => {
    const suite = suiteOf(id)
    const base = baseOf(suite, claim.context)
    const opened = base && openedIn(suite, claim, base, claim.accused)
    if (base === undefined || opened === 'missing') return undefined
    if (typeof opened === 'string') return opened
    const share = oneMessage(claim, 'shares', claim.accused, rounds.shares.codec)
    if (share === undefined) return undefined
    const receiver = indexOf(claim.context, share.to)
    if (opened === undefined || receiver === undefined) return share.value === null ? undefined : 'share-unasked'
    return failedShare(suite, opened, receiver, share.value ?? new Uint8Array())
  }

  return {
    ...frostFacts(id).reshare,
    rounds,

    async run(box, input, { random }) {
      assertInput(input, box.self, box.peers.length + 1)
      const suite = await loadSuite(id)
      const { group } = suite
      const { field } = group
      const base = baseOf(suite, input)
      if (base === undefined) throw contradiction()
      const members = input.dealers.map(({ index }) => index)
      const parties = input.receivers.length
      const scratch = new Scratch(field)
      /** This dealer's polynomial and what it says of it. */
      const ownDealing = (index: Index, share: Secret) => {
        const old = scratch.scalar(openOwnShare(suite, share, input.verifyingShares[index - 1] as Uint8Array))
        const constant = scratch.scalar(field.multiply(lagrange(field, index, members), old))
        const polynomial = drawPolynomial(field, { threshold: input.threshold, parties }, random, constant)
        for (const coefficient of polynomial) scratch.scalar(coefficient)
        const terms = reshareTerms(input, box.session, box.self)
        return { polynomial, terms, ...dealVss(suite, terms, polynomial, random) }
      }
      try {
        const dealer = input.dealers.find(({ party }) => party === box.self)
        const own = dealer && input.share && ownDealing(dealer.index, input.share)

        // Round 1: hashes of the dealings; all parties hold the same ones before any is opened.
        const committed = await box.broadcast('commitments', own ? vssHash(suite, own.terms, own.opening) : null)

        // Round 2: the dealings themselves; all parties hold the same ones before a share leaves.
        const openings = await box.broadcast('openings', own ? own.opening : null)
        const commitments = new Map<Party, readonly Element[]>(own && [[box.self, own.elements]])
        for (const peer of box.peers) {
          const hash = committed.get(peer) as Uint8Array | null
          const opening = openings.get(peer) as VssOpening | null
          const opened = open(suite, input, base, box.session, peer, hash, opening)
          if (typeof opened === 'string') return box.blame(peer, opened, ['commitments', 'openings'])
          if (opened !== undefined) commitments.set(peer, opened)
        }
        const total = sumCommitments(group, [...commitments.values()])
        const made = resharedFrom(suite, total, parties)
        if (typeof made === 'string') throw degenerateError(made)

        // Round 3: one share from every dealer to every receiver.
        const shareFor = (index: Index) => own && scratch.scalar(evaluate(field, own.polynomial, index))
        const sent = await box.scatter('shares', (peer) => {
          const index = indexOf(input, peer)
          const share = index && shareFor(index)
          return share === undefined ? null : scratch.encoding(field.encode(share))
        })
        const self = indexOf(input, box.self)
        const shares = new Map<Party, Uint8Array>()
        for (const [peer, share] of sent)
          if (self !== undefined && commitments.has(peer)) shares.set(peer, share ?? new Uint8Array())
          else if (share !== null) return box.blame(peer, 'share-unasked', ['commitments', 'openings', 'shares'])
        const summed =
          self === undefined
            ? undefined
            : sumShares(suite, { receiver: self, own: shareFor(self), shares, commitments, total }, scratch)
        if (summed !== undefined && 'check' in summed)
          return box.blame(summed.dealer, summed.check, ['commitments', 'openings', 'shares'])

        // Round 4: every sender and receiver confirms the private messages.
        await box.confirm('confirm')
        return { share: summed && new Secret(field.encode(summed.sum)), ...made }
      } finally {
        scratch.wipe()
      }
    },

    judge(claim) {
      return firstFailure(claim) === claim.check ? 'proven' : 'refuted'
    },

    derive(context, session, messages) {
      const suite = suiteOf(id)
      const base = baseOf(suite, context)
      if (base === undefined) throw new DecodeError('the base: its verifying shares are not shares of its key')
      const named = [...context.dealers.map(({ party }) => party), ...context.receivers]
      const commitments = everyOpening(messages, named, (party) =>
        openedIn(suite, { messages, context, session }, base, party),
      )
      const made = resharedFrom(suite, sumCommitments(suite.group, commitments), context.receivers.length)
      if (typeof made === 'string') throw new DecodeError(`all parties together: ${made}`)
      return made
    },
  }
}
