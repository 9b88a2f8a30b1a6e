import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import type { Hash, SiteId } from '../../lib/brand.ts'
import type { Clock } from '../../lib/ports.ts'
import type { AddressLimits } from './address-limits.ts'
import type { FairQueue } from './fair-queue.ts'
import type { Limits } from './limits.ts'
import type { Overload } from './overload.ts'
import { type Admission, type Challenge, type RelayMessage, relayMessageCodec } from './protocol.ts'
import type { Shares, Stake } from './shares.ts'
import type { Counts } from './stats.ts'
import { ThrottledReader } from './throttled-reader.ts'
import { TokenBucket } from './token-bucket.ts'

/** State that all connections of a relay share. */
export interface Pool {
  readonly limits: Limits
  readonly counts: Counts
  readonly clock: Clock
  readonly pressure: Overload
  readonly turns: FairQueue
  readonly noteRates: AddressLimits
  /** Bytes waiting for readers, and those of messages that have not come whole. */
  readonly memory: Shares<Connection>
}

/** Where a connection comes from, and what for. */
interface Origin {
  /** Of its address. */
  readonly network: string
  readonly room: string
  readonly exporter: Hash | null
}

/** Memory of a message that waits, beyond its bytes: two entries of the socket's queue, a header, a callback. */
export const OVERHEAD = 1024
/** Of a piece of a message that has not come whole, beyond its bytes. */
const PIECE_OVERHEAD = 512
/** Bytes of notes shown that cost a relay as much as one that is posted. */
const SHOWN = 32
/** Shortest header of a client's frame. */
const HEADER = 6
/** A reader that more waits for is slow, and its pings are not answered. */
const SLOW = 65_536

/** One WebSocket: a stranger until it is admitted. */
export class Connection {
  readonly network: string
  readonly room: string
  readonly since: number
  challenge: Challenge | undefined
  readonly exporter: Hash | null
  admission: Admission | undefined
  /** Members whose notes this reader is yet to be shown; one at a time is on its way. */
  readonly due = new Set<SiteId>()
  showing = false
  /** Monotonic milliseconds of the last sign of life. */
  heard: number
  readonly #pool: Pool
  readonly #socket: WebSocket
  readonly #intake: ThrottledReader
  readonly #frames: TokenBucket
  readonly #bytes: TokenBucket
  #strangerBytes = 0
  #strangerFrames = 0
  readonly #gone = new AbortController()
  #cut = false
  readonly #memory: Stake<Connection>
  #owed = 0
  /** Of a message that has not come whole: bytes, and pieces in which they came. */
  #half = 0
  #pieces = 0
  #halfHeld = 0
  #pausedUntil = Number.NEGATIVE_INFINITY

