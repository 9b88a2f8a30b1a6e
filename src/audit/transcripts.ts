import type { Hash } from '../lib/brand.ts'
import { toHex } from '../lib/bytes.ts'
import type { BundleFacts } from './bundle-facts.ts'
import type { LogFacts } from './log-facts.ts'
import type { AttemptProtocol, AttemptSession } from './protocol-evidence.ts'

export type Logged = BundleFacts['posts'][number]

const isExtra = (round: string): boolean => round === 'confirm' || round.endsWith(':echo')

const protocolsOf = (facts: BundleFacts, attempt: Hash) => {
  const { definition, outcomes, records, message } = facts
  const value = facts.attempts.get(attempt)?.value
  return facts.evidence.protocolsOf(attempt, { definition, attempt: value, outcomes, records, message })
}

/**
 * The protocol that an attempt ran: of those that it may have run, the one that most messages of its own session are
 * of; else today's.
 */
export const protocolOf = (facts: BundleFacts, attempt: Hash): AttemptProtocol => {
  const protocols = protocolsOf(facts, attempt)
  if (protocols.length === 1) return protocols[0]
  const own = facts.posts.filter(({ post }) => toHex(post.session) === attempt)
  const count = (one: AttemptProtocol): number => own.filter(({ post }) => post.protocol === one.id).length
  return [...protocols].sort((a, b) => count(b) - count(a))[0] as AttemptProtocol
}

/** Every session that an attempt here may have run, with that attempt. */
export const sessionsHere = (
  facts: BundleFacts,
): ReadonlyMap<string, { readonly attempt: Hash; readonly session: AttemptSession }> =>
  new Map(
    [...facts.attempts.keys()].flatMap((attempt) =>
      protocolsOf(facts, attempt).flatMap(({ sessions }) =>
        sessions.map((session) => [session.id, { attempt, session }] as const),
      ),
    ),
  )

const confirmedHere = new WeakMap<BundleFacts, readonly Logged[]>()

/**
 * The messages that are here: those that logs name, and the private ones whose headers, signed by their senders, stand in
 * the confirmations that logs name.
 */
export const allPosts = (facts: BundleFacts): readonly Logged[] => {
  const known = confirmedHere.get(facts)
  if (known !== undefined) return known
  const sessions = sessionsHere(facts)
  const verdicts = new Map<string, boolean>()
  const isSigned = (post: Logged['post']): boolean => {
    const id = `${toHex(post.headerBytes)} ${toHex(post.signature)}`
    const verdict = verdicts.get(id) ?? signedIn(facts, sessions, post)
    verdicts.set(id, verdict)
    return verdict
  }
  const confirmed = facts.posts.flatMap(({ post, object }) =>
    facts.evidence
      .confirmedBy(post)
      .filter(isSigned)
      .map((one) => ({ post: one, object })),
  )
  const all = [...facts.posts, ...confirmed]
  confirmedHere.set(facts, all)
  return all
}

/** True where the message key of its sender in a session of this bundle signed a message. */
export const signedIn = (
  facts: BundleFacts,
  sessions: ReturnType<typeof sessionsHere>,
  post: Logged['post'],
): boolean => {
  const found = sessions.get(toHex(post.session))
  const member = found?.session.members[post.from - 1]
  const attempt = found && facts.attempts.get(found.attempt)
  const key = member === undefined ? undefined : attempt?.value.participants[member - 1]?.key
  return key !== undefined && facts.evidence.signedBy(post, key)
}

/** The messages of one attempt that its transcript covers, each once: all of them, or those that one log has. */
export const postsOf = (facts: BundleFacts, attempt: Hash, log?: LogFacts): readonly Logged[] => {
  const taken = log && new Set(log.entries.flatMap(({ what, object }) => (what === 'message' ? (object ?? []) : [])))
  const covered = new Set<string>(
    protocolOf(facts, attempt).sessions.flatMap(({ id, inTranscript }) => (inTranscript ? [id] : [])),
  )
  const byHeader = new Map<string, Logged>()
  for (const one of allPosts(facts))
    if (covered.has(toHex(one.post.session)) && !isExtra(one.post.round) && taken?.has(one.object) !== false) {
      const header = toHex(one.post.headerBytes)
      if (byHeader.get(header)?.post.payload === undefined) byHeader.set(header, one)
    }
  return [...byHeader.values()]
}

/** The messages that give this transcript: all that are here, or what one log has; undefined where none do. */
export const postsOfTranscript = (facts: BundleFacts, attempt: Hash, transcript: Hash): readonly Logged[] | undefined =>
  [undefined, ...facts.logs.values()]
    .map((log) => postsOf(facts, attempt, log))
    .find((posts) => facts.evidence.transcriptOf(posts.map(({ post }) => post.headerBytes)) === transcript)
