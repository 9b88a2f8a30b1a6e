import * as v from 'valibot'
import type { Index, Party } from '../../lib/brand.ts'
import { concat } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Random } from '../../lib/ports.ts'
import { cborCodec } from '../../records/codec.ts'
import { bytes } from '../../records/fields.ts'
import { oneMessage } from '../evidence.ts'
import type { Element, Scalar, ScalarField } from '../group/group.ts'
import type { Claim, Protocol, Round } from '../mailbox.ts'
import type { SignContext, SignInput, SignOutput } from '../scheme.ts'
import { frostFacts, type SignCheck } from './facts.ts'
import { openOwnShare } from './own-share.ts'
import { lagrange, plusProduct } from './polynomial.ts'
import { encodeSignature, hasOddY, loadSuite, type Suite, type SuiteId, suiteOf, xOnly } from './suite.ts'
import { verify } from './verify.ts'

/** Encoded hiding and binding nonce commitments. */
export type NonceCommitments = readonly [hiding: Uint8Array, binding: Uint8Array]

type SignRounds = {
  readonly commitments: Round<NonceCommitments, 'all'>
  readonly shares: Round<Uint8Array, 'all'>
}

export const signRounds = (id: SuiteId): SignRounds => {
  const { group } = suiteOf(id)
  const element = bytes(group.bytes, group.bytes)
  const scalar = bytes(group.field.bytes, group.field.bytes)
  return {
    commitments: {
      codec: cborCodec(`${id}/nonce-commitments/v1`, v.strictTuple([element, element]), 2 * group.bytes + 64),
      to: 'all',
      echo: 'rides',
    },
    shares: {
      codec: cborCodec(`${id}/signature-share/v1`, scalar, group.field.bytes + 64),
      to: 'all',
      echo: 'none',
    },
  }
}

interface Nonces {
  readonly hiding: Scalar
  readonly binding: Scalar
}

/**
 * One nonce, not zero: H3 of fresh randomness and the share, so that a broken random source alone does not repeat it (RFC
 * 9591 §4.1).
 */
const nonce = (suite: Suite, share: Uint8Array, random: Random): Scalar => {
  for (;;) {
    const fresh = random(32)
    const input = concat(fresh, share)
    const k = suite.h3(input)
    fresh.fill(0)
    input.fill(0)
    if (!suite.group.field.isZero(k)) return k
  }
}

/** One signer's commitments; `bytes` are what the commitment list hashes. */
export interface Commitment {
  readonly index: Index
  readonly bytes: NonceCommitments
  readonly hiding: Element
  readonly binding: Element
}

/** RFC 9591 §5.1. */
export const commit = (
  suite: Suite,
  index: Index,
  share: Uint8Array,
  random: Random,
): { readonly nonces: Nonces; readonly commitment: Commitment } => {
  const { group } = suite
  const nonces = { hiding: nonce(suite, share, random), binding: nonce(suite, share, random) }
  const hiding = group.timesBase(nonces.hiding)
  const binding = group.timesBase(nonces.binding)
  return { nonces, commitment: { index, bytes: [group.encode(hiding), group.encode(binding)], hiding, binding } }
}

export const openCommitment = (
  { group }: Suite,
  index: Index,
  bytes: NonceCommitments,
): Commitment | 'commitment-point' => {
  const hiding = group.decode(bytes[0])
  const binding = group.decode(bytes[1])
  return hiding === undefined || binding === undefined ? 'commitment-point' : { index, bytes, hiding, binding }
}

/** The signing key of a session: for BIP-340 the one of ±publicKey that has an even Y, and whether it is the negative. */
const signingKey = (
  { evenY }: Suite,
  publicKey: Uint8Array,
): { readonly encoded: Uint8Array; readonly negated: boolean } => {
  const negated = evenY && hasOddY(publicKey)
  return { encoded: negated ? concat(Uint8Array.of(2), xOnly(publicKey)) : publicKey, negated }
}

/** H1 of every signer's index after the list's digest (RFC 9591 §4.4). The list is in index order. */
export const bindingFactors = (
  suite: Suite,
  publicKey: Uint8Array,
  list: readonly { readonly index: Index; readonly bytes: NonceCommitments }[],
  message: Uint8Array,
): ReadonlyMap<Index, Scalar> => {
  const { field } = suite.group
  const index = (i: Index): Uint8Array => field.encode(field.fromNumber(i))
  const listed = list.flatMap((one) => [index(one.index), ...one.bytes])
  const prefix = concat(publicKey, suite.h4(message), suite.h5(concat(...listed)))
  return new Map(list.map((one) => [one.index, suite.h1(concat(prefix, index(one.index)))]))
}

