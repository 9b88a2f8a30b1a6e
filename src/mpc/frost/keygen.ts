import * as v from 'valibot'
import type { Hash, Index, Party } from '../../lib/brand.ts'
import { concat, fromHex, u32 } from '../../lib/bytes.ts'
import type { Random } from '../../lib/ports.ts'
import { Secret } from '../../lib/secret.ts'
import { type Codec, cborCodec, DecodeError } from '../../records/codec.ts'
import type { ProtocolId } from '../../records/definition-fields.ts'
import { bytes } from '../../records/fields.ts'
import { oneMessage } from '../evidence.ts'
import type { Element, Scalar } from '../group/group.ts'
import type { Claim, Protocol, Round } from '../mailbox.ts'
import { evaluate, evaluateCommitment, plusProduct, randomScalar, sumCommitments } from './polynomial.ts'
import { proofBytes, prove, proves } from './proof.ts'
import {
  encodeSignature,
  hasOddY,
  loadSuite,
  type Suite,
  schnorrHolds,
  splitSignature,
  suiteOf,
  taggedHash,
  xOnly,
} from './suite.ts'

/** What everybody knows before a key generation. A party's place is the index of its share. */
export interface KeygenContext {
  readonly threshold: number
  readonly parties: number
}
export type KeygenInput = KeygenContext

export interface KeygenPublic {
  /** Encoded element; compressed with its Y also for BIP-340, after the BIP-341 tweak. */
  readonly publicKey: Uint8Array
  /** Encoded elements in index order: share·G. */
  readonly verifyingShares: readonly Uint8Array[]
}
export interface KeygenOutput extends KeygenPublic {
  /** Encoded scalar. */
  readonly share: Secret
}

/** Commitment to the polynomial (constant term first), proof of knowledge as RFC 9591's peers write it, and our own. */
export type Dealt = readonly [commitment: readonly Uint8Array[], proof: Uint8Array, sessionProof: Uint8Array]

export type KeygenRounds = {
  readonly commitments: Round<Dealt, 'all'>
  readonly shares: Round<Uint8Array, 'each'>
}

/** Names of what a dealer's messages can fail; the first that fails is the one that is blamed. */
export type KeygenCheck =
  | 'commitment-count'
  | 'commitment-point'
  | 'proof-of-knowledge'
  | 'session-proof'
  | 'share-scalar'
  | 'share-commitment'

const MOST_COEFFICIENTS = 32

export const keygenRounds = (id: ProtocolId): KeygenRounds => {
  const suite = suiteOf(id)
  const { group, signatureBytes } = suite
  const element = bytes(group.bytes, group.bytes)
  const scalar = bytes(group.field.bytes, group.field.bytes)
  const own = proofBytes(suite)
  const dealt: Codec<Dealt> = cborCodec(
    `${id}/keygen-commitments/v1`,
    v.strictTuple([
      v.pipe(v.array(element), v.minLength(1), v.maxLength(MOST_COEFFICIENTS)),
      bytes(signatureBytes, signatureBytes),
      bytes(own, own),
    ]),
    MOST_COEFFICIENTS * (group.bytes + 2) + signatureBytes + own + 64,
  )
  return {
    commitments: { codec: dealt, to: 'all', echo: 'round' },
    shares: { codec: cborCodec(`${id}/keygen-share/v1`, scalar, group.field.bytes + 64), to: 'each', echo: 'none' },
  }
}

const SESSION_PROOF = 'quorate keygen session proof v1'

const sessionBound = (
  context: KeygenContext,
  session: Hash,
  dealer: Party,
  commitment: readonly Uint8Array[],
): readonly Uint8Array[] => [fromHex(session), u32(dealer), u32(context.threshold), u32(context.parties), ...commitment]

/** HDKG(index, φ0, R): RFC 9591 leaves key generation to the FROST paper; the crates of the Zcash Foundation fix this form. */
const knowledgeChallenge = (suite: Suite, dealer: Party, constant: Uint8Array, nonce: Uint8Array): Scalar => {
  const { field } = suite.group
  return suite.hdkg(concat(field.encode(field.fromNumber(dealer)), constant, nonce))
}

/** The proof of knowledge of a constant term that noble and the Zcash Foundation's crates exchange. It names no session: a replay passes. */
export const proveKnowledge = (
  suite: Suite,
  dealer: Party,
  secret: Scalar,
  constant: Uint8Array,
  random: Random,
): Uint8Array => {
  const { group, evenY } = suite
  const { field } = group
  const drawn = randomScalar(field, random)
  const encoded = group.encode(group.timesBase(drawn))
  const odd = evenY && hasOddY(encoded)
  const k = odd ? field.subtract(field.fromNumber(0), drawn) : drawn
  const nonce = odd ? concat(Uint8Array.of(2), xOnly(encoded)) : encoded
  const challenge = knowledgeChallenge(suite, dealer, constant, nonce)
  const proof = encodeSignature(suite, nonce, plusProduct(field, k, challenge, secret))
  field.wipe(drawn)
  field.wipe(k)
  return proof
}

