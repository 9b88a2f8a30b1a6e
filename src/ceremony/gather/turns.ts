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

/** True where somebody signed this other attempt after that one, which was over by then. */
const isAfter = (other: KnownAttempt, attempt: KnownAttempt, byHash: ReadonlyMap<Hash, KnownAttempt>): boolean =>
  other.value.participants.some(({ site, last }) => {
    const passed = new Set<Hash>()
    for (let at = last; at !== null && !passed.has(at); ) {
      if (at === attempt.hash) return true
      passed.add(at)
      at = byHash.get(at)?.value.participants.find((one) => one.site === site)?.last ?? null
    }
    return false
  })

/**
 * Turns that each coordinator has had: its attempts in the order of the line, those with fewer turns first, among equals by
 * their place in the roster. One that met an earlier one is not counted, once for each earlier one.
 */
export const countTurns = (coordinators: readonly SiteId[], attempts: readonly KnownAttempt[]): Turns => {
  const left = new Map(coordinators.map((name) => [name, attempts.filter((one) => isSignedBy(one, name))]))
  const had = new Map(coordinators.map((name) => [name, 0]))
  const counted: KnownAttempt[] = []
  const byHash = new Map(attempts.map((one) => [one.hash, one]))
  const excuses = new Map<SiteId, Set<Hash>>(coordinators.map((name) => [name, new Set()]))
  for (;;) {
    const waiting = coordinators.filter((name) => (left.get(name)?.length ?? 0) > 0)
    const fewest = Math.min(...waiting.map((name) => had.get(name) ?? 0))
    const name = waiting.find((one) => had.get(one) === fewest)
    const next = name && left.get(name)?.shift()
    if (name === undefined || next === undefined) break
    const excuse = counted.find(
      (other) =>
        other.value.coordinator !== name &&
        excuses.get(name)?.has(other.hash) === false &&
        takenBy(next, other).length > 0 &&
        !isAfter(other, next, byHash),
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

/**
 * Those who are to answer for an attempt that came to nothing, of those that lack something in it. The ones seen elsewhere
 * ended it: the others' signatures may be on their way.
 */
export const answerable = (
  attempt: KnownAttempt,
  attempts: readonly KnownAttempt[],
  lack: readonly SiteId[],
): readonly SiteId[] => {
  const elsewhere = attempts.flatMap((other) => takenBy(attempt, other))
  return elsewhere.length > 0 ? [...new Set(elsewhere)] : lack
}

/** How often each site left a coordinator without an answer: in attempts of it that failed and count as a turn. */
export const countUnanswered = (
  failed: ReadonlyMap<Hash, readonly SiteId[]>,
  { counted }: Turns,
): ReadonlyMap<SiteId, number> => {
  const unanswered = new Map<SiteId, number>()
  for (const [hash, sites] of failed)
    if (counted.has(hash)) for (const site of sites) unanswered.set(site, (unanswered.get(site) ?? 0) + 1)
  return unanswered
}
