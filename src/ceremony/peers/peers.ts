import { readCertificate } from '../../identity/certificate.ts'
import { toEnvelope } from '../../identity/dsse.ts'
import type { Hash, KeyHex, SiteId } from '../../lib/brand.ts'
import { fromHex, toHex, utf8 } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Hello } from '../../records/attempt.ts'
import { DecodeError } from '../../records/codec.ts'
import { recordTable } from '../../records/record-table.ts'
import { recordHash } from '../../records/signed.ts'
import { type Channels, openChannels } from '../../transport/channels.ts'
import type { NoteBoard, PostedNote, Wire } from '../../transport/wire.ts'
import { hedged } from '../hedge.ts'
import type { Session } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { hasLeft } from '../store/left-attempt.ts'
import type { Admitted } from '../store/record-store.ts'
import { LedgerExchange, type Peer, peersOf } from './ledger-exchange.ts'
import { type PeerMessage, peerMessageCodec } from './peer-message.ts'

const MOST_EARLY_BYTES = 4 * 2 ** 20
/** Of one peer. A session's own messages are far fewer before it begins here. */
const MOST_EARLY = 1024
/** Bodies asked for in one message: as many as its form holds. */
const MOST_WANTED = 4096
/** Taken from one peer at the end: many times what the log of a whole ceremony of 32 sites names. */
const MOST_BODY_BYTES = 64 * 2 ** 20

export type CloseMessage = Extract<PeerMessage, { is: 'log' | 'cosignature' | 'manifest' }>

/** The channels of one join and all that is said over them outside a session. */
export class Peers {
  readonly #ceremony: Ceremony
  readonly #wire: Wire & NoteBoard
  readonly bySite: ReadonlyMap<SiteId, Peer>
  #channels: Channels | undefined
  #session: { readonly topic: Hash; readonly session: Session } | undefined
  readonly #early: { readonly topic: Hash; readonly from: SiteId; readonly message: Uint8Array }[] = []
  /** Closing messages of peers, the newest of each, before this site closes too. */
  readonly closeMessages: { readonly from: SiteId; readonly message: CloseMessage }[] = []
  /** Bodies asked of peers, by hash. */
  readonly bodies = new Map<Hash, Uint8Array>()
  readonly wanted = new Set<Hash>()
  readonly #bodyBytes = new Map<SiteId, number>()
  readonly #closing = new AbortController()
  /** Messages that their peer has not acknowledged, by peer, in the order in which they were sent, with their times. */
  readonly #sending = new Map<SiteId, Map<Promise<void>, number>>()
  readonly #admitted: (admitted: Admitted, from: SiteId) => void
  readonly ledgers: LedgerExchange

  constructor(ceremony: Ceremony, wire: Wire & NoteBoard, onAdmitted: (admitted: Admitted, from: SiteId) => void) {
    this.#ceremony = ceremony
    this.#wire = wire
    this.#admitted = onAdmitted
    this.bySite = peersOf(ceremony)
    this.ledgers = new LedgerExchange(ceremony, this.bySite, (to, message) => this.send(to, message))
  }

