import { setMaxListeners } from 'node:events'
import type { RawSigner } from '../../identity/ed25519.ts'
import type { Hash, KeyHex, Party, SiteId } from '../../lib/brand.ts'
import { equal, toBase64, toHex } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import { tupleHash } from '../../lib/hash.ts'
import type { Clock, Random } from '../../lib/ports.ts'
import type { Broadcasts, Mailbox, Payload, Privates, ProtocolRules, Rounds } from '../../mpc/mailbox.ts'
import { DecodeError } from '../../records/codec.ts'
import { type Blame, type EchoVector, echoCodec } from '../../records/round.ts'
import {
  readSignedMessage,
  readStripped,
  type SignedMessage,
  sessionBytes,
  signedBy,
  signMessage,
} from './round-message.ts'
import { confirmRound, echoRound, isEchoRound, type RoundSpec, roundSpec, roundWords } from './round-spec.ts'
import { subSession } from './sub-session.ts'

/** Ends a session with a proof against one participant. */
export class BlameError extends Error {
  override readonly name = 'BlameError'
  readonly blame: Blame
  constructor(blame: Blame) {
    super(`${blame.accused}: ${blame.check}`)
    this.blame = blame
  }
}

/** Ends a session because a deadline passed; accuses nobody. */
export class SilenceError extends Error {
  override readonly name = 'SilenceError'
  readonly missing: readonly SiteId[]
  readonly round: string
  constructor(missing: readonly SiteId[], round: string) {
    super(`nothing from ${missing.join(', ')} in ${roundWords(round)}`)
    this.missing = missing
    this.round = round
  }
}

interface SessionOptions {
  readonly ceremony: Hash
  /** Hash of the attempt: the session id. */
  readonly attempt: Hash
  readonly parties: readonly { readonly site: SiteId; readonly key: KeyHex }[]
  readonly self: SiteId
  readonly signer: RawSigner
  readonly clock: Clock
  readonly random: Random
  /** Longest wait for a round's messages, from this site's own sending. */
  readonly roundMs: number
  /** Whether this site passes on at once each broadcast that it takes in: it coordinates an attempt of chosen sites. */
  readonly relays?: boolean
  send(to: SiteId, message: Uint8Array): void
  /** Each message that the transcript names, own ones included, as it is to be kept. */
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

const MOST_EARLY = 256
const NO_SALT = new Uint8Array(0)

/** One (sub-)session's posts and the parties in it. */
interface SubSession {
  readonly id: Hash
  readonly protocol: string
  readonly rounds: Rounds
  readonly sites: readonly SiteId[]
  readonly within: Blame['within']
  readonly root: boolean
  readonly posts: Map<string, SignedMessage>
  /** The first message signed for each place, also where its payload never came. */
  readonly heads: Map<string, SignedMessage>
  /** What each peer's message says. */
  readonly values: Map<string, unknown>
  readonly waiters: Set<() => void>
}

const slot = (round: string, from: number, to: number): string => `${round}|${from}|${to}`

/** One attempt's signed rounds over the channels: a mailbox for its protocol and for each sub-session. */
export class Session {
  readonly #options: SessionOptions
  readonly #stages = new Map<string, SubSession>()
  readonly #early: { from: SiteId; post: SignedMessage }[] = []
  readonly #keys: ReadonlyMap<SiteId, KeyHex>
  readonly #end = new AbortController()

