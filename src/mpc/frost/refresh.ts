import type { Hash, Index, Party } from '../../lib/brand.ts'
import { u32 } from '../../lib/bytes.ts'
import { tupleHash } from '../../lib/hash.ts'
import { Secret } from '../../lib/secret.ts'
import { cborCodec, DecodeError } from '../../records/codec.ts'
import { bytes } from '../../records/fields.ts'
import { oneMessage } from '../evidence.ts'
import type { Element } from '../group/group.ts'
import type { Claim, Round } from '../mailbox.ts'
import type { KeygenOutput, KeyProtocol, RefreshContext, RefreshInput } from '../scheme.ts'
import { contradiction, indicesUpTo, openBase } from './base.ts'
import { drawPolynomial, failedShare, MOST_COEFFICIENTS } from './dealing.ts'
import { frostFacts, type RefreshCheck } from './facts.ts'
import { openOwnShare } from './own-share.ts'
import { evaluate, plusProduct, sumCommitments } from './polynomial.ts'
import { Scratch } from './scratch.ts'
import { loadSuite, type Suite, type SuiteId, suiteOf } from './suite.ts'
import { degenerateError, refreshedFrom } from './total.ts'
import { dealVss, HASH_BYTES, openVss, sumShares, type Terms, type VssOpening, vssHash, vssOpening } from './vss.ts'

type RefreshRounds = {
  /** A hash of what the dealer will open, so that nobody deals by what others dealt. */
  readonly commitments: Round<Uint8Array, 'all'>
  /** Of g alone, where x·g(x) is what the dealer adds: a constant term of zero needs no check. */
  readonly openings: Round<VssOpening, 'all'>
  /** g at the receiver's index. */
  readonly shares: Round<Uint8Array, 'each'>
}

export const refreshRounds = (id: SuiteId): RefreshRounds => {
  const suite = suiteOf(id)
  const scalarBytes = suite.group.field.bytes
  const { schema, most } = vssOpening(suite)
  return {
    commitments: {
      codec: cborCodec(`${id}/refresh-commitment/v1`, bytes(HASH_BYTES, HASH_BYTES), HASH_BYTES + 64),
      to: 'all',
      echo: 'round',
    },
    openings: { codec: cborCodec(`${id}/refresh-opening/v1`, schema, most), to: 'all', echo: 'round' },
    shares: {
      codec: cborCodec(`${id}/refresh-share/v1`, bytes(scalarBytes, scalarBytes), scalarBytes + 64),
      to: 'each',
      echo: 'none',
    },
  }
}

export const refreshTerms = (context: RefreshContext, session: Hash, dealer: Party): Terms => ({
  protocol: 'refresh',
  session,
  dealer,
  length: context.threshold - 1,
  context: tupleHash(
    'quorate refresh context v1',
    u32(context.threshold),
    u32(context.parties),
    context.publicKey,
    ...context.verifyingShares,
  ),
})

const assertContext = ({ threshold, parties, verifyingShares }: RefreshContext, seats: number): void => {
  const sizes = threshold >= 2 && threshold <= parties && parties <= MOST_COEFFICIENTS
  if (!sizes || parties !== seats || verifyingShares.length !== parties)
    throw new RangeError(`no refresh of ${threshold} of ${parties} among ${seats}`)
}

/**
 * Proactive refresh (Herzberg and others, 1995) without a dealer: every party deals x·g(x) for a random g of one
 * coefficient less than the threshold, and adds what it got to its share. The key stays by construction, and so does
 * the threshold, since all count the coefficients. Key and shares are after BIP-341's tweak already: nothing is
 * tweaked here. A constant of zero has no proof of knowledge; g's constant term has one, so that nobody deals what it
 * does not know, say a multiple of the key or of somebody's verifying share.
 */
