import type { RawSigner } from '../../identity/ed25519.ts'
import type { Hash, KeyHex, Party, SiteId } from '../../lib/brand.ts'
import { equal, toBase64 } from '../../lib/bytes.ts'
import type { Clock, Random } from '../../lib/ports.ts'
import type { Rounds } from '../../mpc/mailbox.ts'
import { DecodeError } from '../../records/codec.ts'
import type { Blame } from '../../records/round.ts'
import { BlameError, SilenceError } from './endings.ts'
import { slot } from './entries.ts'
import { type SignedMessage, sessionBytes, signMessage } from './round-message.ts'
import { confirmRound, echoRound, isEchoRound, roundSpec } from './round-spec.ts'
import { byHeader } from './transcript.ts'

export interface SessionOptions {
  readonly ceremony: Hash
  /** Hash of the attempt: the session id. */
  readonly attempt: Hash
  readonly parties: readonly { readonly site: SiteId; readonly key: KeyHex }[]
  readonly self: SiteId
  readonly signer: RawSigner
  readonly clock: Clock
  /** For the salts that hide private messages in logs: hedged. */
  readonly random: Random
  /** Longest wait for a round's messages, from this site's own sending, where the round has no deadline of its own. */
  readonly roundMs: number
  /**
   * True where this site passes on at once each broadcast that it takes in: it coordinates an attempt of chosen sites.
   */
  readonly relays?: boolean
  send(to: SiteId, message: Uint8Array): void
  /** Each message of the session and of those inside it, own ones included, as it is to be kept. */
  record(message: Uint8Array, from: SiteId): void
  progress(state: {
    round: string
    place: number
    of: number
    got: number
    total: number
    waiting: readonly SiteId[]
  }): void
}

/** Protocol and parties of one session, or of one inside it. */
export interface SessionPlace {
  readonly id: Hash
  readonly protocol: string
  readonly rounds: Rounds
  /** In party order. */
  readonly sites: readonly SiteId[]
  /** null in the attempt's own session. */
  readonly within: Blame['within']
  /** Its messages are part of the attempt's transcript. */
  readonly inTranscript: boolean
}

const NO_SALT = new Uint8Array(0)

/** The messages of one (sub-)session: each has one place, and whatever is provably wrong about one ends the whole session. */
export class OpenSession {
  readonly place: SessionPlace
  readonly self: Party
  readonly peers: readonly Party[]
  readonly #options: SessionOptions
  readonly #end: AbortController
  readonly #messages = new Map<string, SignedMessage>()
  /** The first message signed for each place, also where its payload never came. */
  readonly #heads = new Map<string, SignedMessage>()
  /** Decoded messages of the peers. */
  readonly #values = new Map<string, unknown>()
  readonly #waiters = new Set<() => void>()
  #confirmed = false

  constructor(place: SessionPlace, options: SessionOptions, end: AbortController) {
    this.place = place
    this.#options = options
    this.#end = end
    this.self = this.partyOf(options.self)
    this.peers = place.sites.map((_, at) => (at + 1) as Party).filter((party) => party !== this.self)
  }

