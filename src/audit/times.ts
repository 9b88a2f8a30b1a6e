import type { Hash, SiteId } from '../lib/brand.ts'
import type { Entry } from './log-facts.ts'

/**
 * When something was, by those who signed a time. Each time is a claim of one site's clock; up to threshold − 1 sites lie
 * or are wrong. All times are milliseconds since 1970.
 */

/** Everything that one site says of time. */
export interface Word {
  readonly site: SiteId
  /** Latest time in a record that it signed. */
  readonly said: number | undefined
  /** End of its log; undefined where none is here, or where it contradicts the site's own records. */
  readonly log: number | undefined
  /** When it cosigned the closed log of another. */
  readonly cosigned: ReadonlyMap<SiteId, number>
}

/** The largest; undefined where there is none. */
const latest = (times: readonly (number | undefined)[]): number | undefined =>
  times.reduce((most, one) => (most === undefined || (one !== undefined && one > most) ? one : most), undefined)

const known = (times: readonly (number | undefined)[]): readonly number[] =>
  times.filter((one) => one !== undefined).sort((a, b) => a - b)

/** Latest word of a site about the ceremony itself: a cosignature may come at any time after it. */
const ownEnd = ({ said, log }: Word): number | undefined => latest([said, log])

/** Latest time under any signature of a site. */
export const lastWord = (word: Word): number | undefined => latest([ownEnd(word), ...word.cosigned.values()])

/** The latest time that `quorum` sites reach: fewer liars than that cannot put it off. Where fewer speak, their earliest. */
export const reachedBy = (words: readonly Word[], quorum: number): number | undefined => {
  const ends = known(words.map(ownEnd))
  return ends[Math.max(0, ends.length - quorum)]
}

/** The revoked party: a site, or an approver, who is none. */
interface Revoked {
  readonly site: SiteId | undefined
  readonly threshold: number
}

/** No part of it is older than this, whatever fewer than a quorum say. Its own log speaks against the revoked site. */
const notBefore = (words: readonly Word[], { site, threshold }: Revoked): number | undefined => {
  const times = known(words.map((word) => (word.site === site ? ownEnd(word) : word.said)))
  return times[times.length - threshold]
}

/**
 * No part of it is younger than this, by the ends that others give; undefined where too few do. One of those up to the
 * place that is taken is honest: a revoked site is itself one of fewer than a quorum that may lie.
 */
const notAfter = (words: readonly Word[], { site, threshold }: Revoked): number | undefined => {
  const others = words.filter((word) => word.site !== site)
  const ends = known(others.map(({ log, cosigned }) => log ?? (site === undefined ? undefined : cosigned.get(site))))
  return ends[site === undefined ? threshold - 1 : threshold - 2]
}

/** Before or after its revocation; `unknown` where nobody but the revoked party, or too few, say when it was. */
export const standing = (
  revokedAt: number,
  words: readonly Word[],
  revoked: Revoked,
  /** Time before which nothing of it can have begun. */
  began: number | undefined,
): 'before' | 'after' | 'unknown' => {
  const lower = latest([notBefore(words, revoked), began])
  if (lower !== undefined && revokedAt <= lower) return 'after'
  const upper = notAfter(words, revoked)
  return upper !== undefined && upper < revokedAt ? 'before' : 'unknown'
}

/** The first attempt that a log has earlier than its site can have signed it, by more than `slack`. */
export const tooEarly = <T extends Pick<Entry, 'what' | 'at' | 'object'>>(
  entries: readonly T[],
  /** Earliest time at which the log's site can have signed this attempt, by its own records. */
  signable: (attempt: Hash) => number | undefined,
  slack: number,
): T | undefined =>
  entries.find(({ what, at, object }) => what === 'attempt' && object !== null && at + slack < (signable(object) ?? at))
