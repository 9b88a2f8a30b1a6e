import type { SiteId } from '../../lib/brand.ts'

/*
 * The rule after ROAST (ePrint 2022/550), as functions of facts. Why it ends, where t honest sites are connected and f of
 * the other k−t are silent or lie:
 *
 * - One of the k−t+1 coordinators is honest and connected: more than k−t cannot be missing.
 * - An honest coordinator proposes those first who have answered it, and waits for a busy one rather than to propose
 *   again one that did not answer. It passes on what it gets, so nobody honest waits for a message that it holds. So each
 *   of its failures is by another of the f, and after at most f of them it sits with honest sites alone.
 * - A site gives a coordinator a further turn only when each other one that is here has had as many. So no coordinator
 *   has more turns with it than an honest one needs, f+1, and a site signs at most (f+1)(k−t+1) attempts.
 *
 * Of two proposals that meet on their way the one earlier in the line is counted as a turn (turns.ts).
 */

export interface Candidate {
  readonly site: SiteId
  /** Takes no seat any more: proven guilty, gone, not approved, only checking, or without attempts left. */
  readonly out: boolean
  /** Has acknowledged lately; this site itself always. */
  readonly here: boolean
  /** May be proposed: here, under a hello that no attempt has used, its ledger proven. */
  readonly free: boolean
  /** Until when the attempt that it is in may last, in monotonic milliseconds; undefined: it is in none. */
  readonly busyUntil: number | undefined
  /** When it greeted first, or came out of an attempt. */
  readonly freeSince: number
  /** Proposals that it may be about to sign: until when, by coordinator. */
  readonly wanted: ReadonlyMap<SiteId, number>
  /** Attempts of this site that it left without an answer. */
  readonly unanswered: number
}

export interface Proposed {
  /** When it became known here, in monotonic milliseconds. */
  readonly at: number
  readonly sites: readonly SiteId[]
  readonly signed: readonly SiteId[]
}

export interface SeatingFacts {
  readonly self: SiteId
  /** In roster order. */
  readonly candidates: readonly Candidate[]
  readonly coordinators: readonly SiteId[]
  readonly seats: number
  /** Turns that each coordinator has had. */
  readonly turns: ReadonlyMap<SiteId, number>
  /** The newest proposal of each coordinator. */
  readonly proposed: ReadonlyMap<SiteId, Proposed>
  /** Two proposals have met on their way. */
  readonly crossed: boolean
  /** Monotonic milliseconds. */
  readonly now: number
  readonly proposalMs: number
  /** Longest time that an honest site spends in one attempt. */
  readonly attemptMs: number
}

const isBusy = ({ busyUntil }: Candidate, { now }: SeatingFacts): boolean => busyUntil !== undefined && now < busyUntil

/** Until when this site waits for a coordinator's turn, given so many quarters; in the past: it waits no longer. */
const awaitedUntil = (facts: SeatingFacts, coordinator: SiteId, quarters: number): number => {
  const { candidates, self, attemptMs, proposalMs } = facts
  const patienceMs = (quarters * proposalMs) / 4
  const here = candidates.filter((one) => one.here && !one.out)
  const one = here.find(({ site }) => site === coordinator)
  const own = candidates.find(({ site }) => site === self)
  if (one === undefined || own === undefined) return Number.NEGATIVE_INFINITY
  const longest = own.freeSince + attemptMs + patienceMs
  if (isBusy(one, facts)) return Math.min(longest, one.busyUntil as number)
  // It may want those who are in another attempt: its time begins when they are out of it.
  if (here.some((other) => isBusy(other, facts))) return longest
  return Math.min(longest, Math.max(own.freeSince, ...here.map(({ freeSince }) => freeSince)) + patienceMs)
}

/** When a coordinator's turn comes, in quarters of a proposal deadline from when those who are here came free. */
interface Slot {
  /** From when others follow it. */
  readonly follow: number
  /** From when it proposes. */
  readonly propose: number
}

