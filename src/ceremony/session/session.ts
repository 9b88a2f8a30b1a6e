import { setMaxListeners } from 'node:events'
import type { Hash, KeyHex, Party, SiteId } from '../../lib/brand.ts'
import { equal, toHex } from '../../lib/bytes.ts'
import type { Broadcasts, Mailbox, Payload, Privates, ProtocolRules, Rounds } from '../../mpc/mailbox.ts'
import { DecodeError } from '../../records/codec.ts'
import { OpenSession, type SessionOptions, type SessionPlace, wipeMessage } from './open-session.ts'
import { readSignedMessage, type SignedMessage, signedBy } from './round-message.ts'
import { confirmRound, echoRound } from './round-spec.ts'
import { broadcastRound, compareEchoes, confirmPrivates, scatterRound } from './rounds.ts'
import { innerName, isWhole, subSession } from './sub-session.ts'
import { byHeader, transcriptOf } from './transcript.ts'

const MOST_EARLY = 256

/** The part of a protocol that a session needs: no more than its rounds and the protocols that it opens inside. */
type Running<R extends Rounds> = Pick<ProtocolRules<R, never>, 'id' | 'rounds'> &
  Partial<Pick<ProtocolRules<R, never>, 'within'>>

/** One attempt's signed rounds over the channels: a mailbox for its protocol and for each sub-session. */
export class Session {
  readonly #options: SessionOptions
  readonly #open = new Map<Hash, OpenSession>()
  readonly #early: { from: SiteId; message: SignedMessage }[] = []
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

  /** For a session that failed: its log is to have all that was signed in it. */
  recordUnconfirmed(): void {
    for (const open of this.#open.values()) open.recordUnconfirmed()
  }

  /** Overwrites what private messages said, sent and received; their headers stay. For the end: nothing is sent after. */
  wipe(): void {
    for (const open of this.#open.values()) open.wipe()
    for (const { message } of this.#early) wipeMessage(message)
  }

  /** Takes what a channel brought under this session's topic. Bytes without a valid signature are nobody's. */
  deliver(from: SiteId, bytes: Uint8Array): void {
    const key = this.#keys.get(from)
    if (key === undefined || this.#end.signal.aborted) return
    let message: SignedMessage
    try {
      message = readSignedMessage(bytes)
    } catch (error) {
      if (error instanceof DecodeError) return
      throw error
    }
    const open = this.#open.get(toHex(message.session) as Hash)
    // Passed on by several, most broadcasts come more than once.
    const known = open?.message(message.round, message.from, message.to)
    if (known !== undefined && equal(known.bytes, message.bytes)) return
    const author = this.#relayedFor(from, message) ?? (signedBy(message, key) ? from : undefined)
    if (author === undefined) return
    if (open !== undefined) open.deliver(author, message)
    else if (this.#early.filter((one) => one.from === author).length < MOST_EARLY)
      this.#early.push({ from: author, message })
  }

  /** The author of a broadcast that another passed on; undefined where it is none. */
  #relayedFor(from: SiteId, message: SignedMessage): SiteId | undefined {
    const author = this.#options.parties[message.from - 1]
    if (author === undefined || author.site === from || message.to !== 0) return undefined
    if (toHex(message.session) !== this.#options.attempt) return undefined
    return signedBy(message, author.key) ? author.site : undefined
  }

  /** True where this site still waits, or would wait, for a broadcast of this one. */
  lacks(site: SiteId): boolean {
    return this.#open.get(this.#options.attempt)?.lacks(site) ?? true
  }

  mailbox<R extends Rounds>(protocol: Running<R>): Mailbox<R> {
    return this.#mailbox<R>(
      {
        id: this.#options.attempt,
        protocol: protocol.id,
        rounds: protocol.rounds,
        sites: this.#options.parties.map(({ site }) => site),
        within: null,
        inTranscript: true,
      },
      protocol,
    )
  }

  /**
   * Resolves when all peers have signed that they hold the same confirmations, and so the same transcript. Their vectors
   * are sent when `confirm` ends: who calls this after the next thing that all say to each other waits for nothing.
   */
  async agree(): Promise<void> {
    const root = this.#open.get(this.#options.attempt)
    if (root === undefined) throw new Error('a session that nobody opened')
    await compareEchoes(root, confirmRound)
  }

  /** Everything that the transcript follows from, as a site signed that it received it: what its outcome is judged by. */
  received(site: SiteId): readonly Uint8Array[] {
    return this.#transcribed().flatMap((open) => {
      const { rounds } = open.place
      const party = open.partyOf(site)
      const shared = [...Object.keys(rounds).filter((name) => rounds[name]?.to === 'all'), confirmRound]
      const seen = ({ round, from }: SignedMessage): boolean =>
        shared.some((one) => round === one || (round === echoRound(one) && from === party))
      return open.messages
        .filter(seen)
        .toSorted(byHeader)
        .map(({ bytes }) => bytes)
    })
  }

  /** SHA-256 over the sorted headers of the protocol's own messages, and of those of the sessions that it declares inside. */
  transcript(): Hash {
    return transcriptOf(this.#transcribed().flatMap(({ messages }) => messages.map(({ headerBytes }) => headerBytes)))
  }

  #transcribed(): readonly OpenSession[] {
    return [...this.#open.values()].filter(({ place }) => place.inTranscript)
  }

  #mailbox<R extends Rounds>(place: SessionPlace, protocol: Running<R>): Mailbox<R> {
    if (this.#open.has(place.id)) throw new Error('session opened twice')
    const open = new OpenSession(place, this.#options, this.#end)
    this.#open.set(place.id, open)
    const early = this.#early.filter(({ message }) => toHex(message.session) === place.id)
    for (const one of early) this.#early.splice(this.#early.indexOf(one), 1)
    for (const { from, message } of early) open.deliver(from, message)
    return {
      self: open.self,
      peers: open.peers,
      session: place.id,
      broadcast: <K extends Broadcasts<R>>(round: K, own: Payload<R, K>) =>
        broadcastRound(open, round, own) as Promise<ReadonlyMap<Party, Payload<R, K>>>,
      scatter: <K extends Privates<R>>(round: K, to: (peer: Party) => Payload<R, K>) =>
        scatterRound(open, round, to) as Promise<ReadonlyMap<Party, Payload<R, K>>>,
      confirm: () => confirmPrivates(open),
      within: (inner, label, parties) => this.#within(place, protocol, inner, label, parties),
      blame: (who, check, rounds) => open.accuse(who, check, open.evidence(who, rounds)),
    }
  }

  #within<S extends Rounds>(
    outer: SessionPlace,
    protocol: Running<Rounds>,
    inner: Running<S>,
    label: string,
    parties: readonly Party[],
  ): Mailbox<S> {
    const name = innerName(outer.within, { protocol: inner.id, label, members: parties.map(Number) })
    const declared = protocol.within?.[inner.id] !== undefined
    return this.#mailbox<S>(
      {
        id: subSession(this.#options.attempt, name),
        protocol: inner.id,
        rounds: inner.rounds,
        sites: name.members.map((member) => this.#options.parties[member - 1]?.site as SiteId),
        within: { label: name.label, members: name.members.map((member) => member as never) },
        inTranscript: outer.inTranscript && declared && isWhole(parties, outer.sites.length),
      },
      inner,
    )
  }
}
