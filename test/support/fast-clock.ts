import { systemClock } from '../../src/host/clock.ts'
import type { Clock } from '../../src/lib/ports.ts'

/** Real time, four times as fast: for what is cut off in the middle of real work. */
export const fastClock = (): Clock => {
  const start = performance.now()
  const wall = Date.now()
  const elapsed = (): number => (performance.now() - start) * 4
  return {
    now: () => wall + Math.floor(elapsed()),
    monotonic: () => start + elapsed(),
    sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 2 ** 31 - 1) / 4, signal),
  }
}
