import type { Hash, SiteId } from '../../lib/brand.ts'
import { toHex } from '../../lib/bytes.ts'
import { DecodeError } from '../../records/codec.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import type { CeremonyResult } from '../ceremony-result.ts'
import { type Check, type Finding, fails, holds, names, open } from '../check.ts'
import { auditKind, resultOf } from '../kinds/index.ts'
import type { LoggedMessage, SessionProtocol } from '../protocol-evidence.ts'
import { type Logged, postsOf, postsOfTranscript } from '../transcripts.ts'
import { faulty } from './faults.ts'

const place = ({ round, from, to }: LoggedMessage): string => `${round}|${from}|${to}`

/** Those that signed two messages for one place in the protocol. */
const twoFaced = (facts: BundleFacts, made: CeremonyResult): readonly SiteId[] => {
  const places = new Set<string>()
  const seats = new Set<number>()
  for (const { post } of postsOf(facts, made.attempt.hash)) {
    const key = made.attempt.value.participants[post.from - 1]?.key
    if (key === undefined || !facts.evidence.signedBy(post, key)) continue
    if (places.has(place(post))) seats.add(post.from)
    places.add(place(post))
  }
  return made.attempt.value.participants.map(({ site }) => site).filter((_, at) => seats.has(at + 1))
}

/**
 * What the transcript is made of. A participant that signed two messages for one place makes none of the others' false:
 * then it is what one log has, if that gives the hash that was stated.
 */
const ownPosts = (facts: BundleFacts, made: CeremonyResult): readonly Logged[] => {
  const all = postsOf(facts, made.attempt.hash)
  if (twoFaced(facts, made).length === 0) return all
  return postsOfTranscript(facts, made.attempt.hash, made.transcript) ?? all
}

const inputs = (posts: readonly Logged[]): readonly Hash[] => posts.slice(0, 64).map(({ object }) => object)

const signed = (facts: BundleFacts): Finding => {
  const bad = facts.posts.filter(({ post }) => {
    const attempt = facts.attempts.get(toHex(post.session) as Hash)
    const key = attempt?.value.participants[post.from - 1]?.key
    return key === undefined || !facts.evidence.signedBy(post, key)
  })
  return bad.length === 0
    ? holds(`${facts.posts.length} messages, each signed by its sender’s message key`, inputs(facts.posts))
    : fails(`${bad.length} messages are not signed by a participant of their attempt`, inputs(bad))
}

/** The protocol that the first message names, of those that such a ceremony runs; today's where there is none. */
const protocolOf = ({ evidence }: BundleFacts, posts: readonly Logged[]): SessionProtocol =>
  evidence.protocols.find(({ id }) => id === posts[0]?.post.protocol) ?? (evidence.protocols[0] as SessionProtocol)

const expected = ({ rounds }: SessionProtocol, parties: number): ReadonlySet<string> => {
  const wanted = new Set<string>()
  for (const [round, to] of Object.entries(rounds))
    for (let from = 1; from <= parties; from++) {
      if (to === 'all') wanted.add(`${round}|${from}|0`)
      else for (let other = 1; other <= parties; other++) if (other !== from) wanted.add(`${round}|${from}|${other}`)
    }
  return wanted
}

/** Participants of whom something is not here, a log or a message that it names: what they said is not all known. */
const unheard = ({ logs, missing }: BundleFacts, made: CeremonyResult): readonly string[] =>
  made.attempt.value.participants
    .map(({ site }) => site)
    .filter((site) => !logs.has(site) || missing.some(({ log, what }) => log === site && what === 'message'))

const complete = (facts: BundleFacts): Finding | undefined => {
  const made = resultOf(facts)
  if (made === undefined) return undefined
  const posts = ownPosts(facts, made)
  const protocol = protocolOf(facts, posts)
  const wanted = expected(protocol, made.attempt.value.participants.length)
  const found = posts.map(({ post }) => place(post))
  if (posts.some(({ post }) => post.protocol !== protocol.id))
    return fails('a message of another protocol', inputs(posts))
  if (found.some((one) => !wanted.has(one))) return fails('a message that this protocol does not have', inputs(posts))
  if (new Set(found).size !== found.length)
    return fails('two messages of one sender for one place in the protocol', inputs(posts))
  const absent = unheard(facts, made)
  if (found.length !== wanted.size && absent.length > 0)
    return open(
      `without all of the log of ${names(absent)}: ${found.length} of ${wanted.size} messages are here`,
      inputs(posts),
    )
  if (found.length !== wanted.size)
    return fails(`${wanted.size - found.length} of ${wanted.size} messages are not here`, inputs(posts))
  const bare = posts.filter(({ post }) => post.to === 0 && post.payload === undefined)
  if (bare.length > 0) return fails(`${bare.length} broadcasts are here without what they said`, inputs(bare))
  const two = twoFaced(facts, made)
  if (two.length > 0)
    return open(
      `${names(two)} signed two messages for one place; what was made follows from one of them`,
      inputs(posts),
    )
  return holds(`every message of the protocol is here once: ${wanted.size}`, inputs(posts))
}

