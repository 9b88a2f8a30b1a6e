import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../lib/ports.ts'

/** Longest delay that a Node timer takes; beyond it the timer would fire at once. */
const LONGEST = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    signal?.throwIfAborted()
    const end = performance.now() + ms
    try {
      for (let left = ms; left > 0; left = end - performance.now())
        await delay(Math.min(left, LONGEST), undefined, signal === undefined ? {} : { signal })
    } catch (error) {
      throw signal?.aborted === true ? signal.reason : error
    }
  },
}