/** Values that all signers of one session compute alike from the commitment list (RFC 9591 §4.4 to §4.6). */
interface Signing {
  /** In index order. */
  readonly members: readonly Index[]
  readonly bindingFactors: ReadonlyMap<Index, Scalar>
  /** hiding + factor·binding of each member. */
  readonly nonceShares: ReadonlyMap<Index, Element>
  /** Encoded sum of the nonce shares. */
  readonly nonce: Uint8Array
  readonly challenge: Scalar
  /** BIP-340 only: whether shares are of −key, and of −nonce. */
  readonly keyNegated: boolean
  readonly nonceNegated: boolean
}

/**
 * The session's public values, or 'nonce-identity' where the nonces add up to the identity: the binding factors hash every
 * commitment, so nobody can choose the sum. `own` saves a signer the variable-time multiplication of its own commitment:
 * hiding + factor·binding is one secret scalar times the base.
 */
export const prepare = (
  suite: Suite,
  publicKey: Uint8Array,
  commitments: readonly Commitment[],
  message: Uint8Array,
  own?: { readonly index: Index; readonly nonces: Nonces },
): Signing | 'nonce-identity' => {
  const { group } = suite
  const { field } = group
  const list = commitments.toSorted((a, b) => a.index - b.index)
  const key = signingKey(suite, publicKey)
  const factors = bindingFactors(suite, key.encoded, list, message)
  const nonceShares = new Map(
    list.map(({ index, hiding, binding }) => {
      const factor = factors.get(index) as Scalar
      const sum = index === own?.index ? nonceSum(field, own.nonces, factor) : undefined
      // A zero sum is the identity, which only the other way of computing it can give.
      if (sum === undefined || field.isZero(sum))
        return [index, group.add(hiding, group.combine(undefined, [factor], [binding]))]
      const element = group.timesBase(sum)
      field.wipe(sum)
      return [index, element]
    }),
  )
  const nonce = [...nonceShares.values()].reduce((sum, share) => group.add(sum, share))
  if (group.isIdentity(nonce)) return 'nonce-identity'
  const encoded = group.encode(nonce)
  return {
    members: list.map((one) => one.index),
    bindingFactors: factors,
    nonceShares,
    nonce: encoded,
    challenge: suite.challenge(encoded, key.encoded, message),
    keyNegated: key.negated,
    nonceNegated: suite.evenY && hasOddY(encoded),
  }
}

const nonceSum = (field: ScalarField, { hiding, binding }: Nonces, factor: Scalar): Scalar =>
  plusProduct(field, hiding, factor, binding)

const signed = ({ group: { field } }: Suite, negative: boolean, a: Scalar): Scalar =>
  negative ? field.subtract(field.fromNumber(0), a) : a

/** z = ±(hiding + factor·binding) ± λ·share·challenge (RFC 9591 §5.2). */
export const signatureShare = (suite: Suite, signing: Signing, index: Index, nonces: Nonces, share: Scalar): Scalar => {
  const { field } = suite.group
  const factor = signing.bindingFactors.get(index) as Scalar
  const weight = field.multiply(lagrange(field, index, signing.members), signing.challenge)
  const sum = nonceSum(field, nonces, factor)
  const own = signed(suite, signing.nonceNegated, sum)
  const z = plusProduct(field, own, signed(suite, signing.keyNegated, weight), share)
  field.wipe(own)
  field.wipe(sum)
  return z
}

/** True where one share fits its signer's commitments and verifying share (RFC 9591 §5.4). */
export const shareHolds = (
  suite: Suite,
  signing: Signing,
  index: Index,
  verifyingShare: Element,
  share: Scalar,
): boolean => {
  const { group } = suite
  const { field } = group
  const nonceShare = signing.nonceShares.get(index)
  if (nonceShare === undefined) return false
  const weight = field.multiply(lagrange(field, index, signing.members), signing.challenge)
  // share·G − weight·Y = ±R_i, all signs moved to the left.
  const left = group.combine(
    signed(suite, signing.nonceNegated, share),
    [signed(suite, signing.keyNegated === signing.nonceNegated, weight)],
    [verifyingShare],
  )
  return group.equals(left, nonceShare)
}

/** The signature that these shares add up to; not verified. */
export const aggregate = (suite: Suite, signing: Signing, shares: readonly Scalar[]): Uint8Array => {
  const { field } = suite.group
  return encodeSignature(
    suite,
    signing.nonce,
    shares.reduce((sum, share) => field.add(sum, share), field.fromNumber(0)),
  )
}

/** The check that one signer's share fails, if any. */
export const failedSignatureShare = (
  suite: Suite,
  signing: Signing,
  index: Index,
  verifyingShare: Uint8Array,
  share: Uint8Array,
): SignCheck | undefined => {
  const value = suite.group.field.decode(share)
  if (value === undefined) return 'signature-share-scalar'
  const element = suite.group.decode(verifyingShare)
  return element !== undefined && !shareHolds(suite, signing, index, element, value) ? 'signature-share' : undefined
}