const hashed = (facts: BundleFacts): Finding | undefined => {
  const made = resultOf(facts)
  if (made === undefined) return undefined
  const posts = ownPosts(facts, made)
  const stated = made.transcript
  const found = facts.evidence.transcriptOf(posts.map(({ post }) => post.headerBytes))
  if (found === stated)
    return {
      ...holds('the hash that all signed is that of the messages here', [stated]),
      line: `one transcript at all sites${auditKind(facts.definition).transcript}`,
    }
  const absent = unheard(facts, made)
  return absent.length > 0
    ? open(`without all of the log of ${names(absent)} its hash cannot be made again`, [stated])
    : fails('the messages here have another hash than the one that was signed', [stated, found])
}

/** A site that staged a shard, or stated a signature that it helped to make, logged every broadcast that led to it. */
const same = (facts: BundleFacts): Finding | undefined => {
  const made = resultOf(facts)
  if (made?.makes !== 'key') return undefined
  const wanted = ownPosts(facts, made).filter(({ post }) => post.to === 0)
  const lacking = [...facts.logs.values()].filter((log) => {
    const has = new Set(log.entries.filter(({ what }) => what === 'message').map(({ object }) => object))
    return !wanted.every(({ object }) => has.has(object))
  })
  return lacking.length === 0
    ? holds('every log here has the same broadcasts', inputs(wanted))
    : fails(`the log of ${names(lacking.map(({ site }) => site))} has other broadcasts`, inputs(wanted))
}

const derived = (facts: BundleFacts): Finding | undefined => {
  const made = resultOf(facts)
  if (made?.makes !== 'key') return undefined
  const { outcome, attempt, outcomeHash } = made
  const { definition } = facts
  const posts = ownPosts(facts, made).filter(({ post }) => post.to === 0)
  const { derive } = protocolOf(facts, posts)
  if (derive === undefined) return undefined
  const context = { threshold: definition.threshold, parties: definition.sites.length }
  try {
    const { publicKey, verifyingShares } = derive(
      context,
      attempt.hash,
      posts.map(({ post }) => post),
    )
    const equal =
      toHex(publicKey) === outcome.publicKey && verifyingShares.map(toHex).join() === outcome.verifyingShares.join()
    return equal
      ? holds('key and verifying shares derived again from the messages, every proof checked again', [outcomeHash])
      : fails('the messages give another key than the outcome says', [outcomeHash])
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return fails(`the messages give no key: ${error.message}`, [outcomeHash])
  }
}

const stated = (facts: BundleFacts): Finding | undefined => {
  const made = resultOf(facts)
  if (made?.makes !== 'key') return undefined
  const { outcome, outcomeHash } = made
  const { definition } = facts
  const fits =
    outcome.ceremony === facts.ceremony &&
    outcome.protocol === definition.protocol &&
    outcome.threshold === definition.threshold &&
    outcome.verifyingShares.length === definition.sites.length &&
    outcome.base === null
  return fits
    ? holds('the outcome is one of this definition', [outcomeHash])
    : fails('the outcome is not one of this definition', [outcomeHash])
}

export const transcriptChecks = [
  { id: 'transcript.hash', needs: 'result', run: hashed },
  { id: 'transcript.derived', needs: 'result', run: derived },
  { id: 'transcript.outcome', needs: 'result', run: stated },
  { id: 'transcript.complete', needs: 'result', run: complete },
  { id: 'transcript.same', needs: 'result', run: same },
  { id: 'transcript.signed', run: signed },
  { id: 'transcript.messages', run: (facts) => faulty(facts, ['message'], 'every message decodes') },
] as const satisfies readonly Check[]