/** Quarters for which followers still wait after the last one with fewer turns may have proposed. */
const FOLLOW = 2
/**
 * Quarters by which one that goes ahead of others lets its followers be done waiting. Not a whole number: two whose views
 * differ by a whole group do not propose at once.
 */
const AHEAD = 1.5
/** Quarters for which followers keep a proposal waiting for that of an equal that stands earlier in the line. */
const HOLD = 2

/**
 * The line of coordinators: those with fewer turns first, among equals by their place in the roster, a quarter apart. So no
 * two whose views agree propose at once; and nobody honest is passed by one that has had more turns, for its followers
 * wait longer than it does. Those who are not here hold up nobody, until two proposals have met: somebody may see them.
 */
const slotsOf = (facts: SeatingFacts, turnsOf: (site: SiteId) => number): ReadonlyMap<SiteId, Slot> => {
  const { coordinators, crossed } = facts
  const slots = new Map<SiteId, Slot>()
  let last: number | undefined
  for (const turns of [...new Set(coordinators.map(turnsOf))].sort((a, b) => a - b)) {
    const follow = last === undefined ? 0 : last + FOLLOW
    let propose = last === undefined ? 0 : follow + AHEAD
    const keepsAll = crossed || last !== undefined
    for (const site of coordinators.filter((one) => turnsOf(one) === turns)) {
      slots.set(site, { follow, propose })
      const here = isHere(facts, site)
      if (here) last = propose
      if (here || keepsAll) propose += 1
    }
  }
  return slots
}

const isHere = ({ candidates }: SeatingFacts, site: SiteId): boolean =>
  candidates.some((one) => one.site === site && one.here && !one.out)

/**
 * From when this site, free now, follows the newest proposal of this coordinator, which is counted as its turn already.
 * Whoever sits in that proposal was free when it was made, and is no reason to wait for another coordinator. Among those
 * with as many turns, one earlier in the roster is given its turn, but not for so long that the proposal is given up.
 */
const followFrom = (seen: SeatingFacts, coordinator: SiteId): number => {
  const proposal = seen.proposed.get(coordinator)
  const sitting = new Set(proposal?.signed)
  const candidates = seen.candidates.map((one) => (sitting.has(one.site) ? { ...one, busyUntil: undefined } : one))
  const facts = { ...seen, candidates }
  const turnsOf = (site: SiteId): number =>
    site === coordinator ? (seen.turns.get(site) ?? 1) - 1 : (seen.turns.get(site) ?? 0)
  const { follow, propose } = slotsOf(facts, turnsOf).get(coordinator) ?? NEVER
  const { coordinators } = seen
  const behind = coordinators.filter((other) => turnsOf(other) < turnsOf(coordinator))
  const equals = coordinators
    .slice(0, coordinators.indexOf(coordinator))
    .filter((other) => turnsOf(other) === turnsOf(coordinator) && !sitting.has(other))
  const contested = seen.candidates.flatMap(({ site, wanted }) =>
    proposal?.sites.includes(site) === true && site !== seen.self
      ? wantedBefore(seen, wanted, coordinator, turnsOf(coordinator))
      : [],
  )
  return Math.max(
    ...behind.map((other) => awaitedUntil(facts, other, follow)),
    Math.min(
      (proposal?.at ?? seen.now) + (HOLD * seen.proposalMs) / 4,
      Math.max(...equals.map((other) => awaitedUntil(facts, other, propose)), ...contested),
    ),
  )
}

/** Until when proposals that stand in the line before this coordinator, with so many turns, may still be signed. */
const wantedBefore = (
  { coordinators, turns }: SeatingFacts,
  wanted: ReadonlyMap<SiteId, number>,
  coordinator: SiteId,
  had: number,
): readonly number[] =>
  [...wanted]
    .filter(([other]) => {
      if (other === coordinator || !coordinators.includes(other)) return false
      const before = (turns.get(other) ?? 1) - 1
      return before < had || (before === had && coordinators.indexOf(other) < coordinators.indexOf(coordinator))
    })
    .map(([, until]) => until)

