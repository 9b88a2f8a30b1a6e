import type { Hash, SiteId } from '../../lib/brand.ts'
import { toHex } from '../../lib/bytes.ts'
import { DecodeError } from '../../records/codec.ts'
import { recordKind, sharesIn } from '../../records/definition.ts'
import type { Outcome } from '../../records/outcome.ts'
import { type BundleFacts, baseUnseen } from '../bundle-facts.ts'
import type { CeremonyResult } from '../ceremony-result.ts'
import { accuses, type Check, type Finding, fails, failsUnlessMissing, holds, names, open } from '../check.ts'
import { auditKind, resultOf } from '../kinds/index.ts'
import type { AttemptProtocol, LoggedMessage } from '../protocol-evidence.ts'
import { allPosts, type Logged, postsOf, protocolOf, sessionsHere, signedIn } from '../transcripts.ts'
import { faulty } from './faults.ts'

const place = ({ session, round, from, to }: LoggedMessage): string => `${toHex(session)}|${round}|${from}|${to}`

const isSigned = (facts: BundleFacts, made: CeremonyResult, { post }: Logged): boolean => {
  const key = made.attempt.value.participants[post.from - 1]?.key
  return key !== undefined && facts.evidence.signedBy(post, key)
}

const senderOf = (made: CeremonyResult, { post }: Logged): SiteId | undefined =>
  made.attempt.value.participants[post.from - 1]?.site

/** Places of the messages that the transcript covers. */
const expected = ({ sessions }: AttemptProtocol): ReadonlySet<string> => {
  const wanted = new Set<string>()
  for (const { id, rounds, members, inTranscript } of sessions)
    for (const [round, to] of inTranscript ? Object.entries(rounds) : [])
      for (let from = 1; from <= members.length; from++) {
        if (to === 'all') wanted.add(`${id}|${round}|${from}|0`)
        else
          for (let other = 1; other <= members.length; other++)
            if (other !== from) wanted.add(`${id}|${round}|${from}|${other}`)
      }
  return wanted
}

const byPlace = (posts: readonly Logged[]): ReadonlyMap<string, readonly Logged[]> => {
  const places = new Map<string, Logged[]>()
  for (const one of posts) places.set(place(one.post), [...(places.get(place(one.post)) ?? []), one])
  return places
}

/** The attempt's protocol, the messages that are of it, and those that are strays beside it. */
const sorted = (facts: BundleFacts, made: CeremonyResult) => {
  const all = postsOf(facts, made.attempt.hash)
  const protocol = protocolOf(facts, made.attempt.hash)
  const wanted = expected(protocol)
  const ids = new Map<string, string>(protocol.sessions.map((session) => [session.id, session.protocol]))
  const fits = ({ post }: Logged): boolean => post.protocol === ids.get(toHex(post.session)) && wanted.has(place(post))
  return { wanted, strays: all.filter((one) => !fits(one)), posts: all.filter(fits) }
}

/** Those that signed two messages for one place in the protocol. */
const twoFaced = (facts: BundleFacts, made: CeremonyResult, posts: readonly Logged[]): readonly SiteId[] => {
  const twice = [...byPlace(posts).values()].filter((list) => list.length > 1)
  const liars = twice.filter((list) => list.filter((one) => isSigned(facts, made, one)).length > 1)
  return [...new Set(liars.flatMap(([one]) => (one && senderOf(made, one)) ?? []))]
}

/** How many logs, besides its sender's own, have a message. */
const heardBy = (facts: BundleFacts, made: CeremonyResult, one: Logged): number => {
  const header = toHex(one.post.headerBytes)
  const logs = allPosts(facts)
    .filter(({ post }) => toHex(post.headerBytes) === header)
    .flatMap(({ object }) => facts.namedBy(['message'], object))
  return new Set(logs.filter((site) => site !== senderOf(made, one))).size
}

/**
 * The messages that the transcript is made of: one a place. A participant that signed two for one place makes none of
 * the others' false: then that one counts which others heard.
 */
const ownPosts = (facts: BundleFacts, made: CeremonyResult): readonly Logged[] => {
  const { posts } = sorted(facts, made)
  if (facts.evidence.transcriptOf(posts.map(({ post }) => post.headerBytes)) === made.transcript) return posts
  return [...byPlace(posts).values()].flatMap((list) => {
    if (list.length === 1) return list
    const signedOnes = list.filter((one) => isSigned(facts, made, one))
    const [heard] = signedOnes.sort((x, y) => heardBy(facts, made, y) - heardBy(facts, made, x))
    return heard ?? []
  })
}

