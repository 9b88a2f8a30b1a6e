import type { Hash, SiteId } from '../../lib/brand.ts'
import type { Attempt } from '../../records/attempt.ts'

/*
 * Turns of coordinators, and participants that left one without an answer, from the attempts that a site knows.
 *
 * Two proposals that want the same site may meet on their way, and then neither starts. Nobody can tell from records which
 * of the two was late; but one of them stood earlier in the line, and a rule that takes that one at its word costs a liar
 * something either way:
 *
 * - The earlier one is counted as a turn, as if it had been spoiled in its session. A coordinator that lets others wait until
 *   they go ahead, and then proposes against them, has had its turn by it.
 * - The later one is not counted, and nobody is to blame for it. It costs its signers one attempt, and that is the one which
 *   the turn of the earlier one could have cost them.
 * - Where the earlier one is this site's, those who sit in it and took part in the other went ahead of it, or followed
 *   somebody who did: they left this site without an answer.
 *
 * So each attempt that fails an honest coordinator is a turn of some liar, or is counted against one.
 */

interface KnownAttempt {
  readonly hash: Hash
  readonly value: Attempt
  readonly signatures: { has(site: SiteId): boolean }
}

export interface Turns {
  /** Turns that each coordinator has had. */
  readonly had: ReadonlyMap<SiteId, number>
  /** Attempts that are counted as a turn. */
  readonly counted: ReadonlySet<Hash>
}

/** True where this site's hello of an attempt stands in an attempt that it signed. */
export const isUsed = (attempts: Iterable<KnownAttempt>, site: SiteId, hello: Hash): boolean => {
  for (const { value, signatures } of attempts)
    if (signatures.has(site) && value.participants.some((one) => one.site === site && one.hello === hello)) return true
  return false
}

const isSignedBy = (attempt: KnownAttempt, site: SiteId): boolean =>
  attempt.value.coordinator === site && attempt.signatures.has(site)

/** Those who did not sign this attempt and signed another one under the same hello. */
const takenBy = (attempt: KnownAttempt, other: KnownAttempt): readonly SiteId[] =>
  other.hash === attempt.hash || !isSignedBy(other, other.value.coordinator)
    ? []
    : attempt.value.participants
        .filter(({ site, hello }) => !attempt.signatures.has(site) && isUsed([other], site, hello))
        .map(({ site }) => site)

/**
 * The attempt that kept a participant from signing this one: it names the same hello, and the participant signed it.
 * Undefined where none did.
 */
export const crossedBy = (attempt: KnownAttempt, attempts: Iterable<KnownAttempt>): KnownAttempt | undefined => {
  for (const other of attempts) if (takenBy(attempt, other).length > 0) return other
  return undefined
}

/**
 * Turns that each coordinator has had: its attempts in the order of the line, those with fewer turns first, among equals by
 * their place in the roster. One that met an earlier one is not counted, once for each earlier one.
 */
export const countTurns = (coordinators: readonly SiteId[], attempts: readonly KnownAttempt[]): Turns => {
  const left = new Map(coordinators.map((name) => [name, attempts.filter((one) => isSignedBy(one, name))]))
  const had = new Map(coordinators.map((name) => [name, 0]))
  const counted: KnownAttempt[] = []
  const excuses = new Map<SiteId, Set<Hash>>(coordinators.map((name) => [name, new Set()]))
  for (;;) {
    const waiting = coordinators.filter((name) => (left.get(name)?.length ?? 0) > 0)
    const fewest = Math.min(...waiting.map((name) => had.get(name) ?? 0))
    const name = waiting.find((one) => had.get(one) === fewest)
    const next = name && left.get(name)?.shift()
    if (name === undefined || next === undefined) break
    const excuse = counted.find(
      (other) =>
        other.value.coordinator !== name && excuses.get(name)?.has(other.hash) === false && takenBy(next, other).length > 0,
    )
    if (excuse !== undefined) {
      excuses.get(name)?.add(excuse.hash)
      continue
    }
    counted.push(next)
    had.set(name, fewest + 1)
  }
  return { had, counted: new Set(counted.map(({ hash }) => hash)) }
}

/** How often each site left a coordinator without an answer, from its failed attempts and those who lacked in them. */
export const countUnanswered = (
  failed: ReadonlyMap<KnownAttempt, readonly SiteId[]>,
  { counted }: Turns,
  attempts: readonly KnownAttempt[],
): ReadonlyMap<SiteId, number> => {
  const unanswered = new Map<SiteId, number>()
  for (const [attempt, lack] of failed) {
    if (!counted.has(attempt.hash)) continue
    // A missing signature may be on its way: the attempt ended when the others were seen elsewhere.
    const elsewhere = new Set(attempts.flatMap((other) => takenBy(attempt, other)))
    for (const site of elsewhere.size > 0 ? elsewhere : lack) unanswered.set(site, (unanswered.get(site) ?? 0) + 1)
  }
  return unanswered
}
