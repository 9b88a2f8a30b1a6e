/** A token bucket: `perSecond` tokens flow in, at most `burst` are kept. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #at: number

  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = burst
    this.#at = now
  }

  /** True where at least half of what it can keep is left. */
  halfFull(now: number, slower = 1): boolean {
    this.take(0, now, slower)
    return this.#tokens >= this.#burst / 2
  }

  /** Takes tokens, into debt if need be; milliseconds until the debt is paid, 0 where there is none. The flow is divided by `slower`. */
  take(tokens: number, now: number, slower = 1): number {
    const perSecond = this.#perSecond / slower
    const gained = ((now - this.#at) / 1000) * perSecond
    this.#tokens = Math.min(this.#burst, this.#tokens + gained) - tokens
    this.#at = now
    return this.#tokens >= 0 ? 0 : (-this.#tokens / perSecond) * 1000
  }
}
