import type { Hash, SiteId } from '../../lib/brand.ts'
import { coordinatorsOf } from '../../records/seats.ts'
import type { Member } from '../definition/authority.ts'
import type { Peers } from '../peers/peers.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { hasLeft } from '../store/left-attempt.ts'
import type { HeldAttempt } from '../store/record-store.ts'
import { type AttemptTerms, isFree, isOut } from './runnable.ts'
import type { Candidate, SeatingFacts } from './seating.ts'
import { countTurns, countUnanswered, crossedBy, isUsed } from './turns.ts'

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
  /** Attempts of this site that came to nothing, and those who lacked a signature or a message in them. */
  readonly #failed = new Map<HeldAttempt, readonly SiteId[]>()

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
    for (const { hash } of attempts) if (!this.#attempts.has(hash)) this.#attempts.set(hash, now)
    const coordinators = coordinatorsOf({
      candidates: authority.candidates.map(({ name }) => name),
      count: authority.seats,
    })
    const turns = countTurns(coordinators, attempts)
    const unanswered = countUnanswered(this.#failed, turns, attempts)
    return {
      self: seat.name,
      candidates: authority.candidates.map((member) => ({
        ...this.#candidate(member, attempts, now),
        unanswered: unanswered.get(member.name) ?? 0,
      })),
      coordinators,
      seats: authority.seats,
      turns: turns.had,
      proposed: new Map(attempts.map(({ hash, value }) => [value.coordinator, this.#attempts.get(hash) ?? now])),
      crossed: attempts.some((one) => crossedBy(one, attempts) !== undefined),
      now,
      proposalMs: proposal * 1000,
      attemptMs: this.#attemptMs,
    }
  }

  #candidate(member: Member, attempts: readonly HeldAttempt[], now: number): Omit<Candidate, 'unanswered'> {
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
      busyWith: taken?.value.coordinator,
      freeSince: this.#greetings.get(name)?.at ?? Number.NEGATIVE_INFINITY,
    }
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
    const { seat } = this.#ceremony
    const sitting = attempt.value.participants.map(({ site }) => site)
    const explained = this.facts().candidates.some(({ site, out }) => out && sitting.includes(site))
    if (attempt.value.coordinator === seat.name && !explained) this.#failed.set(attempt, lack)
  }
}

/** Most rounds that a protocol of chosen seats has. */
const ROUNDS = 2