  constructor(options: SessionOptions) {
    this.#options = options
    this.#keys = new Map(options.parties.map(({ site, key }) => [site, key]))
    setMaxListeners(0, this.#end.signal)
  }

  get signal(): AbortSignal {
    return this.#end.signal
  }

  /** Ends all waiting with this error: the peer returned with a new key, proof against somebody came, the operator stopped. */
  fail(error: Error): void {
    this.#end.abort(error)
  }

  /** Overwrites what private messages said, sent and received; their headers stay. For the end: nothing is sent after. */
  wipe(): void {
    const posts = [...this.#stages.values()].flatMap((stage) => {
      for (const [key, post] of stage.posts) {
        const value = stage.values.get(key)
        if (post.to !== 0 && value instanceof Uint8Array) value.fill(0)
      }
      return [...stage.posts.values(), ...stage.heads.values()]
    })
    for (const { to, payload, bytes } of [...posts, ...this.#early.map(({ post }) => post)]) {
      if (to === 0 || payload === undefined) continue
      payload.fill(0)
      bytes.fill(0)
    }
  }

  /** Takes what a channel brought under this session's topic. What carries no valid signature is nobody's. */
  deliver(from: SiteId, bytes: Uint8Array): void {
    const key = this.#keys.get(from)
    if (key === undefined || this.#end.signal.aborted) return
    let post: SignedMessage
    try {
      post = readSignedMessage(bytes)
    } catch (error) {
      if (error instanceof DecodeError) return
      throw error
    }
    const stage = this.#stages.get(toHex(post.session))
    // Passed on by several, most broadcasts come more than once.
    const known = stage?.posts.get(slot(post.round, post.from, post.to))
    if (known !== undefined && equal(known.bytes, post.bytes)) return
    const author = this.#relayedFor(from, post) ?? (signedBy(post, key) ? from : undefined)
    if (author === undefined) return
    if (stage !== undefined) this.#place(stage, author, post)
    else if (this.#early.filter((one) => one.from === author).length < MOST_EARLY)
      this.#early.push({ from: author, post })
  }

  /** The author of a broadcast that another passed on; undefined where it is none. */
  #relayedFor(from: SiteId, post: SignedMessage): SiteId | undefined {
    const author = this.#options.parties[post.from - 1]
    if (author === undefined || author.site === from || post.to !== 0) return undefined
    if (toHex(post.session) !== this.#options.attempt) return undefined
    return signedBy(post, author.key) ? author.site : undefined
  }

  /** Whether this site still waits, or would wait, for a broadcast of this one. */
  lacks(site: SiteId): boolean {
    const stage = this.#stages.get(this.#options.attempt)
    if (stage === undefined) return true
    const party = this.#partyOf(stage, site)
    const wanted = Object.entries(stage.rounds).flatMap(([round, { to, echo }]) =>
      to === 'all' ? [round, ...(echo === 'none' ? [] : [echoRound(round)])] : [],
    )
    return wanted.some((round) => !stage.posts.has(slot(round, party, 0)))
  }

  /** Shows others' broadcasts to sites that may wait for one of them. */
  #passOn(stage: SubSession, posts: Iterable<SignedMessage>, to: readonly SiteId[]): void {
    if (!stage.root) return
    for (const post of posts) {
      const author = stage.sites[post.from - 1]
      if (post.to !== 0 || author === this.#options.self) continue
      for (const site of to) if (site !== author && site !== this.#options.self) this.#options.send(site, post.bytes)
    }
  }

  mailbox<R extends Rounds>({ id: protocol, rounds }: Pick<ProtocolRules<R, never>, 'id' | 'rounds'>): Mailbox<R> {
    return this.#open({
      id: this.#options.attempt,
      protocol,
      rounds,
      sites: this.#options.parties.map(({ site }) => site),
      within: null,
      root: true,
      posts: new Map(),
      heads: new Map(),
      values: new Map(),
      waiters: new Set(),
    })
  }

  /**
   * Resolves when all peers have signed that they hold the same confirmations, and so the same transcript. Their vectors
   * are sent when `confirm` ends: who calls this after the next thing that all say to each other waits for nothing.
   */
  async agree(): Promise<void> {
    const stage = this.#stages.get(this.#options.attempt)
    if (stage === undefined) throw new Error('a session that nobody opened')
    const self = this.#partyOf(stage, this.#options.self)
    const peers = stage.sites.map((_, at) => (at + 1) as Party).filter((party) => party !== self)
    await this.#compareEchoes(stage, self, peers, confirmRound)
  }

  /** Everything that the transcript follows from, as a site signed that it received it: what its outcome is judged by. */
  received(site: SiteId): readonly Uint8Array[] {
    const stage = this.#stages.get(this.#options.attempt)
    if (stage === undefined) return []
    const party = this.#partyOf(stage, site)
    const shared = [...Object.keys(stage.rounds).filter((name) => stage.rounds[name]?.to === 'all'), confirmRound]
    return [...stage.posts.values()]
      .filter(({ round, from }) => shared.some((one) => round === one || (round === echoRound(one) && from === party)))
      .sort(byHeader)
      .map((post) => post.bytes)
  }

  /** SHA-256 over the sorted headers of the protocol's own broadcasts and private messages. */
  transcript(): Hash {
    const stage = this.#stages.get(this.#options.attempt)
    return transcriptOf([...(stage?.posts.values() ?? [])].map((post) => post.headerBytes))
  }

  #open<R extends Rounds>(stage: SubSession & { rounds: R }): Mailbox<R> {
    if (this.#stages.has(stage.id)) throw new Error('session opened twice')
    this.#stages.set(stage.id, stage)
    const mine = this.#early.filter(({ post }) => toHex(post.session) === stage.id)
    for (const one of mine) this.#early.splice(this.#early.indexOf(one), 1)
    for (const { from, post } of mine) this.#place(stage, from, post)
    const self = this.#partyOf(stage, this.#options.self)
    const peers = stage.sites.map((_, at) => (at + 1) as Party).filter((party) => party !== self)
    return {
      self,
      peers,
      session: stage.id,
      broadcast: (round, own) => this.#broadcast(stage, self, peers, round, own),
      scatter: (round, to) => this.#scatter(stage, self, peers, round, to),
      confirm: () => this.#confirm(stage, self, peers),
      within: (protocol, label, parties) => this.#within(stage, protocol, label, parties),
      blame: (who, check, rounds) => this.#accuse(stage, who, check, this.#evidence(stage, who, rounds)),
    }
  }

  #within<S extends Rounds>(
    parent: SubSession,
    { id: protocol, rounds }: Pick<ProtocolRules<S, never>, 'id' | 'rounds'>,
    label: string,
    parties: readonly Party[],
  ): Mailbox<S> {
    const sites = parties.map((party) => this.#siteOf(parent, party))
    return this.#open({
      id: subSession(parent.id, { protocol, label, members: parties }),
      protocol,
      rounds,
      sites,
      within: { label, members: parties.map((party) => Number(party) as never) },
      root: false,
      posts: new Map(),
      heads: new Map(),
      values: new Map(),
      waiters: new Set(),
    })
  }

