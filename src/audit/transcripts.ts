import type { Hash } from '../lib/brand.ts'
import { toHex } from '../lib/bytes.ts'
import type { BundleFacts } from './bundle-facts.ts'
import type { LogFacts } from './log-facts.ts'

export type Logged = BundleFacts['posts'][number]

const isExtra = (round: string): boolean => round === 'confirm' || round.endsWith(':echo')

/** The protocol's own messages of one attempt, each once: all of them, or those that one log has. */
export const postsOf = (facts: BundleFacts, attempt: Hash, log?: LogFacts): readonly Logged[] => {
  const taken = log && new Set(log.entries.flatMap(({ what, object }) => (what === 'message' ? (object ?? []) : [])))
  const byHeader = new Map<string, Logged>()
  for (const one of facts.posts)
    if (toHex(one.post.session) === attempt && !isExtra(one.post.round) && taken?.has(one.object) !== false) {
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