  constructor(pool: Pool, socket: WebSocket, raw: Duplex, { network, room, exporter }: Origin) {
    const { limits, clock } = pool
    const now = clock.monotonic()
    this.#pool = pool
    this.#socket = socket
    this.#intake = new ThrottledReader(raw, {
      later: (piece) => pool.turns.later(network, piece),
      calm: () => this.#calm(),
      seen: (bytes) => this.#read(bytes),
    })
    this.network = network
    this.room = room
    this.#memory = pool.memory.stake(this, this.path)
    this.exporter = exporter
    this.since = now
    this.heard = now
    this.#frames = new TokenBucket(limits.framesPerSecond, limits.framesPerSecond, now)
    this.#bytes = new TokenBucket(limits.bytesPerSecond, limits.bytesPerSecond, now)
  }

  get open(): boolean {
    return !this.#cut && this.#socket.readyState === WebSocket.OPEN
  }

  /** Where what it holds is counted. */
  get path(): readonly string[] {
    return this.admission === undefined
      ? [this.network, '', '']
      : [this.network, this.admission.member.identity, this.admission.room]
  }

  admit(admission: Admission): void {
    this.admission = admission
    this.#memory.move(this.path)
  }

  /** A whole message came. */
  tookMessage(bytes: number): void {
    this.#half = this.#intake.waiting
    this.#tookFrame(bytes)
  }

  /** A ping or pong came, maybe in the middle of a message. */
  tookControl(bytes: number): void {
    this.#half = Math.max(0, this.#half - bytes - HEADER)
    this.#tookFrame(0)
  }

  /** Counts what was read; a connection over its rate is read no further until it has waited. */
  #tookFrame(bytes: number): void {
    this.#pieces = 0
    this.#weighHalf()
    const { clock, counts, limits } = this.#pool
    const now = clock.monotonic()
    this.heard = now
    this.#intake.worked()
    counts.framesIn += 1
    counts.bytesIn += bytes
    this.#strangerFrames += this.admission === undefined ? 1 : 0
    if (this.#strangerFrames > limits.strangerFrames) {
      this.cut('cutOversize', 1008)
      return
    }
    const wait = this.#take(1, bytes, now)
    if (wait === 0) return
    const paused = this.#pausedUntil > now
    this.#pausedUntil = now + wait
    if (paused) return
    counts.slowed += 1
    void this.#pause()
  }

  async #pause(): Promise<void> {
    const { clock } = this.#pool
    this.#socket.pause()
    this.#intake.hold()
    // The rest of the piece that is being parsed goes on adding to the debt.
    for (let left = this.#wait(); left > 0 && !this.#gone.signal.aborted; left = this.#wait())
      await clock.sleep(left, this.#gone.signal).catch(() => {})
    this.#socket.resume()
    this.#intake.release()
  }

  #wait(): number {
    return this.#pausedUntil - this.#pool.clock.monotonic()
  }

  #take(frames: number, bytes: number, now: number): number {
    const { factor } = this.#pool.pressure
    return Math.max(this.#frames.take(frames, now, factor), this.#bytes.take(bytes, now, factor))
  }

  /** Costs this connection and its network tokens for a note that so many bytes are sent for. */
  charge(bytes: number): void {
    const { clock, noteRates } = this.#pool
    this.#take(0, bytes, clock.monotonic())
    noteRates.owe(this.network, bytes / SHOWN)
  }

  say(message: RelayMessage): void {
    this.show(relayMessageCodec.encode(message))
  }

  /** An encoded message; `taken` once it waits here no longer. */
  show(message: Uint8Array, taken: () => void = () => {}): void {
    this.#send(message, false, taken)
  }

  /** A member's frame. */
  send(frame: Uint8Array): void {
    this.#send(frame, true, () => {})
  }

  /** A reader that leaves too much waiting is cut. */
  #send(data: Uint8Array, binary: boolean, taken: () => void): void {
    const { limits, counts } = this.#pool
    if (!this.open) return
    const size = data.length + OVERHEAD
    if (this.#owed + size > limits.buffered) {
      this.cut('cutSlow', 1013)
      return
    }
    const gone = this.#owe(size, taken)
    if (!this.open) return
    counts.framesOut += 1
    counts.bytesOut += data.length
    this.#socket.send(data, { binary }, gone)
  }

  /** Counts what waits until what is returned is called. */
  #owe(size: number, taken: () => void = () => {}): () => void {
    this.#owed += size
    this.#hold(size)
    return () => {
      this.#owed -= size
      this.#hold(-size)
      taken()
    }
  }

  /** Where all connections hold more than there is, whoever holds most is cut. */
  #hold(bytes: number): void {
    const { memory, limits } = this.#pool
    this.#memory.add(bytes)
    memory.reclaim(limits.bufferedTotal, (most) => most.cut('cutReclaimed', 1013))
  }

  #weighHalf(): void {
    const weight = this.#half + this.#pieces * PIECE_OVERHEAD
    const more = weight - this.#halfHeld
    this.#halfHeld = weight
    this.#hold(more)
  }

  /** Does a piece of work when it is this network's turn, where the connection is still open then. */
  later(piece: () => boolean): void {
    this.#pool.turns.later(this.network, () => this.open && piece())
  }

  /**
   * Does all `steps` for a note of so many bytes, one in a turn, when its network may post more, and reads no more from
   * this connection before.
   */
  async takeNote(bytes: number, steps: Iterator<unknown>): Promise<void> {
    const { clock, noteRates, counts } = this.#pool
    this.#intake.hold()
    this.#hold(bytes)
    const wait = noteRates.owe(this.network, bytes)
    if (wait > 0) {
      counts.slowed += 1
      await clock.sleep(wait, this.#gone.signal).catch(() => {})
    }
    const step = (): boolean => {
      if (steps.next().done !== true) this.later(step)
      else {
        this.#hold(-bytes)
        this.#intake.release()
      }
      return true
    }
    this.later(step)
  }

  ping(): void {
    if (this.open) this.#socket.ping()
  }

  /** A stranger's ping is not answered: it has better to do. */
  pong(data: Uint8Array): void {
    if (!this.open || this.admission === undefined || this.#owed >= SLOW) return
    const gone = this.#owe(data.length + OVERHEAD)
    if (this.open) this.#socket.pong(data, false, gone)
  }

  /** Says why and waits for no answer. */
  cut(why: keyof Counts, code: number): void {
    if (this.#cut) return
    const polite = this.open && this.#socket.bufferedAmount === 0
    this.#cut = true
    this.#intake.end()
    this.#memory.end()
    this.#pool.counts[why] += 1
    if (polite) this.#socket.close(code)
    this.#socket.terminate()
  }

  /** It is closed. */
  ended(): void {
    this.#gone.abort()
    this.#intake.end()
    this.#memory.end()
  }

  refuse(reason: string): void {
    this.#pool.counts.refused += 1
    this.say({ what: 'refused', reason })
    this.leave(1008)
  }

  /** Closes in good order; whoever does not answer is cut after the drain time. */
  leave(code: number): void {
    const { clock, limits } = this.#pool
    this.#socket.close(code)
    clock.sleep(limits.drain, this.#gone.signal).then(
      () => this.#socket.terminate(),
      () => {},
    )
  }

  terminate(): void {
    this.#socket.terminate()
  }

  #calm(): boolean {
    const { clock, pressure } = this.#pool
    const now = clock.monotonic()
    return (
      this.admission !== undefined &&
      this.#frames.halfFull(now, pressure.factor) &&
      this.#bytes.halfFull(now, pressure.factor)
    )
  }

  #read(bytes: number): void {
    this.#half += bytes
    this.#pieces += 1
    this.#weighHalf()
    if (this.admission !== undefined) return
    this.#strangerBytes += bytes
    if (this.#strangerBytes > this.#pool.limits.strangerBytes) this.cut('cutOversize', 1009)
  }
}