export const provesKnowledge = (
  suite: Suite,
  dealer: Party,
  constant: Uint8Array,
  element: Element,
  proof: Uint8Array,
): boolean => {
  const split = splitSignature(suite, proof)
  if (split === undefined) return false
  const challenge = knowledgeChallenge(suite, dealer, constant, split.nonce)
  return schnorrHolds(suite, split.nonce, challenge, element, split.response)
}

export interface Dealing {
  readonly coefficients: readonly Scalar[]
  readonly elements: readonly Element[]
  readonly message: Dealt
}

/** A dealer's polynomial of `threshold` coefficients, the commitment to it and both proofs. */
export const deal = (
  suite: Suite,
  context: KeygenContext,
  session: Hash,
  dealer: Party,
  random: Random,
  coefficients: readonly Scalar[] = Array.from({ length: context.threshold }, () =>
    randomScalar(suite.group.field, random),
  ),
): Dealing => {
  const { group } = suite
  const elements = coefficients.map((coefficient) => group.timesBase(coefficient))
  const commitment = elements.map((element) => group.encode(element))
  const [secret] = coefficients as [Scalar]
  const [constant] = commitment as [Uint8Array]
  const proof = proveKnowledge(suite, dealer, secret, constant, random)
  const bound = sessionBound(context, session, dealer, commitment)
  return {
    coefficients,
    elements,
    message: [commitment, proof, prove(suite, SESSION_PROOF, bound, secret, random)],
  }
}

/** A peer's commitment as elements, or the first check that it fails. */
export const openDealt = (
  suite: Suite,
  context: KeygenContext,
  session: Hash,
  dealer: Party,
  [commitment, proof, sessionProof]: Dealt,
): readonly Element[] | KeygenCheck => {
  if (commitment.length !== context.threshold) return 'commitment-count'
  const elements: Element[] = []
  for (const one of commitment) {
    const element = suite.group.decode(one)
    if (element === undefined) return 'commitment-point'
    elements.push(element)
  }
  const [constant] = commitment as [Uint8Array]
  const [element] = elements as [Element]
  if (!provesKnowledge(suite, dealer, constant, element, proof)) return 'proof-of-knowledge'
  const bound = sessionBound(context, session, dealer, commitment)
  if (!proves(suite, SESSION_PROOF, bound, element, sessionProof)) return 'session-proof'
  return elements
}

const isDiscreteLog = ({ group }: Suite, element: Element, secret: Scalar): boolean =>
  !group.field.isZero(secret) && group.equals(group.timesBase(secret), element)

/** The check that a share fails against its dealer's commitment, if any. */
export const failedShare = (
  { group }: Suite,
  commitment: readonly Element[],
  receiver: Index,
  share: Uint8Array,
): KeygenCheck | undefined => {
  const value = group.field.decode(share)
  if (value === undefined) return 'share-scalar'
  const holds = group.equals(group.combine(value, [], []), evaluateCommitment(group, commitment, receiver))
  group.field.wipe(value)
  return holds ? undefined : 'share-commitment'
}

/** BIP-341's tweak for a key without scripts: what noble and frost-secp256k1-tr apply to every generated key. */
const emptyRootTweak = ({ group }: Suite, publicKey: Uint8Array): Scalar => {
  const tweak = group.field.decode(taggedHash('TapTweak', xOnly(publicKey)))
  if (tweak === undefined) throw new RangeError('the tweak of this key is out of range')
  return tweak
}

const untweakedKey = ({ group }: Suite, total: readonly Element[]): Uint8Array => group.encode(total[0] as Element)

/** The key and the verifying shares that the sum of all commitments gives, tweaked for BIP-340. */
export const publicFrom = (suite: Suite, total: readonly Element[], parties: number): KeygenPublic => {
  const { group, evenY } = suite
  const indices = Array.from({ length: parties }, (_, at) => (at + 1) as Index)
  const key = untweakedKey(suite, total)
  if (!evenY)
    return {
      publicKey: key,
      verifyingShares: indices.map((index) => group.encode(evaluateCommitment(group, total, index))),
    }
  const even = hasOddY(key) ? total.map((element) => group.negate(element)) : total
  const shift = group.combine(emptyRootTweak(suite, key), [], [])
  const tweaked = even.map((element, k) => (k === 0 ? group.add(element, shift) : element))
  return {
    publicKey: group.encode(tweaked[0] as Element),
    verifyingShares: indices.map((index) => group.encode(evaluateCommitment(group, tweaked, index))),
  }
}

/** The share that goes with `publicFrom`, encoded, from the sum of all shares that a party got. */
export const shareFrom = (suite: Suite, total: readonly Element[], sum: Scalar): Uint8Array => {
  const { field } = suite.group
  if (!suite.evenY) return field.encode(sum)
  const key = untweakedKey(suite, total)
  const even = hasOddY(key) ? field.subtract(field.fromNumber(0), sum) : sum
  const share = field.add(even, emptyRootTweak(suite, key))
  const encoded = field.encode(share)
  if (even !== sum) field.wipe(even)
  field.wipe(share)
  return encoded
}

