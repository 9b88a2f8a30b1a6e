import type { KeyHex, Party, SiteId } from '../../lib/brand.ts'
import { equal, fromBase64, toHex } from '../../lib/bytes.ts'
import type { JudgedMessage, ProtocolRules, Rounds } from '../../mpc/mailbox.ts'
import type { KeyRules } from '../../mpc/scheme.ts'
import type { Attempt } from '../../records/attempt.ts'
import { DecodeError } from '../../records/codec.ts'
import { type Blame, type EchoVector, echoCodec, type Verdict } from '../../records/round.ts'
import { confirmEntries, entryOf } from '../session/entries.ts'
import { readSignedMessage, type SignedMessage, signedBy } from '../session/round-message.ts'
import { confirmRound, echoRound, isEchoRound, roundSpec } from '../session/round-spec.ts'
import { isSubSession } from '../session/sub-session.ts'
import type { PublicFacts } from './judge-context.ts'
import { judgeRecord, recordFaults } from './record-faults.ts'

// biome-ignore lint/suspicious/noExplicitAny: any protocol's
export type AnyRules = ProtocolRules<Rounds, any> & Partial<Pick<KeyRules<Rounds, any>, 'derive'>>

/** The facts that a stranger has besides the claim. */
export interface JudgeContext extends PublicFacts {
  /** Protocol of the session that the claim names; undefined where it is none of this ceremony. */
  protocol(blame: Blame): AnyRules | undefined
  context(blame: Blame): SessionContext
}

/**
 * The public context of a session. `unknown`: it rests on a record or an attempt that is not here; `none`: no session of
 * this ceremony is called so.
 */
export type SessionContext = { readonly context: unknown } | 'unknown' | 'none'

const provenIf = (holds: boolean): Verdict => (holds ? 'proven' : 'refuted')

/**
 * Decides a claim from its signed messages and the facts of the ceremony: the accuser runs it before it accuses, a peer
 * before it believes, and `audit verify` on the bundle. Messages that are odd or missing refute their claim; only a fact
 * that a claim cannot carry itself makes it undecidable. Never throws for what a claim says.
 */
export const judgeBlame = (blame: Blame, world: JudgeContext): Verdict => {
  try {
    return judge(blame, world)
  } catch (error) {
    if (error instanceof DecodeError || error instanceof RangeError) return 'refuted'
    throw error
  }
}

const judge = (blame: Blame, world: JudgeContext): Verdict => {
  if (Object.hasOwn(recordFaults, blame.check)) return judgeRecord(blame, world)
  const protocol = world.protocol(blame)
  const posts = blame.messages.map((message) => readSignedMessage(fromBase64(message)))
  const here = posts.every((post) => toHex(post.session) === blame.session)
  if (protocol?.id !== blame.protocol || !here || posts.length === 0) return 'refuted'
  if (world.attempt === undefined) return 'undecidable'
  const members = sessionMembers(blame, world.attempt)
  if (members?.[blame.party - 1]?.site !== blame.accused) return 'refuted'
  const keyOf = (party: Party): KeyHex | undefined => members[party - 1]?.key
  const accusedKey = keyOf(blame.party) as KeyHex
  const [first, second] = posts as [SignedMessage, SignedMessage | undefined]

  switch (blame.check) {
    case 'equivocation':
      return provenIf(
        posts.length === 2 &&
          second !== undefined &&
          first.from === blame.party &&
          signedBy(first, accusedKey) &&
          entryOf(second.headerBytes, second.signature, first, accusedKey) !== undefined &&
          !equal(first.headerBytes, second.headerBytes),
      )
    case 'malformed':
      return provenIf(
        posts.length === 1 &&
          signedBy(first, accusedKey) &&
          isMalformed(first, blame, protocol, !world.protocols.past.keygen.some(({ id }) => id === protocol.id)),
      )
    case 'echo':
      return provenIf(
        posts.length === 1 &&
          signedBy(first, accusedKey) &&
          first.from === blame.party &&
          first.protocol === blame.protocol &&
          isFalseEcho(first, protocol, members.length, keyOf),
      )
    case 'confirm':
      return provenIf(
        posts.length === 1 &&
          signedBy(first, accusedKey) &&
          first.from === blame.party &&
          first.protocol === blame.protocol &&
          isFalseConfirmation(first, protocol, members.length, keyOf),
      )
    default:
      return judgeProtocolFault(blame, posts, protocol, keyOf, members.length, world)
  }
}

