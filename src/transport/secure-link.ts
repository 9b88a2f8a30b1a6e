import type { Hash, SiteId } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { Answers, ECHO_GAP } from './answers.ts'
import type { Channel } from './channel.ts'
import { type ChannelFrame, decodeFrame, encodeFrame, MESSAGE_LIMIT, type Segment } from './channel-frame.ts'
import { CipherState } from './cipher-state.ts'
import type { Counters } from './counters.ts'
import { type Established, ID_LENGTH, type Initiation, initiate, type Other, type Self } from './handshake.ts'
import { type Repeated, Repeater } from './retry.ts'
import { Inbox, Outbox } from './stream.ts'

/** An acknowledgement waits this long for a message to ride on; an answer within a round usually comes sooner. */
const ACK_DELAY = 2
/** Data that is acknowledged at once. */
const ACK_BYTES = 65_536
const HINT_GAP = 100
const SECOND_HANDSHAKE = { first: 250, last: 5000 }
/** After so long without a hint the next one is taken up quickly again. */
const CALM = 60_000
const NO_ID = '00'.repeat(ID_LENGTH)
const NEVER = Number.POSITIVE_INFINITY
const EMPTY = new Uint8Array(0)

interface PeerOptions {
  readonly name: SiteId
  readonly authority: Hash
  readonly self: Self
  readonly other: Other
  /** True where this side begins handshakes. */
  readonly initiator: boolean
  readonly counters: Counters
  /** Monotonic milliseconds. */
  now(): number
  /** `due` may have come nearer. */
  changed(): void
  transmit(frame: Uint8Array): void
  onConnected(channel: Channel): void
  onReplaced(): void
  onMessage(topic: Hash, message: Uint8Array): void
}

/** Reasons in a promise's rejection. */
export const closedError = (peer: SiteId): QuorateError =>
  new QuorateError(
    'E_PEER_SILENT',
    `the channel to ${peer} was closed before ${peer} had the message`,
    `ask ${peer} whether it is running`,
  )
const restartedError = (peer: SiteId): QuorateError =>
  new QuorateError(
    'E_PEER_RESTARTED',
    `${peer} came back as a new process`,
    'nothing to do: the ceremony begins a new attempt',
  )
const fullError = (peer: SiteId): QuorateError =>
  new QuorateError('E_PEER_SILENT', `${peer} takes no more messages`, `ask ${peer} whether it is running`)

/**
 * One peer: handshakes, keys, and the stream of messages. The stream belongs to the two processes and outlives any one
 * handshake between them. Which handshake counts:
 * - The initiator takes an answer only to the one handshake that it has open. Where the answer comes from the process
 *   that it is talking to already, over keys that both have proven, it is dropped: whoever forges a hint gains nothing.
 * - The responder takes message 3 only of a handshake that it answered after the one it uses: older answers are
 *   forgotten when a newer handshake completes. Message 3 needs the answer's ephemeral key, so nothing recorded fits.
 */
export class SecureLink {
  readonly #options: PeerOptions
  #outbox = new Outbox()
  #inbox: Inbox
  #session: CipherState | undefined
  /** True once the newest session was shown to `onConnected`: this side knows that the peer has its keys. */
  #announced = false
  /** True once the peer's process was shown: until then it has acknowledged nothing. */
  #met = false
  #instance: string | undefined
  #ackDue = NEVER
  #ackBytes = 0
  #lastHeard: number | undefined
  #open: { readonly initiation: Initiation; readonly repeat: Repeated } | undefined
  #third: Repeated | undefined
  #call: Repeated | undefined
  readonly #answers: Answers
  readonly #repeater: Repeater
  #hintAllowed = Number.NEGATIVE_INFINITY
  #secondAllowed = Number.NEGATIVE_INFINITY
  #secondGap = SECOND_HANDSHAKE.first

  constructor(options: PeerOptions) {
    this.#options = options
    const now = options.now()
    this.#repeater = new Repeater((frame) => this.#transmit(frame))
    this.#answers = new Answers({ ...options, repeater: this.#repeater }, now)
    this.#inbox = this.#newInbox()
    if (options.initiator) this.#begin(now)
    else this.#call = this.#repeater.first(encodeFrame({ kind: 'unknown', id: NO_ID, body: EMPTY }), now)
  }

  get connected(): boolean {
    return this.#announced
  }

  get idle(): boolean {
    return this.#outbox.queued === 0
  }

