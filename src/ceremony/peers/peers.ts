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
import { Bodies } from './bodies.ts'
import { CloseMessages } from './close-messages.ts'
import { Deliveries } from './deliveries.ts'
import { EarlyMessages } from './early-messages.ts'
import { LedgerExchange, type Peer, peersOf } from './ledger-exchange.ts'
import { MOST_HASHES, type PeerMessage, peerMessageCodec } from './peer-message.ts'
import { RecordExchange } from './record-exchange.ts'

/** The channels of one join and all that is said over them outside a session. */
export class Peers {
  readonly #ceremony: Ceremony
  readonly #wire: Wire & NoteBoard
  readonly bySite: ReadonlyMap<SiteId, Peer>
  #channels: Channels | undefined
  #session: { readonly topic: Hash; readonly session: Session } | undefined
  readonly #early = new EarlyMessages()
  readonly closeMessages = new CloseMessages()
  readonly bodies = new Bodies()
  readonly #closing = new AbortController()
  readonly #deliveries: Deliveries
  readonly #admitted: (admitted: Admitted, from: SiteId) => void
  readonly ledgers: LedgerExchange
  readonly records: RecordExchange
  #encoded: { readonly message: PeerMessage; readonly bytes: Uint8Array } | undefined

  constructor(ceremony: Ceremony, wire: Wire & NoteBoard, onAdmitted: (admitted: Admitted, from: SiteId) => void) {
    this.#ceremony = ceremony
    this.#wire = wire
    this.#admitted = onAdmitted
    this.bySite = peersOf(ceremony)
    this.#deliveries = new Deliveries(ceremony.site.machine.clock)
    this.ledgers = new LedgerExchange(ceremony, this.bySite, (to, message) => this.send(to, message))
    this.records = new RecordExchange(this.bySite.keys(), {
      clock: ceremony.site.machine.clock,
      over: this.#closing.signal,
      send: (to, message) => this.send(to, message),
      handle: (from, message) => this.#handleSafely(from, message),
      find: (hash) => ceremony.store.find(hash),
      roundTrip: (site) => this.#channels?.status().get(site)?.roundTrip ?? 0,
    })
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
    if (message.is === 'object') this.records.sending(to, message)
    // Said to all, it is written once.
    const bytes = this.#encoded?.message === message ? this.#encoded.bytes : peerMessageCodec.encode(message)
    this.#encoded = { message, bytes }
    this.#send(to, this.#ceremony.authority.hash, bytes)
  }

  broadcast(message: PeerMessage): void {
    for (const peer of this.bySite.values()) if (peer.connected) this.send(peer.member.name, message)
  }

  postNote(note: Uint8Array): void {
    this.#wire.post(note)
  }

  /** Session messages of this topic go to this session from now on, those that came early first. */
  attachSession(topic: Hash, session: Session): void {
    this.#session = { topic, session }
    for (const { from, message } of this.#early.take(topic)) session.deliver(from, message)
    this.#leftAttempt()
  }

  detachSession(): void {
    this.#session = undefined
  }

  sendInSession(topic: Hash, to: SiteId, message: Uint8Array): void {
    this.#send(to, topic, message)
  }

  #send(to: SiteId, topic: Hash, message: Uint8Array): void {
    const sent = this.#channels?.send(to, topic, message)
    if (sent === undefined) return
    this.#deliveries.add(to, sent, this.#ceremony.authority.terms.deadlines.proposal * 1000, (late) => {
      // A site that is here again may be proposed again.
      if (late || this.bySite.get(to)?.connected !== true) this.#ceremony.store.changed()
    })
  }

  /** Connected, and nothing that was sent to it waits longer than a proposal deadline to be acknowledged. */
  isHere(name: SiteId): boolean {
    const { proposal } = this.#ceremony.authority.terms.deadlines
    return this.bySite.get(name)?.connected === true && !this.#deliveries.isLate(name, proposal * 1000)
  }

  /** Waits until everything said has reached its peer's end, at most `ms`. */
  flush(ms: number): Promise<void> {
    return this.#deliveries.flush(ms)
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
    this.records.connected(name)
    this.bodies.connected(name)
    this.send(name, { is: 'clock', at: site.machine.clock.now() })
    for (const certificate of [...Object.values(site.home.certificates), keys.message.certificate])
      this.send(name, { is: 'object', name: 'certificate', bytes: toEnvelope(certificate) })
    this.send(name, { is: 'remember', note: utf8(this.ledgers.newest(peer)?.note ?? '') })
    for (const { name: what, bytes, author } of store.all()) {
      if (author !== seat.name) this.records.offer(name, hashOf(bytes))
      else if (!this.records.isAt(name, hashOf(bytes))) this.send(name, { is: 'object', name: what, bytes })
    }
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
      else this.#early.keep({ topic, from, message })
      return
    }
    try {
      this.records.receive(from, peerMessageCodec.decode(message))
    } catch (error) {
      if (!(error instanceof DecodeError)) this.#ceremony.fail(error)
    }
  }

  /** Bytes that do not decode or verify accuse nobody: it is as if they had not come. */
  #handleSafely(from: SiteId, message: PeerMessage): boolean {
    try {
      this.#handle(from, message)
      return true
    } catch (error) {
      if (!(error instanceof DecodeError)) this.#ceremony.fail(error)
      return false
    }
  }

  #handle(from: SiteId, message: PeerMessage): void {
    switch (message.is) {
      case 'object': {
        const admitted = this.#take(message, from)
        if (admitted === undefined) return
        if (recordTable[message.name].forwarded) this.offer(hashOf(message.bytes), [from, admitted.site])
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
          const body = this.#ceremony.log.body(toHex(raw) as Hash) ?? this.bodies.held.get(toHex(raw) as Hash)
          if (body !== undefined) this.send(from, { is: 'body', bytes: body })
        }
        return
      case 'body':
        if (this.bodies.take(from, message.bytes)) this.#ceremony.store.changed()
        return
      case 'have':
      case 'ask':
      case 'gone':
        return
      default: {
        if (message.is === 'cosignature' && this.#ceremony.authority.member(message.of) === undefined) return
        this.closeMessages.add({ from, message })
        this.#ceremony.store.changed()
      }
    }
  }

  /** Tells the others of a record that this site holds, but those that have it for sure. */
  offer(hash: Hash, but: readonly (SiteId | null)[]): void {
    for (const { connected, member } of this.bySite.values())
      if (connected && !but.includes(member.name)) this.records.offer(member.name, hash)
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
    const fresh = this.bodies.toAsk(from, hashes)
    for (let at = 0; at < fresh.length; at += MOST_HASHES)
      this.send(from, { is: 'want', objects: fresh.slice(at, at + MOST_HASHES).map(fromHex) })
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