/** Coordinators as they stand in the line. A stable sort: equals stay in roster order. */
export const inLine = ({ coordinators, turns }: SeatingFacts): readonly SiteId[] =>
  [...coordinators].sort((a, b) => (turns.get(a) ?? 0) - (turns.get(b) ?? 0))

/** True where this site, free now, may follow the newest proposal of this coordinator. */
export const mayFollow = (facts: SeatingFacts, coordinator: SiteId): boolean =>
  followFrom(facts, coordinator) <= facts.now

/** From when this site proposes. */
const ownTurnAt = (facts: SeatingFacts): number => {
  const { coordinators, self, candidates, turns } = facts
  const turnsOf = (site: SiteId): number => turns.get(site) ?? 0
  const { propose } = slotsOf(facts, turnsOf).get(self) ?? NEVER
  const place = coordinators.indexOf(self)
  const before = coordinators.filter(
    (other, at) => turnsOf(other) < turnsOf(self) || (turnsOf(other) === turnsOf(self) && at < place),
  )
  const own = candidates.find(({ site }) => site === self)?.freeSince ?? Number.POSITIVE_INFINITY
  const alone = propose === 0 ? Number.NEGATIVE_INFINITY : own + (propose * facts.proposalMs) / 4
  return Math.max(alone, ...before.map((other) => awaitedUntil(facts, other, propose)))
}

const NEVER: Slot = { follow: Number.POSITIVE_INFINITY, propose: Number.POSITIVE_INFINITY }

/** Sites that this site proposes now, in roster order; undefined: not its turn, or not those that it wants are free. */
export const seatsToPropose = (facts: SeatingFacts): readonly SiteId[] | undefined => {
  const { self, candidates, coordinators, seats, now, proposalMs, turns } = facts
  const own = candidates.find(({ site }) => site === self)
  if (own?.free !== true || own.out || !coordinators.includes(self)) return undefined
  // Its own last proposal may be signed, too, while this site has left it.
  const isWanted = ({ wanted }: Candidate): boolean =>
    Math.max(wanted.get(self) ?? 0, ...wantedBefore(facts, wanted, self, turns.get(self) ?? 0)) > now
  const free = candidates.filter((one) => one.free && one.here && !one.out && one.site !== self && !isWanted(one))
  // A stable sort: those with equal counts stay in roster order.
  const ranked = [...free].sort((a, b) => a.unanswered - b.unanswered).slice(0, seats - 1)
  if (ranked.length < seats - 1 || ownTurnAt(facts) > now) return undefined
  const worst = Math.max(0, ...ranked.map(({ unanswered }) => unanswered))
  const isSoonFree = (one: Candidate): boolean =>
    isBusy(one, facts) || now < Math.max(one.freeSince, own.freeSince) + proposalMs
  const better = candidates.some(
    (one) => one.here && !one.out && one.unanswered < worst && (one.free ? isWanted(one) : isSoonFree(one)),
  )
  if (better) return undefined
  const sitting = new Set([self, ...ranked.map(({ site }) => site)])
  return candidates.map(({ site }) => site).filter((site) => sitting.has(site))
}

/** Milliseconds after which the answers above may differ though nothing else happened. */
export const nextLook = (facts: SeatingFacts): number => {
  const { candidates, now, proposalMs, proposed } = facts
  const times = [
    ownTurnAt(facts),
    ...[...proposed.keys()].map((coordinator) => followFrom(facts, coordinator)),
    ...candidates.flatMap(({ busyUntil, freeSince, wanted }) => [
      freeSince + proposalMs,
      busyUntil ?? now,
      ...wanted.values(),
    ]),
  ].filter((time) => time > now)
  return Math.min(proposalMs / 2, ...times.map((time) => time - now))
}