  /** For `status`: monotonic milliseconds of the last authentic packet, smoothed round trip, unacknowledged bytes. */
  get state(): { lastHeard: number | undefined; roundTrip: number | undefined; queued: number } {
    return { lastHeard: this.#lastHeard, roundTrip: this.#outbox.roundTrip, queued: this.#outbox.queued }
  }

  /** Keeps the message until the peer has it; sends at once where it can. */
  send(topic: Hash, message: Uint8Array): Promise<void> {
    if (message.length > MESSAGE_LIMIT) return Promise.reject(new RangeError(`message of ${message.length} bytes`))
    const done = this.#outbox.enqueue(topic, message)
    if (done === undefined) return Promise.reject(fullError(this.#options.name))
    this.#pump(this.#options.now())
    this.#options.changed()
    return done
  }

  receive(bytes: Uint8Array): void {
    const { counters, initiator } = this.#options
    const now = this.#options.now()
    counters.received += 1
    const frame = decodeFrame(bytes)
    if (frame === undefined) {
      counters.malformed += 1
      return
    }
    if (frame.kind === 'sealed') this.#onSealed(frame, now)
    else if (frame.kind === 'first' && !initiator) this.#answers.onFirst(frame, now)
    else if (frame.kind === 'third' && !initiator) this.#onThird(frame, now)
    else if (frame.kind === 'second' && initiator) this.#onSecond(frame, now)
    else if (frame.kind === 'unknown' && initiator) this.#onHint(frame.id, now)
    else counters.old += 1
    this.#options.changed()
  }

  /** Sends whatever is due. */
  tick(): void {
    const now = this.#options.now()
    for (const repeat of [this.#open?.repeat, this.#third, this.#call]) {
      if (repeat === undefined || repeat.due > now) continue
      this.#options.counters.resent += 1
      this.#repeater.again(repeat, now)
    }
    if (this.#session === undefined) return
    for (const segment of this.#outbox.overdue(now)) {
      this.#options.counters.resent += 1
      this.#sendSealed(segment)
    }
    if (this.#ackDue <= now) this.#sendSealed(undefined)
  }

  /** Everything not answered is due at once: the wire was closed and is open. */
  retransmitNow(): void {
    const now = this.#options.now()
    for (const repeat of [this.#open?.repeat, this.#third, this.#call]) {
      if (repeat === undefined) continue
      repeat.sends = 0
      repeat.due = now
    }
    this.#outbox.retransmitNow(now)
    this.#options.changed()
  }

  /** When `tick` has something next. */
  due(): number {
    const repeats = Math.min(this.#open?.repeat.due ?? NEVER, this.#third?.due ?? NEVER, this.#call?.due ?? NEVER)
    return this.#session === undefined ? repeats : Math.min(repeats, this.#ackDue, this.#outbox.due())
  }

  close(): void {
    // This end acknowledges all it has before it goes: else the peer waits for an acknowledgement that nobody will send.
    if (this.#session !== undefined && this.#ackDue !== NEVER) this.#sendSealed(undefined)
    this.#outbox.fail(closedError(this.#options.name))
    this.#session?.wipe()
    this.#session = undefined
    this.#announced = false
    this.#open = undefined
    this.#third = undefined
    this.#call = undefined
    this.#answers.clear()
  }

  #newInbox(): Inbox {
    return new Inbox(({ topic, message }) => this.#options.onMessage(topic, message))
  }

  #transmit(frame: Uint8Array): void {
    this.#options.counters.sent += 1
    this.#options.transmit(frame)
  }

  #begin(now: number): void {
    const { authority, self, other } = this.#options
    const initiation = initiate(authority, self, other)
    const frame = encodeFrame({ kind: 'first', id: initiation.id, body: initiation.first })
    this.#open = { initiation, repeat: this.#repeater.first(frame, now) }
    this.#secondAllowed = now + this.#secondGap
    this.#secondGap = Math.min(SECOND_HANDSHAKE.last, 2 * this.#secondGap)
  }

  #onSecond({ id, body }: ChannelFrame, now: number): void {
    const { counters } = this.#options
    const open = this.#open
    if (open?.initiation.id !== id) {
      counters.old += 1
      return
    }
    const finished = open.initiation.finish(body)
    if (typeof finished === 'string') {
      counters[finished] += 1
      return
    }
    this.#open = undefined
    const { third, established } = finished
    if (this.#session?.confirmed === true && this.#instance === established.instance) {
      counters.needless += 1
      return
    }
    this.#third = this.#repeater.first(encodeFrame({ kind: 'third', id, body: third }), now)
    this.#install(established, now)
    this.#pump(now)
  }

  #onThird({ id, body }: ChannelFrame, now: number): void {
    const { counters } = this.#options
    if (this.#session?.id === id) {
      counters.duplicates += 1
      this.#ackDue = Math.min(this.#ackDue, now + ACK_DELAY)
      return
    }
    const established = this.#answers.complete(id, body)
    if (typeof established === 'string') {
      counters[established] += 1
      this.#hint(id, now)
      return
    }
    this.#call = undefined
    this.#install(established, now)
    this.#announce()
    this.#pump(now)
    // The initiator repeats message 3 until it hears something sealed.
    if (this.#outbox.due() === NEVER) this.#sendSealed(undefined)
  }

  #install(established: Established, now: number): void {
    const { counters, name } = this.#options
    counters.handshakes += 1
    const same = this.#instance === established.instance
    this.#session?.wipe()
    this.#session = new CipherState(established)
    this.#instance = established.instance
    this.#announced = false
    this.#ackDue = NEVER
    this.#ackBytes = 0
    if (same) this.#outbox.retransmitNow(now)
    else if (this.#met) {
      counters.replaced += 1
      this.#outbox.fail(restartedError(name))
      this.#outbox = new Outbox()
      this.#inbox = this.#newInbox()
      this.#secondGap = SECOND_HANDSHAKE.first
      this.#met = false
      this.#options.onReplaced()
    } else this.#outbox.restart()
  }

  #announce(): void {
    const session = this.#session
    if (session === undefined) return
    this.#announced = true
    this.#met = true
    const { name, onConnected } = this.#options
    const { binding, instance } = session
    onConnected({
      peer: name,
      binding,
      send: (topic, message) =>
        this.#instance === instance ? this.send(topic, message) : Promise.reject(restartedError(name)),
    })
  }

  #onSealed({ id, body }: ChannelFrame, now: number): void {
    const { counters, initiator } = this.#options
    const session = this.#session
    if (session?.id !== id) {
      counters.unknown += 1
      if (!initiator && !this.#answers.has(id)) this.#hint(id, now)
      return
    }
    const content = session.open(body)
    if (typeof content === 'string') {
      counters[content] += 1
      return
    }
    this.#lastHeard = now
    if (initiator && !this.#announced) {
      this.#third = undefined
      this.#announce()
    }
    if (!this.#outbox.acknowledge(content.ack, now)) counters.malformed += 1
    if (content.segment !== undefined) this.#onSegment(content.segment, now)
    this.#pump(now)
    if (this.#ackBytes >= ACK_BYTES) this.#sendSealed(undefined)
  }

  #onSegment(segment: Segment, now: number): void {
    const { counters } = this.#options
    this.#ackDue = Math.min(this.#ackDue, now + ACK_DELAY)
    this.#ackBytes += segment.data.length
    const arrival = this.#inbox.accept(segment)
    if (arrival === 'duplicate') counters.duplicates += 1
    else if (arrival !== 'new') counters[arrival] += 1
  }

  /** The responder cannot read what comes under `id`: the initiator may want to begin anew. */
  #hint(id: string, now: number): void {
    if (now < this.#hintAllowed) return
    this.#hintAllowed = now + HINT_GAP
    this.#transmit(encodeFrame({ kind: 'unknown', id, body: EMPTY }))
  }

  /** Anybody can send a hint: it costs a handshake now and then, never the session. */
  #onHint(id: string, now: number): void {
    if (this.#open !== undefined) {
      if (now - this.#open.repeat.last >= ECHO_GAP) this.#repeater.again(this.#open.repeat, now)
      return
    }
    if (id !== NO_ID && id !== this.#session?.id) this.#options.counters.old += 1
    else if (now >= this.#secondAllowed) {
      if (now >= this.#secondAllowed + CALM) this.#secondGap = SECOND_HANDSHAKE.first
      this.#begin(now)
    }
  }

  #pump(now: number): void {
    if (this.#session === undefined) return
    for (let segment = this.#outbox.next(now); segment !== undefined; segment = this.#outbox.next(now))
      this.#sendSealed(segment)
  }

  #sendSealed(segment: Segment | undefined): void {
    if (this.#session === undefined) return
    this.#ackDue = NEVER
    this.#ackBytes = 0
    this.#transmit(this.#session.seal({ ack: this.#inbox.ack(), segment }))
  }
}
