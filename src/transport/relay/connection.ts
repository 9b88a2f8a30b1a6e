import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import type { Hash, SiteId } from '../../lib/brand.ts'
import { fromUtf8 } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/ports.ts'
import type { FairQueue } from './fair-queue.ts'
import type { Limits } from './limits.ts'
import type { Overload } from './overload.ts'
import { type Admission, type Challenge, type RelayMessage, relayMessageCodec } from './protocol.ts'
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
  /** Bytes waiting for all readers. */
  buffered: number
}

/** Memory of a message that waits, beyond its bytes: two entries of the socket's queue, a header, a callback. */
export const OVERHEAD = 1024
/** Below it a reader is not slow, whatever the others hold. */
const FAIR = 65_536

/** One WebSocket: a stranger until it is admitted. */
export class Connection {
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
  #cut = false
  #owed = 0
  #pausedUntil = Number.NEGATIVE_INFINITY

  constructor(pool: Pool, socket: WebSocket, raw: Duplex, room: string, exporter: Hash | null) {
    const { limits, clock } = pool
    const now = clock.monotonic()
    this.#pool = pool
    this.#socket = socket
    this.#intake = new ThrottledReader(raw, {
      turns: pool.turns,
      calm: () => this.#calm(),
      seen: (bytes) => this.#read(bytes),
    })
    this.room = room
    this.exporter = exporter
    this.since = now
    this.heard = now
    this.#frames = new TokenBucket(limits.framesPerSecond, limits.framesPerSecond, now)
    this.#bytes = new TokenBucket(limits.bytesPerSecond, limits.bytesPerSecond, now)
  }

  get open(): boolean {
    return this.#socket.readyState === WebSocket.OPEN
  }

  admit(admission: Admission): void {
    this.admission = admission
  }

  /** Counts what was read; a connection over its rate is read no further until it has waited. */
  took(bytes: number): void {
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
    for (let left = this.#wait(); left > 0; left = this.#wait()) await clock.sleep(left)
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

  /** Costs this connection tokens for work that it causes elsewhere. */
  charge(bytes: number): void {
    this.#take(0, bytes, this.#pool.clock.monotonic())
  }

  /** `taken` once it waits here no longer. */
  say(message: RelayMessage, taken: () => void = () => {}): void {
    this.send(fromUtf8(relayMessageCodec.encode(message)), taken)
  }

  /** Binary as bytes, text as a string. A reader that leaves too much waiting is cut. */
  send(data: Uint8Array | string, taken: () => void = () => {}): void {
    const { limits, counts } = this.#pool
    if (!this.open) return
    const size = data.length + OVERHEAD
    if (this.#owed + size > limits.buffered) {
      this.cut('cutSlow', 1013)
      return
    }
    if (this.#pool.buffered + size > limits.bufferedTotal) {
      counts.dropped += 1
      if (this.#owed > FAIR) this.cut('cutSlow', 1013)
      else taken()
      return
    }
    counts.framesOut += 1
    counts.bytesOut += data.length
    this.#socket.send(data, this.#owe(size, taken))
  }

  /** Counts what waits until what is returned is called. */
  #owe(size: number, taken: () => void = () => {}): () => void {
    this.#owed += size
    this.#pool.buffered += size
    return () => {
      this.#owed -= size
      this.#pool.buffered -= size
      taken()
    }
  }

  ping(): void {
    if (this.open) this.#socket.ping()
  }

  /** A stranger's ping is not answered: it has better to do. */
  pong(data: Uint8Array): void {
    if (this.open && this.admission !== undefined && this.#owed < FAIR)
      this.#socket.pong(data, false, this.#owe(data.length + OVERHEAD))
  }

  /** Says why and waits for no answer. */
  cut(why: keyof Counts, code: number): void {
    if (this.#cut) return
    this.#cut = true
    this.#intake.end()
    this.#pool.counts[why] += 1
    if (this.open && this.#socket.bufferedAmount === 0) this.#socket.close(code)
    this.#socket.terminate()
  }

  refuse(reason: string): void {
    this.#pool.counts.refused += 1
    this.say({ what: 'refused', reason })
    this.leave(1008)
  }

  /** Closes in good order; whoever does not answer is cut after the drain time. */
  leave(code: number): void {
    const { clock, limits } = this.#pool
    const gone = new AbortController()
    this.#socket.once('close', () => gone.abort())
    this.#socket.close(code)
    clock.sleep(limits.drain, gone.signal).then(
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
    if (this.admission !== undefined) return
    this.#strangerBytes += bytes
    if (this.#strangerBytes > this.#pool.limits.strangerBytes) this.cut('cutOversize', 1009)
  }
}