  get messages(): readonly SignedMessage[] {
    return [...this.#messages.values()]
  }

  partyOf(site: SiteId): Party {
    const at = this.place.sites.indexOf(site)
    if (at < 0) throw new Error(`${site} is not in this session`)
    return (at + 1) as Party
  }

  siteOf(party: Party): SiteId {
    const site = this.place.sites[party - 1]
    if (site === undefined) throw new Error(`no party ${party} in this session`)
    return site
  }

  keyOf(party: Party): KeyHex {
    return this.#options.parties.find(({ site }) => site === this.siteOf(party))?.key as KeyHex
  }

  message(round: string, from: number, to = 0): SignedMessage | undefined {
    return this.#messages.get(slot(round, from, to))
  }

  /** Decoded message of a peer. */
  said<T>(round: string, from: Party, to = 0): T {
    return this.#values.get(slot(round, from, to)) as T
  }

  /** Takes in a peer's message, whose signature holds. */
  deliver(from: SiteId, message: SignedMessage): void {
    const { protocol, rounds, sites } = this.place
    const party = sites.indexOf(from) + 1
    if (party === 0) return
    const spec = message.protocol === protocol ? roundSpec(rounds, message.round) : undefined
    const bad =
      spec === undefined ||
      message.from !== party ||
      (spec.to === 'all') !== (message.to === 0) ||
      message.length > spec.codec.limit
    if (bad) {
      this.#end.abort(this.blame(party as Party, 'malformed', [message.stripped]))
      return
    }
    if (message.to !== 0 && message.to !== this.self) return
    const key = slot(message.round, message.from, message.to)
    const known = this.#heads.get(key)
    if (known !== undefined && !equal(known.headerBytes, message.headerBytes)) {
      this.#end.abort(this.blame(message.from, 'equivocation', [known.stripped, message.stripped]))
      return
    }
    this.#heads.set(key, message)
    if (message.payload === undefined || this.#messages.has(key)) return
    try {
      this.#values.set(key, spec.codec.decode(message.payload))
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#end.abort(this.blame(message.from, 'malformed', [message.bytes]))
      return
    }
    this.keep(message, from)
    if (this.#options.relays) this.#passOn([message], this.place.sites)
  }

  /** Files a message, own or a peer's. Broadcasts are logged, but for echoes; private ones stand in the confirmations. */
  keep(message: SignedMessage, from: SiteId): void {
    this.#messages.set(slot(message.round, message.from, message.to), message)
    if (message.to === 0 && !isEchoRound(message.round)) this.#options.record(message.bytes, from)
    for (const wake of this.#waiters) wake()
  }

  /** Sender and receiver of each private message have signed the same header, in broadcasts that are logged. */
  confirmed(): void {
    this.#confirmed = true
  }

  /** Logs the headers of private messages that nobody confirmed: this session ends before that. */
  recordUnconfirmed(): void {
    if (this.#confirmed) return
    for (const message of this.#messages.values())
      if (message.to !== 0) this.#options.record(message.stripped, this.siteOf(message.from))
    this.#confirmed = true
  }

  /** True where this site still waits, or would wait, for a broadcast of this one. */
  lacks(site: SiteId): boolean {
    const party = this.partyOf(site)
    const wanted = Object.entries(this.place.rounds).flatMap(([round, { to, echo }]) =>
      to === 'all' ? [round, ...(echo === 'none' ? [] : [echoRound(round)])] : [],
    )
    return wanted.some((round) => this.message(round, party) === undefined)
  }

  /** Shows others' broadcasts to sites that may wait for one of them. */
  #passOn(messages: readonly SignedMessage[], to: readonly SiteId[]): void {
    if (this.place.within !== null) return
    const { self, send } = this.#options
    for (const message of messages) {
      const author = this.place.sites[message.from - 1]
      if (message.to !== 0 || author === self) continue
      for (const site of to) if (site !== author && site !== self) send(site, message.bytes)
    }
  }

  broadcast(round: string, payload: Uint8Array): void {
    const message = this.#sign(round, 0, payload, NO_SALT)
    this.keep(message, this.#options.self)
    for (const peer of this.peers) this.#options.send(this.siteOf(peer), message.bytes)
  }

  send(round: string, peer: Party, payload: Uint8Array): void {
    const message = this.#sign(round, peer, payload, this.#options.random(32))
    this.keep(message, this.#options.self)
    this.#options.send(this.siteOf(peer), message.bytes)
  }

  #sign(round: string, to: number, payload: Uint8Array, salt: Uint8Array): SignedMessage {
    const { protocol, id } = this.place
    const head = { protocol, session: sessionBytes(id), round, from: this.self, to }
    return signMessage(this.#options.signer, head, payload, salt)
  }

  /**
   * Resolves when every peer's message of this round is here; rejects at the round's deadline or when the session ends.
   * `shown`: progress tells of it.
   */
  collect(round: string, to = 0, shown = true): Promise<ReadonlyMap<Party, SignedMessage>> {
    const { clock, roundMs } = this.#options
    const { rounds, within } = this.place
    const own = Object.hasOwn(rounds, round) ? rounds[round]?.seconds : undefined
    const waitMs = own === undefined ? roundMs : own * 1000
    const absent = (): readonly Party[] => this.peers.filter((peer) => this.message(round, peer, to) === undefined)
    return new Promise((resolve, reject) => {
      const timer = new AbortController()
      let last = -1
      const done = (act: () => void): void => {
        timer.abort()
        this.#waiters.delete(look)
        this.#end.signal.removeEventListener('abort', ended)
        act()
      }
      const ended = (): void => done(() => reject(this.#end.signal.reason))
      const look = (): void => {
        const waiting = absent()
        if (shown && within === null && waiting.length !== last) this.#progress(round, waiting)
        last = waiting.length
        const all = this.peers.map((peer) => [peer, this.message(round, peer, to) as SignedMessage] as const)
        if (waiting.length === 0) done(() => resolve(new Map(all)))
      }
      this.#waiters.add(look)
      this.#end.signal.addEventListener('abort', ended, { once: true })
      if (this.#end.signal.aborted) return ended()
      look()
      // Whoever is late may itself wait for what somebody showed to others only.
      const passOn = (): void =>
        this.#passOn(
          this.messages,
          absent().map((peer) => this.siteOf(peer)),
        )
      clock.sleep(waitMs / 2, timer.signal).then(passOn, () => undefined)
      const late = (): void => {
        const missing = absent().map((peer) => this.siteOf(peer))
        done(() => reject(new SilenceError(missing, round, waitMs / 1000)))
      }
      clock.sleep(waitMs, timer.signal).then(late, () => undefined)
    })
  }

  #progress(round: string, waiting: readonly Party[]): void {
    const { rounds } = this.place
    const names = Object.keys(rounds)
    const confirms = Object.values(rounds).some(({ to }) => to === 'each')
    const all = names.includes(round) ? (confirms ? [...names, confirmRound] : names) : [...names, round]
    this.#options.progress({
      round,
      place: all.indexOf(round) + 1,
      of: all.length,
      got: this.peers.length - waiting.length + 1,
      total: this.peers.length + 1,
      waiting: waiting.map((peer) => this.siteOf(peer)),
    })
  }

  /**
   * The accused's messages of the named rounds; of a broadcast that it signed to have seen, everybody's, and the vector
   * that says so.
   */
  evidence(who: Party, rounds: readonly string[]): readonly Uint8Array[] {
    const wanted = this.messages.filter(({ round, from, to }) => {
      const shared = to === 0 && this.message(echoRound(round), who) !== undefined
      return rounds.some(
        (name) => (round === name && (shared || from === who)) || (round === echoRound(name) && from === who),
      )
    })
    return wanted.toSorted(byHeader).map(({ bytes }) => bytes)
  }

  blame(who: Party, check: string, messages: readonly Uint8Array[]): BlameError {
    const { id, protocol, within } = this.place
    return new BlameError({
      ceremony: this.#options.ceremony,
      attempt: this.#options.attempt,
      session: id,
      protocol,
      within,
      accused: this.siteOf(who),
      party: who,
      accuser: this.#options.self,
      check,
      messages: messages.map(toBase64),
    })
  }

  /** One fault ends the session for every waiter. */
  raise(error: Error): never {
    this.#end.abort(error)
    throw error
  }

  accuse(who: Party, check: string, messages: readonly Uint8Array[]): never {
    return this.raise(this.blame(who, check, messages))
  }

  /** Overwrites what private messages said, sent and received; their headers stay. */
  wipe(): void {
    for (const [key, message] of this.#messages) {
      const value = this.#values.get(key)
      if (message.to !== 0 && value instanceof Uint8Array) value.fill(0)
    }
    for (const message of [...this.#messages.values(), ...this.#heads.values()]) wipeMessage(message)
  }
}

export const wipeMessage = ({ to, payload, bytes }: SignedMessage): void => {
  if (to === 0 || payload === undefined) return
  payload.fill(0)
  bytes.fill(0)
}
