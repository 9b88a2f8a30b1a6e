import * as v from 'valibot'
import type { Index, Party } from '../../lib/brand.ts'
import { concat, equal } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Random } from '../../lib/ports.ts'
import type { Secret } from '../../lib/secret.ts'
import { cborCodec } from '../../records/codec.ts'
import type { ProtocolId } from '../../records/definition.ts'
import { bytes } from '../../records/fields.ts'
import { oneMessage } from '../evidence.ts'
import type { Element, Scalar } from '../group/group.ts'
import type { Claim, Protocol, Round } from '../mailbox.ts'
import { lagrange } from './polynomial.ts'
import { encodeSignature, hasOddY, loadSuite, type Suite, suiteOf, xOnly } from './suite.ts'
import { verify } from './verify.ts'

/** What everybody knows before a signature. */
export interface SignContext {
  readonly threshold: number
  /** As key generation gave it. */
  readonly publicKey: Uint8Array
  /** Each party's index, in party order. */
  readonly indices: readonly Index[]
  /** Of the whole roster, in index order. */
  readonly verifyingShares: readonly Uint8Array[]
  readonly message: Uint8Array
}
export interface SignInput extends SignContext {
  /** Encoded scalar. */
  readonly share: Secret
}
export interface SignOutput {
  /** Ed25519 and Ed448 as RFC 8032, BIP-340, otherwise RFC 9591 appendix A. */
  readonly signature: Uint8Array
}

/** Encoded hiding and binding nonce commitments. */
export type NonceCommitments = readonly [hiding: Uint8Array, binding: Uint8Array]

export type SignRounds = {
  readonly commitments: Round<NonceCommitments, 'all'>
  readonly shares: Round<Uint8Array, 'all'>
}

/** Names of what a signer's messages can fail. */
export type SignCheck = 'commitment-point' | 'signature-share-scalar' | 'signature-share'