  open(): void {
    const { authority, seat, keys, site } = this.#ceremony
    this.#channels = openChannels({
      wire: this.#wire,
      self: seat.name,
      identity: seat.identity,
      authority: authority.hash,
      peers: new Map([...this.bySite].map(([name, { member }]) => [name, member.identity])),
      staticKey: keys.channel.secret,
      certificate: toEnvelope(keys.channel.certificate),
      verifyCertificate: (peer, certificate, staticKey) => this.#verifyCertificate(peer, certificate, staticKey),
      clock: site.machine.clock,
      random: hedged(site, authority.hash, 'channels'),
      onConnected: (channel) => this.#connected(channel.peer),
      onMessage: (from, topic, message) => this.#message(from, topic, message),
    })
    this.#ceremony.attach((name, bytes) => this.broadcast({ is: 'object', name, bytes }))
    void this.#readNotes()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#channels?.close()
    await this.#wire.close()
  }

  send(to: SiteId, message: PeerMessage): void {
    this.#send(to, this.#ceremony.authority.hash, peerMessageCodec.encode(message))
  }

  broadcast(message: PeerMessage): void {
    const bytes = peerMessageCodec.encode(message)
    for (const { connected, member } of this.bySite.values())
      if (connected) this.#send(member.name, this.#ceremony.authority.hash, bytes)
  }

  postNote(note: Uint8Array): void {
    this.#wire.post(note)
  }

  /** Session messages of this topic go to this session from now on, those that came early first. */
  attachSession(topic: Hash, session: Session): void {
    this.#session = { topic, session }
    const mine = this.#early.filter((one) => one.topic === topic)
    this.#early.length = 0
    for (const { from, message } of mine) session.deliver(from, message)
    this.#leftAttempt()
  }

  detachSession(): void {
    this.#session = undefined
  }

  sendInSession(topic: Hash, to: SiteId, message: Uint8Array): void {
    this.#send(to, topic, message)
  }

  #send(to: SiteId, topic: Hash, message: Uint8Array): void {
    // A channel that is replaced or closed loses what it had not delivered; everything of weight is said again on connecting.
    const sending = this.#channels?.send(to, topic, message).catch(() => undefined)
    if (sending === undefined) return
    const waiting = this.#sending.get(to) ?? new Map<Promise<void>, number>()
    this.#sending.set(to, waiting)
    waiting.set(sending, this.#ceremony.site.machine.clock.monotonic())
    void sending.then(() => {
      const late = !this.isHere(to)
      waiting.delete(sending)
      // A site that is here again may be proposed again.
      if (late) this.#ceremony.store.changed()
    })
  }

  /** Connected, and nothing that was sent to it waits longer than a proposal deadline to be acknowledged. */
  isHere(name: SiteId): boolean {
    if (this.bySite.get(name)?.connected !== true) return false
    const { clock } = this.#ceremony.site.machine
    const [oldest] = this.#sending.get(name)?.values() ?? []
    return (
      oldest === undefined || clock.monotonic() - oldest <= this.#ceremony.authority.terms.deadlines.proposal * 1000
    )
  }

  /** Waits until everything said has reached its peer's end, at most `ms`. */
  async flush(ms: number): Promise<void> {
    const timer = new AbortController()
    const late = this.#ceremony.site.machine.clock.sleep(ms, timer.signal).catch(() => undefined)
    await Promise.race([Promise.all([...this.#sending.values()].flatMap((waiting) => [...waiting.keys()])), late])
    timer.abort()
  }

  #verifyCertificate(peer: SiteId, certificate: Uint8Array, staticKey: KeyHex): boolean {
    const member = this.#ceremony.authority.member(peer)
    if (member === undefined) return false
    try {
      return (
        readCertificate(certificate, member.identity, 'channel', this.#ceremony.authority.hash).value.key === staticKey
      )
    } catch (error) {
      if (error instanceof DecodeError) return false
      throw error
    }
  }

  #connected(name: SiteId): void {
    const peer = this.bySite.get(name)
    if (peer === undefined) return
    const { store, site, keys, seat } = this.#ceremony
    peer.connected = true
    peer.shown = undefined
    peer.asked = undefined
    this.send(name, { is: 'clock', at: site.machine.clock.now() })
    for (const certificate of [...Object.values(site.home.certificates), keys.message.certificate])
      this.send(name, { is: 'object', name: 'certificate', bytes: toEnvelope(certificate) })
    this.send(name, { is: 'remember', note: utf8(this.ledgers.newest(peer)?.note ?? '') })
    for (const { name: what, bytes } of store.all()) this.send(name, { is: 'object', name: what, bytes })
    const hello = store.hellos.get(seat.name)
    if (hello !== undefined) this.send(name, { is: 'object', name: 'hello', bytes: hello.envelope })
    this.#onConnected(name)
    store.changed()
  }

  #onConnected: (name: SiteId) => void = () => undefined
  /** Called on each new channel, after everything that the book holds was sent. */
  whenConnected(act: (name: SiteId) => void): void {
    this.#onConnected = act
    for (const peer of this.bySite.values()) if (peer.connected) act(peer.member.name)
  }

  #message(from: SiteId, topic: Hash, message: Uint8Array): void {
    if (topic !== this.#ceremony.authority.hash) {
      if (this.#session?.topic === topic) this.#session.session.deliver(from, message)
      else this.#keepEarly(topic, from, message)
      return
    }
    try {
      this.#handle(from, peerMessageCodec.decode(message))
    } catch (error) {
      // Bytes that do not decode or verify accuse nobody: it is as if they had not come.
      if (!(error instanceof DecodeError)) this.#ceremony.fail(error)
    }
  }

  /** A peer that has all signatures may begin before this site has: its messages wait, within bounds. */
  #keepEarly(topic: Hash, from: SiteId, message: Uint8Array): void {
    const waiting = this.#early.filter((one) => one.from === from)
    const kept = waiting.reduce((sum, one) => sum + one.message.length, 0)
    if (waiting.length < MOST_EARLY && kept + message.length <= MOST_EARLY_BYTES)
      this.#early.push({ topic, from, message })
  }

  #handle(from: SiteId, message: PeerMessage): void {
    switch (message.is) {
      case 'object': {
        const admitted = this.#take(message, from)
        if (admitted === undefined) return
        if (recordTable[message.name].forwarded)
          for (const peer of this.bySite.values())
            if (peer.connected && peer.member.name !== from) this.send(peer.member.name, message)
        if (message.name === 'hello' || message.name === 'attempt') this.#leftAttempt()
        this.#admitted(admitted, from)
        return
      }
      case 'clock': {
        const peer = this.bySite.get(from)
        if (peer !== undefined) peer.ahead = message.at - this.#ceremony.site.machine.clock.now()
        this.#ceremony.store.changed()
        return
      }
      case 'remember':
        this.ledgers.remembered(from, message.note)
        return
      case 'ledger':
        this.ledgers.shown(from, message)
        return
      case 'want':
        for (const raw of message.objects) {
          const body = this.#ceremony.log.body(toHex(raw) as Hash) ?? this.bodies.get(toHex(raw) as Hash)
          if (body !== undefined) this.send(from, { is: 'body', bytes: body })
        }
        return
      case 'body':
        this.#body(from, message.bytes)
        return
      default: {
        const same = this.closeMessages.findIndex(
          (one) =>
            one.from === from &&
            one.message.is === message.is &&
            (message.is !== 'cosignature' || (one.message.is === 'cosignature' && one.message.of === message.of)),
        )
        // One place for each peer and each thing that it can say: nobody takes the place of another.
        if (message.is === 'cosignature' && this.#ceremony.authority.member(message.of) === undefined) return
        if (same >= 0) this.closeMessages.splice(same, 1)
        this.closeMessages.push({ from, message })
        this.#ceremony.store.changed()
      }
    }
  }

  #take({ name, bytes }: Extract<PeerMessage, { is: 'object' }>, from: SiteId): Admitted | undefined {
    try {
      return this.#ceremony.take(name, bytes, from)
    } catch (error) {
      if (error instanceof DecodeError) this.#ceremony.store.refused(bytes)
      throw error
    }
  }

  /** Asks a peer for bodies that its log names. */
  want(from: SiteId, hashes: readonly Hash[]): void {
    for (const hash of hashes) this.wanted.add(hash)
    for (let at = 0; at < hashes.length; at += MOST_WANTED)
      this.send(from, { is: 'want', objects: hashes.slice(at, at + MOST_WANTED).map(fromHex) })
  }

  #body(from: SiteId, bytes: Uint8Array): void {
    const hash = hashOf(bytes)
    const taken = (this.#bodyBytes.get(from) ?? 0) + bytes.length
    if (taken > MOST_BODY_BYTES || !this.wanted.delete(hash)) return
    this.#bodyBytes.set(from, taken)
    this.bodies.set(hash, bytes)
    this.#ceremony.store.changed()
  }

  /**
   * A site that greets anew has lost its session, or never began it, for want of a signature that others had. So has this
   * site, where nobody can do without the other. Where seats are chosen, the coordinator needs of the others only what
   * they signed, and the others follow the coordinator.
   */
  #leftAttempt(): void {
    const running = this.#session
    const { store, authority, seat } = this.#ceremony
    const attempt = running && store.attempts.get(running.topic)
    if (running === undefined || attempt === undefined) return
    const { coordinator, participants } = attempt.value
    const isNeeded = (site: SiteId): boolean => {
      if (authority.fixed) return true
      return coordinator === seat.name ? running.session.lacks(site) : coordinator === site
    }
    const gone = participants.find(({ site }) => site !== seat.name && hasLeft(store, attempt, site) && isNeeded(site))
    if (gone === undefined) return
    const restarted = store.hellos.get(gone.site)?.signed.key !== gone.key
    running.session.fail(
      new QuorateError(
        'E_PEER_RESTARTED',
        restarted ? `${gone.site} came back in the middle of the attempt` : `${gone.site} gave this attempt up`,
        'the next attempt begins by itself',
        { site: gone.site },
      ),
    )
  }

  async #readNotes(): Promise<void> {
    for await (const posted of this.#wire.notes())
      try {
        this.#onNote(posted)
      } catch (error) {
        this.#ceremony.fail(error)
      }
  }

  #onNote: (posted: PostedNote) => void = () => undefined
  whenNoted(act: (posted: PostedNote) => void): void {
    this.#onNote = act
  }

  /** Called whenever something new is known of peers or records. */
  whenChanged(act: () => undefined): void {
    void this.#ceremony.store.until(act, 2 ** 31 - 1, this.#closing.signal).catch(() => undefined)
  }

  /** Ends a running session in which this site sits. */
  failSession(error: Error, site: SiteId): void {
    const attempt = this.#session && this.#ceremony.store.attempts.get(this.#session.topic)
    if (attempt?.value.participants.some((one) => one.site === site)) this.#session?.session.fail(error)
  }

  /** A peer's newest hello and its hash. */
  hello(name: SiteId): { readonly hash: Hash; readonly value: Hello } | undefined {
    const held = this.#ceremony.store.hellos.get(name)
    return held === undefined ? undefined : { hash: recordHash(held.signed), value: held.signed.value }
  }
}
