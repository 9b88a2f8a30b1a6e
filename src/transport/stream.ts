import type { Hash } from '../lib/brand.ts'
import { joined } from '../lib/bytes.ts'
import { ACK_BITS, type Ack, SEGMENT_DATA, type Segment } from './channel-frame.ts'

/** Reliable, ordered messages between two processes, as a pure state machine: segments and acknowledgements in, the same out. */

/** Data bytes sent and not acknowledged. */
const IN_FLIGHT = 262_144
/** Message bytes accepted and not acknowledged; beyond it `enqueue` refuses. */
const QUEUE_LIMIT = 16_777_216
/** Cost of an accepted message beside its bytes. */
const OVERHEAD = 512
/** Most bytes held out of order; an honest sender never has more in flight. */
const HELD = 2 * IN_FLIGHT
const FIRST_RETRY = 50
const LAST_RETRY = 2000
const GROWTH = 1.5
/** Most data sent again at one time: what else is late follows a little later. */
const BURST = SEGMENT_DATA
/** A peer may have been slow, or away: more is not waited for its sake. */
const LONGEST_AWAY = 10_000

interface Message {
  readonly topic: Hash
  readonly bytes: Uint8Array
  resolve(): void
  reject(reason: Error): void
}

interface Sent {
  readonly segment: Segment
  /** Set with a message's last segment. */
  readonly message: Message | undefined
  readonly firstSent: number
  sends: number
  due: number
  arrived: boolean
}

export interface Delivery {
  readonly topic: Hash
  readonly message: Uint8Array
}

export class Outbox {
  #waiting: Message[] = []
  #offset = 0
  #number = 0
  #sent = new Map<number, Sent>()
  #inFlight = 0
  #queued = 0
  #roundTrip: number | undefined
  /** How far its samples lie from it, smoothed. */
  #spread = 0
  /** The last answer to what had been sent several times, since the last one to what was sent once. */
  #slow: number | undefined
  /** Times that something was late since the last round trip that was measured: the link, or its peer, has too much to do. */
  #late = 0

  /** Message bytes accepted and not acknowledged, with overhead. */
  get queued(): number {
    return this.#queued
  }

  /** Smoothed, in milliseconds; undefined before the first measure. */
  get roundTrip(): number | undefined {
    return this.#roundTrip ?? this.#slow
  }

