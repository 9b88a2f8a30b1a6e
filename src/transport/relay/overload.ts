import { performance } from 'node:perf_hooks'

/** A relay that is busy for more than this share of its time slows down whoever asks for much. */
const BUSY = 0.5
const RISE = 2
const FALL = 0.8
const MOST = 16

/**
 * How much the rates of all buckets are divided by, 1 to 16. Whoever stays under what is left is not slowed: members of
 * a ceremony send little and seldom, and live on what their buckets hold. Time in which other processes keep this one
 * from running counts as busy.
 */
export class Overload {
  #factor = 1
  #last = performance.eventLoopUtilization()

  get factor(): number {
    return this.#factor
  }

  /** Looks at the time since the last look. */
  look(): void {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, this.#last)
    this.#last = now
    this.#factor = utilization > BUSY ? Math.min(MOST, this.#factor * RISE) : Math.max(1, this.#factor * FALL)
  }
}