/** Sites and message keys of the session's parties, in order; undefined where the claim names another session. */
const sessionMembers = (blame: Blame, attempt: Attempt): readonly { site: SiteId; key: KeyHex }[] | undefined => {
  if (blame.within === null) return blame.session === blame.attempt ? attempt.participants : undefined
  const { label, members } = blame.within
  if (!isSubSession(blame.session, blame.attempt, { protocol: blame.protocol, label, members })) return undefined
  const sites = members.map((member) => attempt.participants[member - 1])
  return sites.every((site) => site !== undefined) ? sites : undefined
}

const isMalformed = (post: SignedMessage, blame: Blame, protocol: AnyRules, current: boolean): boolean => {
  // Under a past protocol, a message of today's is none of its sessions'.
  if (post.protocol !== blame.protocol && !current) return false
  const spec = roundSpec(protocol.rounds, post.round)
  if (post.protocol !== blame.protocol || post.from !== blame.party || spec === undefined) return true
  if ((spec.to === 'all') !== (post.to === 0) || post.length > spec.codec.limit) return true
  if (post.payload === undefined) return false
  try {
    spec.codec.decode(post.payload)
    return false
  } catch (error) {
    if (error instanceof DecodeError) return true
    throw error
  }
}

const isFalseEcho = (
  post: SignedMessage,
  protocol: AnyRules,
  parties: number,
  keyOf: (party: Party) => KeyHex | undefined,
): boolean => {
  const round = [...Object.keys(protocol.rounds), confirmRound].find((name) => echoRound(name) === post.round)
  if (round === undefined || post.payload === undefined) return false
  const vector: EchoVector = echoCodec.decode(post.payload)
  if (vector.length !== parties) return true
  return vector.some(([headerBytes, signature], at) => {
    const from = (at + 1) as Party
    const key = keyOf(from)
    return (
      key === undefined ||
      entryOf(headerBytes, signature, { protocol: post.protocol, session: post.session, round, from, to: 0 }, key) ===
        undefined
    )
  })
}

const isFalseConfirmation = (
  post: SignedMessage,
  protocol: AnyRules,
  parties: number,
  keyOf: (party: Party) => KeyHex | undefined,
): boolean => {
  if (post.round !== confirmRound || post.payload === undefined) return false
  const rounds = Object.keys(protocol.rounds).filter((name) => protocol.rounds[name]?.to === 'each')
  const entries = confirmEntries(
    echoCodec.decode(post.payload),
    post.from,
    post,
    parties,
    rounds,
    (party) => keyOf(party) as KeyHex,
  )
  return entries === undefined
}

const judgeProtocolFault = (
  blame: Blame,
  posts: readonly SignedMessage[],
  protocol: AnyRules,
  keyOf: (party: Party) => KeyHex | undefined,
  parties: number,
  world: JudgeContext,
): Verdict => {
  const slots = new Set<string>()
  for (const post of posts) {
    const key = keyOf(post.from)
    const place = `${post.round}|${post.from}|${post.to}`
    if (
      key === undefined ||
      !signedBy(post, key) ||
      post.protocol !== blame.protocol ||
      post.payload === undefined ||
      slots.has(place)
    )
      return 'refuted'
    slots.add(place)
  }
  const session = world.context(blame)
  if (session === 'none') return 'refuted'
  if (session === 'unknown') return 'undecidable'
  const messages: JudgedMessage[] = posts
    .filter((post) => !isEchoRound(post.round) && hadSeen(blame, post, posts, parties))
    .map(({ round, from, to, payload }) => ({ round, from, to, payload: payload as Uint8Array }))
  const { session: id, check, party: accused } = blame
  return protocol.judge({ session: id, check, accused, messages, context: session.context })
}

/**
 * Of others' broadcasts only those count that the accused signed to have seen: else two liars could show a stranger a
 * message that the accused never got, and make its honest answer look false.
 */
const hadSeen = (blame: Blame, post: SignedMessage, posts: readonly SignedMessage[], parties: number): boolean => {
  if (post.from === blame.party) return true
  const echo = posts.find((one) => one.round === echoRound(post.round) && one.from === blame.party)
  if (post.to !== 0 || echo?.payload === undefined) return false
  const vector = echoCodec.decode(echo.payload)
  return vector.length === parties && equal(vector[post.from - 1]?.[0] ?? new Uint8Array(0), post.headerBytes)
}