  #partyOf(stage: SubSession, site: SiteId): Party {
    const at = stage.sites.indexOf(site)
    if (at < 0) throw new Error(`${site} is not in this session`)
    return (at + 1) as Party
  }

  #siteOf(stage: SubSession, party: Party): SiteId {
    const site = stage.sites[party - 1]
    if (site === undefined) throw new Error(`no party ${party} in this session`)
    return site
  }

  #key(stage: SubSession, party: Party): KeyHex {
    return this.#keys.get(this.#siteOf(stage, party)) as KeyHex
  }

  /** Puts a signed message into its slot; whatever is provably wrong about it ends the session. */
  #place(stage: SubSession, from: SiteId, post: SignedMessage): void {
    const party = stage.sites.indexOf(from) + 1
    const self = stage.sites.indexOf(this.#options.self) + 1
    if (party === 0) return
    const spec = post.protocol === stage.protocol ? roundSpec(stage.rounds, post.round) : undefined
    const bad =
      spec === undefined ||
      post.from !== party ||
      (spec.to === 'all') !== (post.to === 0) ||
      post.length > spec.codec.limit
    if (bad) {
      this.#end.abort(this.#blame(stage, party as Party, 'malformed', [post.stripped]))
      return
    }
    if (post.to !== 0 && post.to !== self) return
    const key = slot(post.round, post.from, post.to)
    const known = stage.heads.get(key)
    if (known !== undefined && !equal(known.headerBytes, post.headerBytes)) {
      this.#end.abort(this.#blame(stage, post.from, 'equivocation', [known.stripped, post.stripped]))
      return
    }
    stage.heads.set(key, post)
    if (post.payload === undefined || stage.posts.has(key)) return
    try {
      stage.values.set(key, spec.codec.decode(post.payload))
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#end.abort(this.#blame(stage, post.from, 'malformed', [post.bytes]))
      return
    }
    this.#keep(stage, key, post, from)
    if (this.#options.relays) this.#passOn(stage, [post], stage.sites)
  }

  #keep(stage: SubSession, key: string, post: SignedMessage, from: SiteId): void {
    stage.posts.set(key, post)
    if (stage.root && !isEchoRound(post.round)) this.#options.record(post.to === 0 ? post.bytes : post.stripped, from)
    for (const wake of stage.waiters) wake()
  }

  #post(
    stage: SubSession,
    round: string,
    self: Party,
    to: readonly Party[],
    private_: boolean,
    payload: Uint8Array,
  ): void {
    const head = { protocol: stage.protocol, session: sessionBytes(stage.id), round, from: self }
    if (private_) {
      for (const peer of to)
        this.#sendPost(
          stage,
          peer,
          signMessage(this.#options.signer, { ...head, to: peer }, payload, this.#options.random(32)),
        )
      return
    }
    const post = signMessage(this.#options.signer, { ...head, to: 0 }, payload, NO_SALT)
    this.#keep(stage, slot(round, self, 0), post, this.#options.self)
    for (const peer of to) this.#options.send(this.#siteOf(stage, peer), post.bytes)
  }

  #sendPost(stage: SubSession, peer: Party, post: SignedMessage): void {
    this.#keep(stage, slot(post.round, post.from, post.to), post, this.#options.self)
    this.#options.send(this.#siteOf(stage, peer), post.bytes)
  }

  /** Resolves when each of `peers` filled its slot; rejects at the deadline or when the session ends. */
  #collect(
    stage: SubSession,
    round: string,
    to: number,
    peers: readonly Party[],
    place: string = round,
  ): Promise<ReadonlyMap<Party, SignedMessage>> {
    const { clock, roundMs, progress } = this.#options
    return new Promise((resolve, reject) => {
      const timer = new AbortController()
      let shown = -1
      const lacking = (peer: Party): boolean => !stage.posts.has(slot(round, peer, to))
      const done = (act: () => void): void => {
        timer.abort()
        stage.waiters.delete(look)
        this.#end.signal.removeEventListener('abort', ended)
        act()
      }
      const ended = (): void => done(() => reject(this.#end.signal.reason))
      const look = (): void => {
        const absent = peers.filter(lacking)
        const got = peers.length - absent.length
        if (stage.root && got !== shown && place === round) {
          shown = got
          const names = Object.keys(stage.rounds)
          const all =
            stage.rounds[round] === undefined
              ? [...names, round]
              : Object.values(stage.rounds).some((one) => one.to === 'each')
                ? [...names, confirmRound]
                : names
          progress({
            round,
            place: all.indexOf(round) + 1,
            of: all.length,
            got: got + 1,
            total: peers.length + 1,
            waiting: absent.map((peer) => this.#siteOf(stage, peer)),
          })
        }
        if (absent.length === 0)
          done(() =>
            resolve(new Map(peers.map((peer) => [peer, stage.posts.get(slot(round, peer, to)) as SignedMessage]))),
          )
      }
      stage.waiters.add(look)
      this.#end.signal.addEventListener('abort', ended, { once: true })
      if (this.#end.signal.aborted) return ended()
      look()
      // Whoever is late may itself wait for what somebody showed to others only.
      clock.sleep(roundMs / 2, timer.signal).then(
        () =>
          this.#passOn(
            stage,
            stage.posts.values(),
            peers.filter(lacking).map((peer) => this.#siteOf(stage, peer)),
          ),
        () => undefined,
      )
      clock.sleep(roundMs, timer.signal).then(
        () =>
          done(() =>
            reject(
              new SilenceError(
                peers.filter(lacking).map((peer) => this.#siteOf(stage, peer)),
                round,
              ),
            ),
          ),
        () => undefined,
      )
    })
  }

  #said<T>(stage: SubSession, round: string, from: Party, to: number): T {
    return stage.values.get(slot(round, from, to)) as T
  }

  /** One fault ends the session for every waiter. */
  #raise<E extends Error>(error: E): E {
    this.#end.abort(error)
    return error
  }

  async #broadcast<R extends Rounds, K extends Broadcasts<R>>(
    stage: SubSession,
    self: Party,
    peers: readonly Party[],
    round: K,
    own: Payload<R, K>,
  ): Promise<ReadonlyMap<Party, Payload<R, K>>> {
    const spec = roundSpec(stage.rounds, round) as RoundSpec
    const names = Object.keys(stage.rounds)
    const ridden = names
      .slice(0, names.indexOf(round))
      .filter((name) => stage.rounds[name]?.echo === 'rides')
      .at(-1)
    if (ridden !== undefined) this.#sendEcho(stage, self, peers, ridden)
    this.#post(stage, round, self, peers, false, spec.codec.encode(own))
    const posts = await this.#collect(stage, round, 0, peers)
    if (ridden !== undefined) await this.#compareEchoes(stage, self, peers, ridden)
    const values = new Map([
      [self, own],
      ...[...posts.keys()].map((peer) => [peer, this.#said<Payload<R, K>>(stage, round, peer, 0)] as const),
    ])
    if (stage.rounds[round]?.echo === 'round') {
      this.#sendEcho(stage, self, peers, round)
      await this.#compareEchoes(stage, self, peers, round)
    }
    return values
  }

  async #scatter<R extends Rounds, K extends Privates<R>>(
    stage: SubSession,
    self: Party,
    peers: readonly Party[],
    round: K,
    to: (peer: Party) => Payload<R, K>,
  ): Promise<ReadonlyMap<Party, Payload<R, K>>> {
    const spec = roundSpec(stage.rounds, round) as RoundSpec
    for (const peer of peers) this.#post(stage, round, self, [peer], true, spec.codec.encode(to(peer)))
    const posts = await this.#collect(stage, round, self, peers)
    return new Map([...posts.keys()].map((peer) => [peer, this.#said<Payload<R, K>>(stage, round, peer, self)]))
  }

  #sendEcho(stage: SubSession, self: Party, peers: readonly Party[], round: string): void {
    const vector: EchoVector = stage.sites.map((_, at) => {
      const post = stage.posts.get(slot(round, at + 1, 0)) as SignedMessage
      return [post.headerBytes, post.signature]
    })
    this.#post(stage, echoRound(round), self, peers, false, echoCodec.encode(vector))
  }

  /**
   * Compares what each peer says it received with what came here. Two headers of one sender that both bear its signature
   * prove the sender's fault; an entry that does not bear it proves the echoer's.
   */
  async #compareEchoes(stage: SubSession, self: Party, peers: readonly Party[], round: string): Promise<void> {
    for (const [peer, post] of await this.#collect(
      stage,
      echoRound(round),
      0,
      peers,
      round === echoRound(round) ? round : `${round} echo`,
    )) {
      const vector = this.#said<EchoVector>(stage, echoRound(round), peer, 0)
      if (vector.length !== stage.sites.length) throw this.#raise(this.#blame(stage, peer, 'echo', [post.bytes]))
      vector.forEach(([headerBytes, signature], at) => {
        const sender = (at + 1) as Party
        const held = stage.posts.get(slot(round, sender, 0)) as SignedMessage
        if (equal(held.headerBytes, headerBytes) && equal(held.signature, signature)) return
        const other = entryOf(headerBytes, signature, held, this.#key(stage, sender))
        if (other === undefined) throw this.#raise(this.#blame(stage, peer, 'echo', [post.bytes]))
        if (equal(held.headerBytes, headerBytes)) return
        if (sender === self) throw this.#raise(cloned(this.#options.self))
        throw this.#raise(this.#blame(stage, sender, 'equivocation', [held.stripped, other.stripped]))
      })
    }
  }

  async #confirm(stage: SubSession, self: Party, peers: readonly Party[]): Promise<void> {
    const mine = [...stage.posts.values()].filter((post) => post.to !== 0).sort(byHeader)
    this.#post(
      stage,
      confirmRound,
      self,
      peers,
      false,
      echoCodec.encode(mine.map((post) => [post.headerBytes, post.signature])),
    )
    const privates = Object.keys(stage.rounds).filter((name) => stage.rounds[name]?.to === 'each')
    const posts = await this.#collect(stage, confirmRound, 0, peers)
    const claims = new Map<string, Map<Party, SignedMessage>>()
    const claim = (by: Party, post: SignedMessage): void => {
      const key = slot(post.round, post.from, post.to)
      claims.set(key, (claims.get(key) ?? new Map()).set(by, post))
    }
    for (const post of mine) claim(self, post)
    for (const [peer, post] of posts) {
      const headers = confirmEntries(
        this.#said<EchoVector>(stage, confirmRound, peer, 0),
        peer,
        post,
        stage.sites.length,
        privates,
        (party) => this.#key(stage, party),
      )
      if (headers === undefined) throw this.#raise(this.#blame(stage, peer, 'confirm', [post.bytes]))
      for (const one of headers) claim(peer, one)
    }
    for (const [key, byParty] of claims) {
      const [first, second] = [...byParty.values()]
      if (first === undefined || second === undefined) throw new Error('a private message that one side only confirmed')
      if (!equal(first.headerBytes, second.headerBytes))
        throw this.#raise(this.#blame(stage, first.from, 'equivocation', [first.stripped, second.stripped]))
      if (!stage.posts.has(key)) this.#keep(stage, key, first, this.#siteOf(stage, first.from))
    }
    this.#sendEcho(stage, self, peers, confirmRound)
  }

  /**
   * The accused's messages of the named rounds; of a broadcast that it signed to have seen, everybody's, and the vector
   * that says so.
   */
  #evidence(stage: SubSession, who: Party, rounds: readonly string[]): Uint8Array[] {
    const wanted = [...stage.posts.values()].filter(({ round, from, to }) => {
      const shared = to === 0 && stage.posts.has(slot(echoRound(round), who, 0))
      return rounds.some(
        (name) => (round === name && (shared || from === who)) || (round === echoRound(name) && from === who),
      )
    })
    return wanted.sort(byHeader).map((post) => post.bytes)
  }

  #blame(stage: SubSession, who: Party, check: string, messages: readonly Uint8Array[]): BlameError {
    return new BlameError({
      ceremony: this.#options.ceremony,
      attempt: this.#options.attempt,
      session: stage.id,
      protocol: stage.protocol,
      within: stage.within,
      accused: this.#siteOf(stage, who),
      party: who,
      accuser: this.#options.self,
      check,
      messages: messages.map(toBase64),
    })
  }

  #accuse(stage: SubSession, who: Party, check: string, messages: readonly Uint8Array[]): never {
    throw this.#raise(this.#blame(stage, who, check, messages))
  }
}