/**
 * What a key generation gave, from its broadcasts alone (payloads of 'commitments' in party order, undecoded). Every check
 * is run again; throws DecodeError naming the party whose message fails one, RangeError where all commitments together
 * give no key.
 */
export const keygenPublic = (
  id: ProtocolId,
  context: KeygenContext,
  session: Hash,
  payloads: readonly Uint8Array[],
): KeygenPublic => {
  const suite = suiteOf(id)
  const { codec } = keygenRounds(id).commitments
  if (payloads.length !== context.parties) throw new DecodeError('not one commitment a party')
  const commitments = payloads.map((payload, at) => {
    const opened = openDealt(suite, context, session, (at + 1) as Party, codec.decode(payload))
    if (typeof opened === 'string') throw new DecodeError(`party ${at + 1}: ${opened}`)
    return opened
  })
  return publicFrom(suite, sumCommitments(suite.group, commitments), context.parties)
}

const assertContext = ({ threshold, parties }: KeygenContext, seats: number): void => {
  if (!(threshold >= 2 && threshold <= parties && parties <= MOST_COEFFICIENTS) || parties !== seats)
    throw new RangeError(`no key generation of ${threshold} of ${parties} among ${seats}`)
}

/**
 * Dealerless key generation: Pedersen's, with the proof of knowledge of the FROST paper (figure 1) and one bound to the
 * session, since the former can be replayed into another one.
 */
export const frostKeygen = (id: ProtocolId): Protocol<KeygenRounds, KeygenContext, KeygenInput, KeygenOutput> => {
  const rounds = keygenRounds(id)

  const firstFailure = (claim: Claim<KeygenContext>): KeygenCheck | undefined => {
    const suite = suiteOf(id)
    const dealt = oneMessage(claim, 'commitments', claim.accused, rounds.commitments.codec)
    if (dealt === undefined) return undefined
    const opened = openDealt(suite, claim.context, claim.session, claim.accused, dealt.value)
    if (typeof opened === 'string') return opened
    const share = oneMessage(claim, 'shares', claim.accused, rounds.shares.codec)
    return share && failedShare(suite, opened, share.to as Index, share.value)
  }

  return {
    id: `${id}/keygen`,
    rounds,

    async run(box, context, { random }) {
      assertContext(context, box.peers.length + 1)
      const suite = await loadSuite(id)
      const { group } = suite
      const { field } = group
      const self = Number(box.self) as Index
      const dealing = deal(suite, context, box.session, box.self, random)
      const secrets: Scalar[] = [...dealing.coefficients]
      const encodings: Uint8Array[] = []
      const secret = (scalar: Scalar): Scalar => {
        secrets.push(scalar)
        return scalar
      }
      try {
        // Round 1: commitments and proofs; all parties hold the same ones before a share leaves.
        const dealt = await box.broadcast('commitments', dealing.message)
        const commitments = new Map<Party, readonly Element[]>([[box.self, dealing.elements]])
        for (const peer of box.peers) {
          const opened = openDealt(suite, context, box.session, peer, dealt.get(peer) as Dealt)
          if (typeof opened === 'string') return box.blame(peer, opened, ['commitments'])
          commitments.set(peer, opened)
        }

        // Round 2: one share a peer. Their sum is checked; each by itself only where the sum does not hold.
        const shares = await box.scatter('shares', (peer) => {
          const share = field.encode(secret(evaluate(field, dealing.coefficients, Number(peer) as Index)))
          encodings.push(share)
          return share
        })
        encodings.push(...shares.values())
        const total = sumCommitments(group, [...commitments.values()])
        const received = box.peers.map((peer) => field.decode(shares.get(peer) as Uint8Array))
        let sum = secret(evaluate(field, dealing.coefficients, self))
        for (const share of received) if (share !== undefined) sum = secret(field.add(sum, secret(share)))
        const expected = evaluateCommitment(group, total, self)
        if (received.includes(undefined) || !isDiscreteLog(suite, expected, sum)) {
          for (const peer of box.peers) {
            const commitment = commitments.get(peer) as readonly Element[]
            const failed = failedShare(suite, commitment, self, shares.get(peer) as Uint8Array)
            if (failed !== undefined) return box.blame(peer, failed, ['commitments', 'shares'])
          }
          throw new Error('shares that all hold have a sum that does not')
        }

        // Round 3: every sender and receiver confirms the private messages.
        await box.confirm('confirm')
        return { share: new Secret(shareFrom(suite, total, sum)), ...publicFrom(suite, total, context.parties) }
      } finally {
        for (const one of secrets) field.wipe(one)
        for (const one of encodings) one.fill(0)
      }
    },

    judge(claim: Claim<KeygenContext>) {
      return firstFailure(claim) === claim.check ? 'proven' : 'refuted'
    },
  }
}