const assertContext = ({ threshold, indices, verifyingShares }: SignContext, seats: number): void => {
  const known = indices.every((index) => verifyingShares[index - 1] !== undefined)
  const distinct = new Set(indices).size === indices.length
  if (indices.length < threshold || indices.length !== seats || !distinct || !known)
    throw new RangeError('the signers are not a quorum of the roster')
}

/** FROST's two rounds (RFC 9591 §5) without a coordinator: every signer aggregates, verifies and holds the signature. */
export const frostSign = (id: SuiteId): Protocol<SignRounds, SignContext, SignInput, SignOutput> => {
  const rounds = signRounds(id)

  const firstFailure = (claim: Claim<SignContext>): SignCheck | 'no message' | undefined => {
    const { accused, context } = claim
    const suite = suiteOf(id)
    const index = context.indices[accused - 1]
    const verifyingShare = index === undefined ? undefined : context.verifyingShares[index - 1]
    const own = oneMessage(claim, 'commitments', accused, rounds.commitments.codec)
    if (own === undefined || index === undefined || verifyingShare === undefined) return undefined
    if (openCommitment(suite, index, own.value) === 'commitment-point') return 'commitment-point'
    const share = oneMessage(claim, 'shares', accused, rounds.shares.codec)
    if (share === undefined) return undefined
    const commitments: Commitment[] = []
    for (const [at, signer] of context.indices.entries()) {
      const message = oneMessage(claim, 'commitments', (at + 1) as Party, rounds.commitments.codec)
      const opened = message && openCommitment(suite, signer, message.value)
      if (opened === undefined || opened === 'commitment-point') return undefined
      commitments.push(opened)
    }
    if (suite.group.field.decode(share.value) === undefined) return 'signature-share-scalar'
    if (context.message === undefined) return 'no message'
    const signing = prepare(suite, context.publicKey, commitments, context.message)
    if (signing === 'nonce-identity') return undefined
    return failedSignatureShare(suite, signing, index, verifyingShare, share.value)
  }

  return {
    ...frostFacts(id).sign,
    rounds,

    async run(box, input, { random }) {
      assertContext(input, box.peers.length + 1)
      const suite = await loadSuite(id)
      const { group } = suite
      const { field } = group
      const indexOf = (party: Party): Index => input.indices[party - 1] as Index
      const verifyingShareOf = (party: Party): Uint8Array => input.verifyingShares[indexOf(party) - 1] as Uint8Array
      const share = openOwnShare(suite, input.share, verifyingShareOf(box.self))
      const own = { index: indexOf(box.self), ...commit(suite, indexOf(box.self), input.share.reveal(), random) }
      try {
        // Round 1: fresh nonce commitments. Their list rides with the shares and is compared before any share is judged.
        const received = await box.broadcast('commitments', own.commitment.bytes)
        const list = [own.commitment]
        for (const peer of box.peers) {
          const opened = openCommitment(suite, indexOf(peer), received.get(peer) as NonceCommitments)
          if (opened === 'commitment-point') return box.blame(peer, opened, ['commitments'])
          list.push(opened)
        }
        const signing = prepare(suite, input.publicKey, list, input.message, own)
        if (signing === 'nonce-identity')
          throw new QuorateError(
            'E_DEGENERATE',
            'the signers’ nonces add up to the identity: they make no signature',
            'nobody is at fault and no share was sent; run join again. If it happens twice, keep the logs and report it',
            { check: signing },
          )

        // Round 2: signature shares. One peer's is judged by the sum; two could send wrong ones that cancel, and others to
        // somebody else, so that honest parties would have one signature from two transcripts.
        const ownShare = signatureShare(suite, signing, own.index, own.nonces, share)
        const shares = await box.broadcast('shares', field.encode(ownShare))
        const scalars = [...shares.values()].map((bytes) => field.decode(bytes))
        const whole = scalars.filter((scalar) => scalar !== undefined)
        const signature = aggregate(suite, signing, whole)
        const verifies = whole.length === scalars.length && verify(suite, input.publicKey, input.message, signature)
        if (verifies && box.peers.length === 1) return { signature }
        for (const peer of box.peers) {
          const bytes = shares.get(peer) as Uint8Array
          const failed = failedSignatureShare(suite, signing, indexOf(peer), verifyingShareOf(peer), bytes)
          if (failed !== undefined) return box.blame(peer, failed, ['commitments', 'shares'])
        }
        if (verifies) return { signature }
        throw new QuorateError(
          'E_SHARD',
          'every signature share holds and their sum is no signature: the key’s record contradicts itself',
          'do not sign with this record; verify the bundle of the epoch that it names',
        )
      } finally {
        field.wipe(own.nonces.hiding)
        field.wipe(own.nonces.binding)
        field.wipe(share)
      }
    },

    judge(claim: Claim<SignContext>) {
      const failure = firstFailure(claim)
      if (failure === 'no message') return claim.check === 'signature-share' ? 'undecidable' : 'refuted'
      return failure === claim.check ? 'proven' : 'refuted'
    },
  }
}
