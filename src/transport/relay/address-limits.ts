import type { Clock } from '../../lib/ports.ts'
import type { Overload } from './overload.ts'
import { TokenBucket } from './token-bucket.ts'

/** Networks whose rate is remembered; the one seen first is forgotten first. */
const NETWORKS = 8192

/** Limits for each network: so much a second, and so much at once before that counts. */
export class AddressLimits {
  readonly #perSecond: number
  readonly #burst: number
  readonly #clock: Clock
  readonly #pressure: Overload
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(perSecond: number, burst: number, clock: Clock, pressure: Overload) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#clock = clock
    this.#pressure = pressure
  }

  /** Once more; what is refused costs nothing. */
  allows(network: string): boolean {
    if (this.owe(network, 1) === 0) return true
    this.owe(network, -1)
    return false
  }

  /** So much more, into debt if need be; milliseconds until it is paid. */
  owe(network: string, amount: number): number {
    const now = this.#clock.monotonic()
    let bucket = this.#buckets.get(network)
    if (bucket === undefined) {
      const oldest = this.#buckets.size >= NETWORKS ? this.#buckets.keys().next() : undefined
      if (oldest?.done === false) this.#buckets.delete(oldest.value)
      bucket = new TokenBucket(this.#perSecond, this.#burst, now)
      this.#buckets.set(network, bucket)
    }
    return bucket.take(amount, now, this.#pressure.factor)
  }
}