export const signRounds = (id: ProtocolId): SignRounds => {
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

export interface Nonces {
  readonly hiding: Scalar
  readonly binding: Scalar
}

/** One nonce: H3 of fresh randomness and the share, so that a broken random source alone does not repeat it (RFC 9591 §4.1). */
const nonce = (suite: Suite, share: Uint8Array, random: Random): Scalar => {
  const fresh = random(32)
  const input = concat(fresh, share)
  const k = suite.h3(input)
  fresh.fill(0)
  input.fill(0)
  return k
}

/** RFC 9591 §5.1. */
export const commit = (
  suite: Suite,
  share: Uint8Array,
  random: Random,
): { readonly nonces: Nonces; readonly commitments: NonceCommitments } => {
  const { group } = suite
  const nonces = { hiding: nonce(suite, share, random), binding: nonce(suite, share, random) }
  const encoded = (k: Scalar): Uint8Array => group.encode(group.timesBase(k))
  return { nonces, commitments: [encoded(nonces.hiding), encoded(nonces.binding)] }
}

/** One signer's commitments, decoded; `bytes` are what the commitment list hashes. */
export interface Commitment {
  readonly index: Index
  readonly bytes: NonceCommitments
  readonly hiding: Element
  readonly binding: Element
}

export const openCommitment = (
  { group }: Suite,
  index: Index,
  commitments: NonceCommitments,
): Commitment | 'commitment-point' => {
  const hiding = group.decode(commitments[0])
  const binding = group.decode(commitments[1])
  return hiding === undefined || binding === undefined
    ? 'commitment-point'
    : { index, bytes: commitments, hiding, binding }
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

/** What all signers of one session compute alike from the commitment list (RFC 9591 §4.4 to §4.6). */
export interface Signing {
  /** Encoded sum of the nonce shares. */
  readonly nonce: Uint8Array
  readonly challenge: Scalar
  readonly bindingFactors: ReadonlyMap<Index, Scalar>
  readonly members: readonly Index[]
  readonly commitments: readonly Commitment[]
  /** BIP-340 only: whether shares are of −key, and of −nonce. */
  readonly keyNegated: boolean
  readonly nonceNegated: boolean
}

const nonceShare = ({ group }: Suite, { hiding, binding }: Commitment, factor: Scalar): Element =>
  group.add(hiding, group.combine(undefined, [factor], [binding]))

/**
 * `own` saves a signer the variable-time multiplication of its own commitment: hiding + factor·binding is one secret scalar
 * times the base.
 */
export const prepare = (
  suite: Suite,
  publicKey: Uint8Array,
  commitments: readonly Commitment[],
  message: Uint8Array,
  own?: { readonly index: Index; readonly nonces: Nonces },
): Signing => {
  const { group } = suite
  const { field } = group
  const list = commitments.toSorted((a, b) => a.index - b.index)
  const key = signingKey(suite, publicKey)
  const factors = bindingFactors(suite, key.encoded, list, message)
  const factor = (index: Index): Scalar => factors.get(index) as Scalar
  const others = list.filter((one) => one.index !== own?.index)
  const bindings = group.combine(
    undefined,
    others.map((one) => factor(one.index)),
    others.map((one) => one.binding),
  )
  const sum = others.reduce((total, one) => group.add(total, one.hiding), bindings)
  const total =
    own === undefined
      ? sum
      : group.add(
          sum,
          group.timesBase(field.add(own.nonces.hiding, field.multiply(factor(own.index), own.nonces.binding))),
        )
  const encoded = group.encode(total)
  return {
    nonce: encoded,
    challenge: suite.challenge(encoded, key.encoded, message),
    bindingFactors: factors,
    members: list.map((one) => one.index),
    commitments: list,
    keyNegated: key.negated,
    nonceNegated: suite.evenY && hasOddY(encoded),
  }
}

const signed = ({ group: { field } }: Suite, negative: boolean, a: Scalar): Scalar =>
  negative ? field.subtract(field.fromNumber(0), a) : a

/** z = ±(hiding + factor·binding) ± λ·share·challenge (RFC 9591 §5.2). */
export const signatureShare = (suite: Suite, signing: Signing, index: Index, nonces: Nonces, share: Scalar): Scalar => {
  const { field } = suite.group
  const factor = signing.bindingFactors.get(index) as Scalar
  const nonceSum = field.add(nonces.hiding, field.multiply(factor, nonces.binding))
  const weight = field.multiply(lagrange(field, index, signing.members), signing.challenge)
  return field.add(
    signed(suite, signing.nonceNegated, nonceSum),
    field.multiply(signed(suite, signing.keyNegated, weight), share),
  )
}

/** Whether one share fits its signer's commitments and verifying share (RFC 9591 §5.4). */
export const shareHolds = (
  suite: Suite,
  signing: Signing,
  index: Index,
  verifyingShare: Element,
  share: Scalar,
): boolean => {
  const { group } = suite
  const { field } = group
  const commitment = signing.commitments.find((one) => one.index === index)
  const factor = signing.bindingFactors.get(index)
  if (commitment === undefined || factor === undefined) return false
  const weight = field.multiply(lagrange(field, index, signing.members), signing.challenge)
  // share·G − weight·Y = ±R_i, all signs moved to the left.
  const left = group.combine(
    signed(suite, signing.nonceNegated, share),
    [signed(suite, signing.keyNegated === signing.nonceNegated, weight)],
    [verifyingShare],
  )
  return group.equals(left, nonceShare(suite, commitment, factor))
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

const assertContext = ({ threshold, indices, verifyingShares }: SignContext): void => {
  const known = indices.every((index) => verifyingShares[index - 1] !== undefined)
  if (indices.length < threshold || new Set(indices).size !== indices.length || !known)
    throw new RangeError('the signers are not a quorum of the roster')
}

/** FROST's two rounds (RFC 9591 §5) without a coordinator: every signer aggregates, verifies and holds the signature. */
export const frostSign = (id: ProtocolId): Protocol<SignRounds, SignContext, SignInput, SignOutput> => {
  const rounds = signRounds(id)

  const firstFailure = (claim: Claim<SignContext>): SignCheck | undefined => {
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
    const signing = prepare(suite, context.publicKey, commitments, context.message)
    return failedSignatureShare(suite, signing, index, verifyingShare, share.value)
  }

  return {
    id: `${id}/sign`,
    rounds,

    async run(box, input, { random }) {
      assertContext(input)
      const suite = await loadSuite(id)
      const { group } = suite
      const { field } = group
      const indexOf = (party: Party): Index => input.indices[party - 1] as Index
      const verifyingShareOf = (party: Party): Uint8Array => input.verifyingShares[indexOf(party) - 1] as Uint8Array
      const share = field.decode(input.share.reveal())
      // A damaged share would make this site look guilty to the others.
      if (
        share === undefined ||
        field.isZero(share) ||
        !equal(group.encode(group.timesBase(share)), verifyingShareOf(box.self))
      )
        throw new QuorateError(
          'E_SHARD',
          'this site’s share is not the one that its verifying share names',
          'do not sign here; restore or repair the shard of this site',
        )
      const { nonces, commitments } = commit(suite, input.share.reveal(), random)
      try {
        // Round 1: fresh nonce commitments. Their list rides with the shares and is compared before any share is judged.
        const received = await box.broadcast('commitments', commitments)
        const list: Commitment[] = []
        for (const party of [box.self, ...box.peers]) {
          const bytes = party === box.self ? commitments : (received.get(party) as NonceCommitments)
          const opened = openCommitment(suite, indexOf(party), bytes)
          if (opened === 'commitment-point') return box.blame(party, opened, ['commitments'])
          list.push(opened)
        }
        const own = { index: indexOf(box.self), nonces }
        const signing = prepare(suite, input.publicKey, list, input.message, own)

        // Round 2: signature shares. They are added up first and judged one by one only where the sum does not verify.
        const ownShare = signatureShare(suite, signing, own.index, nonces, share)
        const shares = await box.broadcast('shares', field.encode(ownShare))
        const scalars = [...shares.values()].map((bytes) => field.decode(bytes))
        const whole = scalars.filter((scalar) => scalar !== undefined)
        const signature = aggregate(suite, signing, whole)
        if (whole.length === scalars.length && verify(suite, input.publicKey, input.message, signature))
          return { signature }
        for (const peer of box.peers) {
          const bytes = shares.get(peer) as Uint8Array
          const failed = failedSignatureShare(suite, signing, indexOf(peer), verifyingShareOf(peer), bytes)
          if (failed !== undefined) return box.blame(peer, failed, ['commitments', 'shares'])
        }
        throw new QuorateError(
          'E_SHARD',
          'every signature share holds and their sum is no signature: the key’s record contradicts itself',
          'do not sign with this record; verify the bundle of the epoch that it names',
        )
      } finally {
        field.wipe(nonces.hiding)
        field.wipe(nonces.binding)
        field.wipe(share)
      }
    },

    judge(claim: Claim<SignContext>) {
      return firstFailure(claim) === claim.check ? 'proven' : 'not-proven'
    },
  }
}
