import { systemClock } from '../../src/host/clock.ts'
import type { Clock } from '../../src/lib/ports.ts'

export interface HandClock extends Clock {
  advance(ms: number): void
  /** From now on it goes by itself. */
  run(): void
}

/** A clock that stands still until a test moves it. */
export const handClock = (): HandClock => {
  let at = 0
  let runs = false
  const sleepers = new Set<{ readonly until: number; wake(): void }>()
  const wake = (): void => {
    for (const one of [...sleepers].filter(({ until }) => runs || until <= at)) one.wake()
  }
  return {
    now: () => systemClock.now(),
    monotonic: () => (runs ? at + performance.now() : at),
    sleep: (ms, signal) =>
      runs
        ? systemClock.sleep(ms, signal)
        : new Promise((resolve, reject) => {
            const one = {
              until: at + ms,
              wake: () => {
                sleepers.delete(one)
                signal?.removeEventListener('abort', ended)
                resolve()
              },
            }
            const ended = (): void => {
              sleepers.delete(one)
              reject(signal?.reason)
            }
            if (signal?.aborted === true) return ended()
            signal?.addEventListener('abort', ended, { once: true })
            sleepers.add(one)
          }),
    advance: (ms) => {
      at += ms
      wake()
    },
    run: () => {
      at -= performance.now()
      runs = true
      wake()
    },
  }
}
