import { setMaxListeners } from 'node:events'
import type { Clock } from '../lib/ports.ts'

export interface StillClock extends Clock {
  /** Time stands still until this settles. For work that the event loop does not show: scrypt, a first import, WASM. */
  hold<T>(work: Promise<T>): Promise<T>
  /** Wakes nobody any more. Whoever sleeps then sleeps for ever. */
  stop(): void
}

/** Turns of the event loop in which nothing happened, before time moves. Promises alone need one. */
const QUIET_TURNS = 3
/** 2026-09-21T14:13:20Z: inside the window of test definitions. */
const START = 1_790_000_000_000
/** Days of virtual time after which something must be waiting for nothing. */
const MOST = 30 * 24 * 3_600_000

interface Sleeper {
  readonly at: number
  wake(): void
  fail(error: Error): void
}

/**
 * A clock that moves only when all wait: it stands until nothing is left to do but to sleep, and then jumps to the next
 * sleeper's time. So a test over memory takes no longer than its computing, and a busy machine changes nothing in it.
 *
 * Everything that runs beside it must be promises, setImmediate or work given to `hold`: a real timer, a socket, or from
 * Node 26 on a file that is read, is not seen, and time would run on meanwhile. Poll with its own `sleep`.
 */
export const stillClock = (start = START): StillClock => {
  const sleepers = new Set<Sleeper>()
  let at = 0
  let held = 0
  let activity = 0
  let driving = false
  let stopped = false

  const busy = (): boolean => held > 0 || process.getActiveResourcesInfo().some((name) => /^(FS|Close)Req/.test(name))
  const next = (): number => Math.min(...[...sleepers].map((one) => one.at))

  const drive = async (): Promise<void> => {
    driving = true
    while (sleepers.size > 0) {
      const before = activity
      for (let turn = 0; turn < QUIET_TURNS && before === activity; turn++)
        await new Promise((resolve) => setImmediate(resolve))
      if (stopped) break
      if (before !== activity || busy() || sleepers.size === 0) continue
      at = Math.max(at, next())
      for (const one of [...sleepers].filter((each) => each.at <= at))
        if (at > MOST) one.fail(new Error('the still clock ran for thirty days: something waits for nothing'))
        else one.wake()
    }
    driving = false
  }

  return {
    now: () => Math.floor(start + at),
    monotonic: () => at,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        activity += 1
        const end = (settle: () => void): void => {
          activity += 1
          sleepers.delete(one)
          signal?.removeEventListener('abort', gone)
          settle()
        }
        const gone = (): void => end(() => reject(signal?.reason))
        const one: Sleeper = {
          at: at + Math.max(0, ms),
          wake: () => end(resolve),
          fail: (error) => end(() => reject(error)),
        }
        if (signal?.aborted === true) return reject(signal.reason)
        // A join's signal ends many waits at once; Node would warn of it on the screen.
        if (signal !== undefined) setMaxListeners(0, signal)
        signal?.addEventListener('abort', gone, { once: true })
        sleepers.add(one)
        if (!driving) void drive()
      }),
    hold: async (work) => {
      held += 1
      try {
        return await work
      } finally {
        held -= 1
        activity += 1
      }
    },
    stop: () => {
      stopped = true
    },
  }
}
