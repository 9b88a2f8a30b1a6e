import type { Hash, SiteId } from '../../lib/brand.ts'
import { coordinatorsOf } from '../../records/seats.ts'
import type { Member } from '../definition/authority.ts'
import type { Peers } from '../peers/peers.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { hasLeft } from '../store/left-attempt.ts'
import type { HeldAttempt } from '../store/record-store.ts'
import { type AttemptTerms, isFree, isOut } from './runnable.ts'
import type { Candidate, Proposed, SeatingFacts } from './seating.ts'
import { answerable, countTurns, countUnanswered, crossedBy, isUsed, type Turns } from './turns.ts'

interface Greeting {
  readonly attempts: number
  readonly at: number
}

/** The others' coming and going as one join saw it, with its times; seating.ts says what follows from it. */
export class SeatHistory {
  readonly #ceremony: Ceremony
  readonly #peers: Peers
  readonly #terms: AttemptTerms
  /** When each attempt became known here. */
  readonly #attempts = new Map<Hash, number>()
  /** The first hello of each site, or the first after its newest attempt. */
  readonly #greetings = new Map<SiteId, Greeting>()
  /** When the coordinator of each attempt was seen to have left it. */
  readonly #over = new Map<Hash, number>()
  /** When each proposal was seen to have met another. */
  readonly #crossed = new Map<Hash, number>()
  /** Attempts of this site that came to nothing, and those who are to answer for it. */
  readonly #failed = new Map<Hash, readonly SiteId[]>()
  #signatures = 0
  #turns: Turns = { had: new Map(), counted: new Set() }

  constructor(ceremony: Ceremony, peers: Peers, terms: AttemptTerms) {
    this.#ceremony = ceremony
    this.#peers = peers
    this.#terms = terms
  }

  facts(): SeatingFacts {
    const { authority, store, seat, site } = this.#ceremony
    const { proposal } = authority.terms.deadlines
    const attempts = [...store.attempts.values()]
    const now = site.machine.clock.monotonic()
    const coordinators = coordinatorsOf({
      candidates: authority.candidates.map(({ name }) => name),
      count: authority.seats,
    })
    const turns = this.#count(coordinators, attempts, now)
    const unanswered = countUnanswered(this.#failed, turns)
    return {
      self: seat.name,
      candidates: authority.candidates.map((member) => ({
        ...this.#candidate(member, attempts, now),
        wanted: this.#wanted(member, attempts, now),
        unanswered: unanswered.get(member.name) ?? 0,
      })),
      coordinators,
      seats: authority.seats,
      turns: turns.had,
      proposed: new Map(attempts.map((attempt) => [attempt.value.coordinator, this.#proposed(attempt, now)])),
      crossed: this.#crossed.size > 0,
      now,
      proposalMs: proposal * 1000,
      attemptMs: this.#attemptMs,
    }
  }

  /** Counted anew only where a signature is new: every message asks for it. */
  #count(coordinators: readonly SiteId[], attempts: readonly HeldAttempt[], now: number): Turns {
    const signatures = attempts.reduce((sum, one) => sum + one.signatures.size, 0)
    if (signatures === this.#signatures) return this.#turns
    for (const attempt of attempts) {
      const { hash } = attempt
      if (!this.#attempts.has(hash)) this.#attempts.set(hash, now)
      if (!this.#crossed.has(hash) && crossedBy(attempt, attempts) !== undefined) this.#crossed.set(hash, now)
    }
    this.#signatures = signatures
    this.#turns = countTurns(coordinators, attempts)
    return this.#turns
  }

  #candidate(member: Member, attempts: readonly HeldAttempt[], now: number): Omit<Candidate, 'unanswered' | 'wanted'> {
    const { store, seat } = this.#ceremony
    const { name } = member
    const hello = store.hellos.get(name)?.signed
    const known = this.#greetings.get(name)
    // A site that joins again and again gets no more time by it.
    if (hello !== undefined && (known === undefined || known.attempts < hello.value.attempts))
      this.#greetings.set(name, { attempts: hello.value.attempts, at: now })
    const greeted = this.#peers.hello(name)?.hash
    const taken = attempts.find((one) => greeted !== undefined && isUsed([one], name, greeted))
    return {
      site: name,
      out: isOut(this.#ceremony, this.#peers, this.#terms, member),
      here: name === seat.name || this.#peers.isHere(name),
      free: isFree(this.#ceremony, this.#peers, this.#terms, member),
      busyUntil: taken && this.#endOf(taken, now),
      freeSince: this.#greetings.get(name)?.at ?? Number.NEGATIVE_INFINITY,
    }
  }

  #proposed({ hash, value, signatures }: HeldAttempt, now: number): Proposed {
    const sites = value.participants.map(({ site }) => site)
    return { at: this.#attempts.get(hash) ?? now, sites, signed: sites.filter((site) => signatures.has(site)) }
  }

  /** Proposals that name this site's hello and that it may be about to sign: until when, by coordinator. */
  #wanted({ name }: Member, attempts: readonly HeldAttempt[], now: number): ReadonlyMap<SiteId, number> {
    const { proposal } = this.#ceremony.authority.terms.deadlines
    const hello = this.#peers.hello(name)?.hash
    const wanted = new Map<SiteId, number>()
    for (const attempt of attempts) {
      const { hash, value, signatures } = attempt
      if (!value.participants.some((one) => one.site === name && one.hello === hello)) continue
      if (signatures.has(name) || !signatures.has(value.coordinator)) continue
      const known = this.#attempts.get(hash) ?? now
      const met = (this.#crossed.get(hash) ?? Number.POSITIVE_INFINITY) + proposal * 250
      const until = Math.min(known + proposal * 1000, met, this.#endOf(attempt, now))
      if (until > now) wanted.set(value.coordinator, until)
    }
    return wanted
  }

  /** When an honest site has come out of an attempt: soon after its coordinator has left it. */
  #endOf(attempt: HeldAttempt, now: number): number {
    const { hash, value } = attempt
    const { store, authority } = this.#ceremony
    if (!this.#over.has(hash) && hasLeft(store, attempt, value.coordinator)) this.#over.set(hash, now)
    const { proposal } = authority.terms.deadlines
    const known = this.#attempts.get(hash) ?? now
    return Math.min(known + this.#attemptMs, (this.#over.get(hash) ?? Number.POSITIVE_INFINITY) + proposal * 250)
  }

  get #attemptMs(): number {
    const { proposal, round } = this.#ceremony.authority.terms.deadlines
    return (2 * proposal + ROUNDS * (proposal + round)) * 1000
  }

  /** When the newest attempt became known here, in monotonic milliseconds. */
  get lastAttempt(): number {
    return Math.max(Number.NEGATIVE_INFINITY, ...this.#attempts.values())
  }

  /** An attempt came to nothing; these lacked a signature or a message in it. A proof of somebody's guilt explains it. */
  failed(attempt: HeldAttempt, lack: readonly SiteId[]): void {
    const { seat, store } = this.#ceremony
    const sitting = attempt.value.participants.map(({ site }) => site)
    const explained = this.facts().candidates.some(({ site, out }) => out && sitting.includes(site))
    if (attempt.value.coordinator === seat.name && !explained)
      this.#failed.set(attempt.hash, answerable(attempt, [...store.attempts.values()], lack))
  }
}

/** Most rounds that a protocol of chosen seats has. */
const ROUNDS = 2
