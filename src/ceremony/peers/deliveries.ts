import type { SiteId } from '../../lib/brand.ts'
import type { Clock } from '../../lib/ports.ts'

/** Messages that their peer has not acknowledged, by peer, in the order in which they were sent, with their times. */
export class Deliveries {
  readonly #clock: Clock
  readonly #sending = new Map<SiteId, Map<Promise<void>, number>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** `over` is called once `sent` has settled: `late` where something waited longer than `ms` until then. */
  add(to: SiteId, sent: Promise<void>, ms: number, over: (late: boolean) => void): void {
    // A channel that is replaced or closed loses what it had not delivered; everything of weight is said again on connecting.
    const sending = sent.catch(() => undefined)
    const waiting = this.#sending.get(to) ?? new Map<Promise<void>, number>()
    this.#sending.set(to, waiting)
    waiting.set(sending, this.#clock.monotonic())
    void sending.then(() => {
      const late = this.isLate(to, ms)
      waiting.delete(sending)
      over(late)
    })
  }

  /** True where something waits longer than `ms` for its peer to acknowledge it. */
  isLate(to: SiteId, ms: number): boolean {
    const [oldest] = this.#sending.get(to)?.values() ?? []
    return oldest !== undefined && this.#clock.monotonic() - oldest > ms
  }

  /** Resolves when everything said so far has reached its peer's end, at most after `ms`. */
  async flush(ms: number): Promise<void> {
    const timer = new AbortController()
    const late = this.#clock.sleep(ms, timer.signal).catch(() => undefined)
    await Promise.race([Promise.all([...this.#sending.values()].flatMap((waiting) => [...waiting.keys()])), late])
    timer.abort()
  }
}