export const frostRefresh = (id: SuiteId): KeyProtocol<RefreshRounds, RefreshContext, RefreshInput, KeygenOutput> => {
  const rounds = refreshRounds(id)

  const openedIn = (
    suite: Suite,
    claim: Pick<Claim<RefreshContext>, 'messages' | 'context' | 'session'>,
    dealer: Party,
  ): readonly Element[] | RefreshCheck | undefined => {
    const committed = oneMessage(claim, 'commitments', dealer, rounds.commitments.codec)
    const opening = oneMessage(claim, 'openings', dealer, rounds.openings.codec)
    if (committed === undefined || opening === undefined) return undefined
    return openVss(suite, refreshTerms(claim.context, claim.session, dealer), committed.value, opening.value)
  }

  const firstFailure = (claim: Claim<RefreshContext>): RefreshCheck | undefined => {
    const suite = suiteOf(id)
    const opened = openedIn(suite, claim, claim.accused)
    if (opened === undefined || typeof opened === 'string') return opened
    const share = oneMessage(claim, 'shares', claim.accused, rounds.shares.codec)
    return share && failedShare(suite, opened, share.to as Index, share.value)
  }

  return {
    ...frostFacts(id).refresh,
    rounds,

    async run(box, input, { random }) {
      assertContext(input, box.peers.length + 1)
      const suite = await loadSuite(id)
      const { group } = suite
      const { field } = group
      const self = Number(box.self) as Index
      const base = openBase(suite, input)
      if (base === undefined) throw contradiction()
      const scratch = new Scratch(field)
      try {
        const old = scratch.scalar(openOwnShare(suite, input.share, input.verifyingShares[self - 1] as Uint8Array))
        const terms = refreshTerms(input, box.session, box.self)
        const polynomial = drawPolynomial(field, { ...input, threshold: terms.length }, random)
        for (const coefficient of polynomial) scratch.scalar(coefficient)
        const { elements, opening } = dealVss(suite, terms, polynomial, random)

        // Round 1: hashes of the dealings; all parties hold the same ones before any is opened.
        const committed = await box.broadcast('commitments', vssHash(suite, terms, opening))

        // Round 2: the dealings themselves; all parties hold the same ones before a share leaves.
        const openings = await box.broadcast('openings', opening)
        const commitments = new Map<Party, readonly Element[]>([[box.self, elements]])
        for (const peer of box.peers) {
          const hash = committed.get(peer) as Uint8Array
          const opened = openVss(suite, { ...terms, dealer: peer }, hash, openings.get(peer) as VssOpening)
          if (typeof opened === 'string') return box.blame(peer, opened, ['commitments', 'openings'])
          commitments.set(peer, opened)
        }
        const total = sumCommitments(group, [...commitments.values()])
        const made = refreshedFrom(suite, input, base, total)
        if (typeof made === 'string') throw degenerateError(made)

        // Round 3: one share a peer.
        const shareFor = (index: Index) => scratch.scalar(evaluate(field, polynomial, index))
        const shares = await box.scatter('shares', (peer) =>
          scratch.encoding(field.encode(shareFor(Number(peer) as Index))),
        )
        const summed = sumShares(suite, { receiver: self, own: shareFor(self), shares, commitments, total }, scratch)
        if ('check' in summed) return box.blame(summed.dealer, summed.check, ['commitments', 'openings', 'shares'])
        const share = scratch.scalar(plusProduct(field, old, field.fromNumber(self), summed.sum))

        // Round 4: every sender and receiver confirms the private messages.
        await box.confirm('confirm')
        return { share: new Secret(field.encode(share)), ...made }
      } finally {
        scratch.wipe()
      }
    },

    judge(claim) {
      return firstFailure(claim) === claim.check ? 'proven' : 'refuted'
    },

    derive(context, session, messages) {
      const suite = suiteOf(id)
      const base = openBase(suite, context)
      if (base === undefined) throw new DecodeError('the base: its verifying shares are not shares of its key')
      const commitments = indicesUpTo(context.parties).map((party) => {
        const opened = openedIn(suite, { messages, context, session }, Number(party) as Party)
        if (opened === undefined) throw new DecodeError(`party ${party}: its dealing is not here`)
        if (typeof opened === 'string') throw new DecodeError(`party ${party}: ${opened}`)
        return opened
      })
      const made = refreshedFrom(suite, context, base, sumCommitments(suite.group, commitments))
      if (typeof made === 'string') throw new DecodeError(`all parties together: ${made}`)
      return made
    },
  }
}
