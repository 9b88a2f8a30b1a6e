import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { QuorateError } from '../lib/errors.ts'
import type { Clock } from '../lib/ports.ts'

/** Longest delay that a Node timer takes; beyond it the timer would fire at once. */
const LONGEST = 2 ** 31 - 1

/** Records hold dates to the end of 9999, and some of them lie ahead of the clock. */
const LAST = Date.UTC(9990, 0)

export const systemClock: Clock = {
  now() {
    const at = Date.now()
    if (at >= 0 && at < LAST) return at
    throw new QuorateError(
      'E_CLOCK',
      'this machine’s clock says a year that no record can hold',
      'set it to the true time, then run the same command again',
    )
  },
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    signal?.throwIfAborted()
    // A join's signal ends many waits at once; Node would warn of it on the screen.
    if (signal !== undefined) setMaxListeners(0, signal)
    const end = performance.now() + ms
    try {
      for (let left = ms; left > 0; left = end - performance.now())
        await delay(Math.min(left, LONGEST), undefined, signal === undefined ? {} : { signal })
    } catch (error) {
      throw signal?.aborted === true ? signal.reason : error
    }
  },
}
