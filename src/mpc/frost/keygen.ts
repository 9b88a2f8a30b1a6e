import type { Hash, Index, Party } from '../../lib/brand.ts'
import { equal, fromHex, u32, utf8 } from '../../lib/bytes.ts'
import { tupleHash } from '../../lib/hash.ts'
import { Secret } from '../../lib/secret.ts'
import { cborCodec, DecodeError } from '../../records/codec.ts'
import { bytes } from '../../records/fields.ts'
import { oneMessage } from '../evidence.ts'
import type { Element } from '../group/group.ts'
import type { Claim, Round } from '../mailbox.ts'
import type { KeygenContext, KeygenOutput, KeyProtocol } from '../scheme.ts'
import {
  deal,
  failedShare,
  MOST_COEFFICIENTS,
  newSalt,
  type Opening,
  openDealt,
  openingCodec,
  shareCodec,
} from './dealing.ts'
import { frostFacts, type KeygenCheck } from './facts.ts'
import { evaluate, sumCommitments } from './polynomial.ts'
import { Scratch } from './scratch.ts'
import { loadSuite, type Suite, type SuiteId, suiteOf } from './suite.ts'
import { degenerateError, publicFrom, shareFrom } from './total.ts'
import { HASH_BYTES, sumShares } from './vss.ts'

export type KeygenRounds = {
  /** A hash of what the dealer will open, so that nobody deals by what others dealt. */
  readonly commitments: Round<Uint8Array, 'all'>
  readonly openings: Round<Opening, 'all'>
  readonly shares: Round<Uint8Array, 'each'>
}

export const keygenRounds = (id: SuiteId): KeygenRounds => {
  const suite = suiteOf(id)
  return {
    commitments: {
      codec: cborCodec(`${id}/keygen-commitment/v2`, bytes(HASH_BYTES, HASH_BYTES), HASH_BYTES + 64),
      to: 'all',
      echo: 'round',
    },
    openings: { codec: openingCodec(suite), to: 'all', echo: 'round' },
    shares: { codec: shareCodec(suite), to: 'each', echo: 'none' },
  }
}

/** Hides by the salt, binds by SHA-256: to everything that is opened, and to who opens it, where and for how many. */
export const dealingHash = (
  id: SuiteId,
  context: KeygenContext,
  session: Hash,
  dealer: Party,
  opening: Opening,
): Uint8Array =>
  tupleHash(
    'quorate keygen dealing v2',
    utf8(id),
    fromHex(session),
    u32(dealer),
    u32(context.threshold),
    u32(context.parties),
    openingCodec(suiteOf(id)).encode(opening),
  )

/** A peer's commitment as elements, or the first check that its first two messages fail. */
const openCommitted = (
  suite: Suite,
  context: KeygenContext,
  session: Hash,
  dealer: Party,
  committed: Uint8Array,
  opening: Opening,
): readonly Element[] | KeygenCheck => {
  if (!equal(dealingHash(suite.id, context, session, dealer, opening), committed)) return 'opening'
  const [, ...dealt] = opening
  return openDealt(suite, context, session, dealer, dealt)
}

const assertContext = ({ threshold, parties }: KeygenContext, seats: number): void => {
  if (!(threshold >= 2 && threshold <= parties && parties <= MOST_COEFFICIENTS) || parties !== seats)
    throw new RangeError(`no key generation of ${threshold} of ${parties} among ${seats}`)
}

/**
 * Dealerless key generation: Pedersen's, with the proof of knowledge of the FROST paper (figure 1) and one bound to the
 * session, since the former can be replayed into another one. Every dealer commits to its dealing before it sees another
 * one: who deals last chooses neither the key nor any share (PROTOCOL.md §8).
 */
export const frostKeygen = (id: SuiteId): KeyProtocol<KeygenRounds, KeygenContext, KeygenContext, KeygenOutput> => {
  const rounds = keygenRounds(id)

  const openedIn = (claim: Pick<Claim<KeygenContext>, 'messages' | 'context' | 'session'>, dealer: Party) => {
    const committed = oneMessage(claim, 'commitments', dealer, rounds.commitments.codec)
    const opening = oneMessage(claim, 'openings', dealer, rounds.openings.codec)
    if (committed === undefined || opening === undefined) return undefined
    return openCommitted(suiteOf(id), claim.context, claim.session, dealer, committed.value, opening.value)
  }

  const firstFailure = (claim: Claim<KeygenContext>): KeygenCheck | undefined => {
    const opened = openedIn(claim, claim.accused)
    if (opened === undefined || typeof opened === 'string') return opened
    const share = oneMessage(claim, 'shares', claim.accused, rounds.shares.codec)
    return share && failedShare(suiteOf(id), opened, share.to as Index, share.value)
  }

  return {
    ...frostFacts(id).keygen,
    rounds,

    async run(box, context, { random }) {
      assertContext(context, box.peers.length + 1)
      const suite = await loadSuite(id)
      const { group } = suite
      const { field } = group
      const self = Number(box.self) as Index
      const dealing = deal(suite, context, box.session, box.self, random)
      const scratch = new Scratch(field)
      for (const coefficient of dealing.coefficients) scratch.scalar(coefficient)
      try {
        // Round 1: hashes of the dealings; all parties hold the same ones before any is opened.
        const opening: Opening = [newSalt(random), ...dealing.message]
        const committed = await box.broadcast('commitments', dealingHash(id, context, box.session, box.self, opening))

        // Round 2: the dealings themselves; all parties hold the same ones before a share leaves.
        const openings = await box.broadcast('openings', opening)
        const commitments = new Map<Party, readonly Element[]>([[box.self, dealing.elements]])
        for (const peer of box.peers) {
          const hash = committed.get(peer) as Uint8Array
          const opened = openCommitted(suite, context, box.session, peer, hash, openings.get(peer) as Opening)
          if (typeof opened === 'string') return box.blame(peer, opened, ['commitments', 'openings'])
          commitments.set(peer, opened)
        }
        const total = sumCommitments(group, [...commitments.values()])
        const made = publicFrom(suite, total, context.parties)
        if (typeof made === 'string') throw degenerateError(made)

        // Round 3: one share a peer.
        const shareFor = (index: Index) => scratch.scalar(evaluate(field, dealing.coefficients, index))
        const shares = await box.scatter('shares', (peer) =>
          scratch.encoding(field.encode(shareFor(Number(peer) as Index))),
        )
        const summed = sumShares(suite, { receiver: self, own: shareFor(self), shares, commitments, total }, scratch)
        if ('check' in summed) return box.blame(summed.dealer, summed.check, ['commitments', 'openings', 'shares'])

        // Round 4: every sender and receiver confirms the private messages.
        await box.confirm('confirm')
        return { share: new Secret(shareFrom(suite, total, summed.sum)), ...made }
      } finally {
        scratch.wipe()
      }
    },

    judge(claim: Claim<KeygenContext>) {
      return firstFailure(claim) === claim.check ? 'proven' : 'refuted'
    },

    derive(context, session, messages) {
      const suite = suiteOf(id)
      const commitments = Array.from({ length: context.parties }, (_, at) => {
        const opened = openedIn({ messages, context, session }, (at + 1) as Party)
        if (opened === undefined) throw new DecodeError(`party ${at + 1}: its dealing is not here`)
        if (typeof opened === 'string') throw new DecodeError(`party ${at + 1}: ${opened}`)
        return opened
      })
      const made = publicFrom(suite, sumCommitments(suite.group, commitments), context.parties)
      if (typeof made === 'string') throw new DecodeError(`all parties together: ${made}`)
      return made
    },
  }
}