const cloned = (self: SiteId): QuorateError =>
  new QuorateError(
    'E_SITE_ROLLED_BACK',
    `another process signs for ${self} in this session, under the same key`,
    'this home was cloned or restored while it ran: stop all copies, do not use this home, and tell the other sites',
    { site: self },
  )

const byHeader = (a: SignedMessage, b: SignedMessage): number => Buffer.compare(a.headerBytes, b.headerBytes)

/** Echoes and confirmations only compare the rest: they are not part of what was agreed on. */
export const transcriptOf = (headers: readonly Uint8Array[]): Hash => {
  const own = headers
    .map((bytes) => readStripped(bytes, new Uint8Array(64)))
    .filter(({ round }) => round !== confirmRound && !isEchoRound(round))
  return toHex(tupleHash('quorate transcript v1', ...own.sort(byHeader).map((post) => post.headerBytes))) as Hash
}

/** Another message that the sender signed for the place that `held` has; undefined where the entry shows no such thing. */
export const entryOf = (
  headerBytes: Uint8Array,
  signature: Uint8Array,
  held: Pick<SignedMessage, 'protocol' | 'session' | 'round' | 'from' | 'to'>,
  key: KeyHex,
): SignedMessage | undefined => {
  try {
    const other = readStripped(headerBytes, signature)
    const same =
      other.protocol === held.protocol &&
      equal(other.session, held.session) &&
      other.round === held.round &&
      other.from === held.from &&
      other.to === held.to
    return same && signedBy(other, key) ? other : undefined
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/**
 * The private headers that one party confirms: exactly one for each private round to and from each other party, each
 * signed by its sender. Undefined where the confirmation is anything else, which proves its author's fault.
 */
export const confirmEntries = (
  vector: EchoVector,
  author: Party,
  confirmation: SignedMessage,
  parties: number,
  rounds: readonly string[],
  keyOf: (party: Party) => KeyHex,
): readonly SignedMessage[] | undefined => {
  const wanted = new Set<string>()
  for (const round of rounds)
    for (let other = 1; other <= parties; other++)
      if (other !== author) wanted.add(slot(round, author, other)).add(slot(round, other, author))
  const entries: SignedMessage[] = []
  for (const [headerBytes, signature] of vector) {
    let head: SignedMessage
    try {
      head = readStripped(headerBytes, signature)
    } catch (error) {
      if (error instanceof DecodeError) return undefined
      throw error
    }
    const { protocol, session } = confirmation
    if (!wanted.delete(slot(head.round, head.from, head.to))) return undefined
    const other = entryOf(
      headerBytes,
      signature,
      { protocol, session, round: head.round, from: head.from, to: head.to },
      keyOf(head.from),
    )
    if (other === undefined) return undefined
    entries.push(other)
  }
  return wanted.size === 0 ? entries : undefined
}