const inputs = (posts: readonly Logged[]): readonly Hash[] => posts.slice(0, 64).map(({ object }) => object)

const signed = (facts: BundleFacts): Finding => {
  const sessions = sessionsHere(facts)
  const bad = facts.posts.filter(({ post }) => !signedIn(facts, sessions, post))
  return bad.length === 0
    ? holds(`${facts.posts.length} messages, each signed by its sender’s message key`, inputs(facts.posts))
    : accuses(
        facts,
        bad.flatMap(({ object }) => facts.namedBy(['message'], object)),
        `${bad.length} messages are not signed by a participant of their attempt`,
        inputs(bad),
      )
}

/** Participants of whom something is not here, a log or a message that it names: what they said is not all known. */
const unheard = ({ logs, missing }: BundleFacts, made: CeremonyResult): readonly string[] =>
  made.attempt.value.participants
    .map(({ site }) => site)
    .filter((site) => !logs.has(site) || missing.some(({ logs: of, what }) => of.includes(site) && what === 'message'))

const complete = (facts: BundleFacts): Finding | undefined => {
  const made = resultOf(facts)
  if (made === undefined) return undefined
  const { wanted, strays, posts: all } = sorted(facts, made)
  const posts = ownPosts(facts, made)
  const found = new Set(posts.map(({ post }) => place(post)))
  const missing = [...wanted].filter((one) => !found.has(one))
  const absent = unheard(facts, made)
  if (missing.length > 0 && absent.length > 0)
    return open(
      `without all of the log of ${names(absent)}: ${found.size} of ${wanted.size} messages are here`,
      inputs(posts),
    )
  if (missing.length > 0) {
    // A site's own log has what it sent.
    const silent = missing.flatMap((one) => made.attempt.value.participants[Number(one.split('|')[2]) - 1]?.site ?? [])
    return accuses(facts, silent, `${missing.length} of ${wanted.size} messages are not here`, inputs(posts))
  }
  const bare = posts.filter(({ post }) => post.to === 0 && post.payload === undefined)
  if (bare.length > 0) return fails(`${bare.length} broadcasts are here without what they said`, inputs(bare))
  if (strays.length > 0) {
    const by = strays.flatMap((one) =>
      isSigned(facts, made, one) ? (senderOf(made, one) ?? []) : facts.namedBy(['message'], one.object),
    )
    return accuses(facts, by, `${strays.length} messages that this protocol does not have`, inputs(strays))
  }
  const two = twoFaced(facts, made, all)
  if (two.length > 0)
    return accuses(
      facts,
      two,
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
  if (stated === null) return open('no site here states the hash of the messages that it signed by')
  const found = facts.evidence.transcriptOf(posts.map(({ post }) => post.headerBytes))
  if (found === stated)
    return {
      ...holds('the hash that all signed is that of the messages here', [stated]),
      line: `one transcript at all sites${auditKind(facts.definition).transcript}`,
    }
  const absent = unheard(facts, made)
  if (absent.length > 0)
    return open(`without all of the log of ${names(absent)} its hash cannot be made again`, [stated])
  const two = twoFaced(facts, made, sorted(facts, made).posts)
  const otherwise = 'the messages here have another hash than the one that was signed'
  const took = facts.results.filter(({ value }) => value.transcript === null)
  if (two.length === 0 && took.length > 0) {
    // A site that took the signature from another states no transcript, and answers for none.
    const said = facts.results.filter(({ value }) => value.transcript === stated).map(({ site }) => site)
    return accuses(facts, said, otherwise, [stated, found])
  }
  return two.length > 0
    ? accuses(facts, two, `${otherwise}: ${names(two)} signed two for one place`, [stated, found])
    : fails(otherwise, [stated, found])
}

/**
 * A site that staged a shard had logged every broadcast that led to it, durably. One that receives none promises nothing by
 * them: its machine may have lost the end of its log, but not the middle, and the outcome comes after the broadcasts.
 */
const same = (facts: BundleFacts): Finding | undefined => {
  const made = resultOf(facts)
  if (made?.makes !== 'key') return undefined
  const wanted = ownPosts(facts, made).filter(({ post }) => post.to === 0)
  // By their headers: whoever signs one again, otherwise, says nothing else by it.
  const headers = new Map(facts.posts.map(({ object, post }) => [object, toHex(post.headerBytes)]))
  const lacking = [...facts.logs.values()].filter((log) => {
    const saysIt =
      facts.receivers.some(({ name }) => name === log.site) ||
      log.entries.some(({ what, object }) => what === 'outcome' && object === made.outcomeHash)
    if (!saysIt) return false
    const has = new Set(
      log.entries.flatMap(({ what, object }) => (what === 'message' && object !== null ? headers.get(object) : [])),
    )
    return !wanted.every(({ post }) => has.has(toHex(post.headerBytes)))
  })
  const sites = lacking.map(({ site }) => site)
  return sites.length === 0
    ? holds('every log here has the same broadcasts', inputs(wanted))
    : accuses(facts, sites, `the log of ${names(sites)} has other broadcasts`, inputs(wanted))
}

const derived = (facts: BundleFacts): Finding | undefined => {
  const made = resultOf(facts)
  if (made?.makes !== 'key') return undefined
  const { outcome, attempt, outcomeHash } = made
  const posts = ownPosts(facts, made).filter(({ post }) => post.to === 0 && toHex(post.session) === attempt.hash)
  const { derive } = protocolOf(facts, attempt.hash)
  if (derive === undefined)
    return failsUnlessMissing(facts, ['record', 'outcome'], 'the epoch that it builds on is not in any log', [
      outcomeHash,
    ])
  try {
    const { publicKey, verifyingShares } = derive(posts.map(({ post }) => post))
    const equal =
      toHex(publicKey) === outcome.publicKey && verifyingShares.map(toHex).join() === outcome.verifyingShares.join()
    return equal
      ? holds('key and verifying shares derived again from the messages, every proof checked again', [outcomeHash])
      : failsUnlessMissing(facts, ['message'], 'the messages give another key than the outcome says', [outcomeHash])
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return failsUnlessMissing(facts, ['message'], `the messages give no key: ${error.message}`, [outcomeHash])
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
    outcome.verifyingShares.length === sharesIn(definition) &&
    outcome.base === definition.base
  return fits
    ? holds('the outcome is one of this definition', [outcomeHash])
    : fails('the outcome is not one of this definition', [outcomeHash])
}

type Shares = Pick<Outcome, 'publicKey' | 'verifyingShares'>
const sameShares = (some: Shares, others: Shares): boolean =>
  some.publicKey === others.publicKey && some.verifyingShares.join() === others.verifyingShares.join()

/** An epoch is replaced by one of the same key; the number of the first is known by its keygen's outcome. */
const based = (facts: BundleFacts): Finding | undefined => {
  const made = resultOf(facts)
  const { definition } = facts
  const { base } = definition
  if (made?.makes !== 'key' || base === null) return undefined
  const { key, epoch } = recordKind(definition)
  const outcomeHash = facts.records.get(base)?.outcome
  const old = outcomeHash && facts.outcomes.get(outcomeHash)
  const inputs = [base, made.recordHash]
  if (old === undefined && baseUnseen(facts))
    return open(
      `without the log of any of ${names(facts.holders.map(({ name }) => name))} nothing shows the epoch before`,
    )
  if (old === undefined)
    return failsUnlessMissing(facts, ['record', 'outcome'], 'the epoch that it builds on is not in any log', inputs)
  if (old.publicKey !== made.outcome.publicKey || old.protocol !== made.outcome.protocol)
    return fails('the new epoch is one of another key than the epoch that it builds on', inputs)
  const before = recordKind(definition).replaces(definition)
  if (before?.threshold !== old.threshold || before.sites.length !== old.verifyingShares.length)
    return fails('the definition says another quorum than that of the epoch that it builds on', inputs)
  if ('from' in definition && !sameShares(definition.from, old))
    return fails('the definition says other shares than those of the epoch that it builds on', inputs)
  const first = old.base === null
  if (first !== (outcomeHash === key(definition)) || first !== (epoch(definition) === 2))
    return fails(
      'the definition names another key, or another number, than those of the epoch that it builds on',
      inputs,
    )
  return holds(`epoch ${epoch(definition)} of the same key as the epoch that it builds on`, inputs)
}

export const transcriptChecks = [
  { id: 'transcript.hash', needs: 'result', run: hashed },
  { id: 'transcript.derived', needs: 'result', run: derived },
  { id: 'transcript.outcome', needs: 'result', run: stated },
  { id: 'transcript.base', needs: 'result', run: based },
  { id: 'transcript.complete', needs: 'result', run: complete },
  { id: 'transcript.same', needs: 'result', run: same },
  { id: 'transcript.signed', run: signed },
  { id: 'transcript.messages', run: (facts) => faulty(facts, ['message'], 'every message decodes') },
] as const satisfies readonly Check[]