  /** Resolves when all of it is acknowledged; undefined where the queue is full. */
  enqueue(topic: Hash, bytes: Uint8Array): Promise<void> | undefined {
    if (this.#queued + bytes.length + OVERHEAD > QUEUE_LIMIT) return undefined
    this.#queued += bytes.length + OVERHEAD
    const done = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ topic, bytes: new Uint8Array(bytes), resolve, reject })
    })
    // Whoever does not wait for the end must not be a fault when the channel ends.
    done.catch(() => {})
    return done
  }

  /** The next segment to be sent for the first time; undefined where there is none or the window is full. */
  next(now: number): Segment | undefined {
    const message = this.#waiting[0]
    if (message === undefined || this.#sent.size >= ACK_BITS || this.#inFlight >= IN_FLIGHT) return undefined
    const data = message.bytes.subarray(this.#offset, this.#offset + SEGMENT_DATA)
    const head = this.#offset === 0 ? { topic: message.topic, total: message.bytes.length } : undefined
    const last = this.#offset + data.length === message.bytes.length
    const segment = { number: this.#number, head, last, data }
    this.#sent.set(segment.number, {
      segment,
      message: last ? message : undefined,
      firstSent: now,
      sends: 1,
      due: now + this.#retry(),
      arrived: false,
    })
    this.#number += 1
    this.#inFlight += data.length
    this.#offset = last ? 0 : this.#offset + data.length
    if (last) this.#waiting.shift()
    return segment
  }

  /** Segments whose time to be sent again has come, oldest first. Each time that there are some, all wait longer. */
  overdue(now: number): readonly Segment[] {
    const late = [...this.#sent.values()].filter((sent) => !sent.arrived && sent.due <= now)
    if (late.length > 0) this.#late += 1
    const out: Segment[] = []
    let bytes = 0
    for (const sent of late) {
      bytes += sent.segment.data.length
      if (out.length > 0 && bytes > BURST) sent.due = now + FIRST_RETRY
      else {
        sent.sends += 1
        sent.due = now + this.#retry()
        out.push(sent.segment)
      }
    }
    return out
  }

  /** When `overdue` has something next. */
  due(): number {
    let due = Number.POSITIVE_INFINITY
    for (const sent of this.#sent.values()) if (!sent.arrived) due = Math.min(due, sent.due)
    return due
  }

  /** All that is in flight is due at once: keys or wire are new. */
  retransmitNow(now: number): void {
    this.#late = 0
    for (const sent of this.#sent.values()) {
      sent.due = now
      sent.sends = 1
    }
  }

  /** Everything again from the first segment, to a process that has read nothing yet. Only where nothing was acknowledged. */
  restart(): void {
    const sent = [...this.#sent.values()].flatMap(({ message }) => (message === undefined ? [] : [message]))
    this.#waiting = [...sent, ...this.#waiting]
    this.#sent.clear()
    this.#offset = 0
    this.#number = 0
    this.#inFlight = 0
  }

  /** False where the acknowledgement names what was never sent. */
  acknowledge(ack: Ack, now: number): boolean {
    if (ack.next > this.#number) return false
    for (const [number, sent] of this.#sent) {
      const bit = number - ack.next - 1
      const named = bit >= 0 && ((ack.bits[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0
      if (number >= ack.next && !named) continue
      if (!sent.arrived) {
        sent.arrived = true
        this.#inFlight -= sent.segment.data.length
        const took = now - sent.firstSent
        // Karn: what was sent twice measures nothing; but what takes longer than any wait is never sent once.
        if (sent.sends === 1) this.#measure(took, now)
        else if (took > LAST_RETRY) {
          this.#late = 0
          this.#slow = Math.min(took, LONGEST_AWAY / 2)
        }
      }
      if (number >= ack.next) continue
      this.#sent.delete(number)
      if (sent.message !== undefined) {
        this.#queued -= sent.message.bytes.length + OVERHEAD
        sent.message.resolve()
      }
    }
    return true
  }

  /** Rejects everything not acknowledged. */
  fail(reason: Error): void {
    for (const { message } of this.#sent.values()) message?.reject(reason)
    for (const message of this.#waiting) message.reject(reason)
    this.#sent.clear()
    this.#waiting = []
    this.#queued = 0
    this.#inFlight = 0
  }

  /** Backs off until a round trip was measured again, and is never shorter than what the last ones took. */
  #retry(): number {
    const usual = Math.max(2 * (this.#roundTrip ?? 0) + 4 * this.#spread, 2 * (this.#slow ?? 0))
    return Math.min(Math.max(LAST_RETRY, usual), Math.max(FIRST_RETRY, usual) * GROWTH ** Math.min(this.#late, 20))
  }

  /** As RFC 6298 does. All in flight then waits no longer than anything new: since it was sent, the peer was slower, or away. */
  #measure(sample: number, now: number): void {
    this.#late = 0
    this.#slow = undefined
    this.#spread =
      this.#roundTrip === undefined ? sample / 2 : 0.75 * this.#spread + 0.25 * Math.abs(this.#roundTrip - sample)
    this.#roundTrip = this.#roundTrip === undefined ? sample : 0.875 * this.#roundTrip + 0.125 * sample
    const latest = now + this.#retry()
    for (const sent of this.#sent.values()) sent.due = Math.min(sent.due, latest)
  }
}

type Arrival = 'new' | 'duplicate' | 'beyond' | 'malformed'

export class Inbox {
  #next = 0
  #held = new Map<number, Segment>()
  #heldBytes = 0
  #head: { readonly topic: Hash; readonly total: number } | undefined
  #parts: Uint8Array[] = []
  #partBytes = 0
  readonly #deliver: (delivery: Delivery) => void

  constructor(deliver: (delivery: Delivery) => void) {
    this.#deliver = deliver
  }

  accept(segment: Segment): Arrival {
    const { number } = segment
    if (number < this.#next || this.#held.has(number)) return 'duplicate'
    if (number > this.#next) {
      if (number > this.#next + ACK_BITS || this.#heldBytes + segment.data.length > HELD) return 'beyond'
      this.#held.set(number, segment)
      this.#heldBytes += segment.data.length
      return 'new'
    }
    let arrival: Arrival = 'new'
    for (let at: Segment | undefined = segment; at !== undefined; at = this.#held.get(this.#next)) {
      if (this.#held.delete(at.number)) this.#heldBytes -= at.data.length
      this.#next += 1
      if (!this.#append(at)) arrival = 'malformed'
    }
    return arrival
  }

  ack(): Ack {
    const bits = new Uint8Array(ACK_BITS / 8)
    for (const number of this.#held.keys()) {
      const bit = number - this.#next - 1
      bits[bit >> 3] = (bits[bit >> 3] ?? 0) | (1 << (bit & 7))
    }
    return { next: this.#next, bits }
  }

  /** False where the segment does not continue the message begun; what was begun is then dropped. */
  #append(segment: Segment): boolean {
    // As an honest sender cuts it: many small pieces would hold far more memory than their message.
    const isWhole = segment.last || segment.data.length === SEGMENT_DATA
    const fits =
      isWhole &&
      (segment.head === undefined
        ? this.#head !== undefined && this.#partBytes + segment.data.length <= this.#head.total
        : this.#head === undefined)
    if (!fits) {
      this.#reset()
      return false
    }
    const head = segment.head ?? this.#head
    if (head === undefined) return false
    this.#head = head
    this.#parts.push(segment.data)
    this.#partBytes += segment.data.length
    if (!segment.last) return true
    const whole = this.#partBytes === head.total
    const message = whole ? joined(this.#parts) : undefined
    this.#reset()
    if (message !== undefined) this.#deliver({ topic: head.topic, message })
    return whole
  }

  #reset(): void {
    this.#head = undefined
    this.#parts = []
    this.#partBytes = 0
  }
}
