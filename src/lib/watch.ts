import type { Clock } from './ports.ts'

/** Wakes whoever waits for a state whenever its owner says that it changed. */
export class Watch {
  readonly #clock: Clock
  readonly #waiting = new Set<() => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  changed(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  /**
   * Looks now and after each change. Resolves with the first value that `look` finds; undefined at the deadline. Rejects
   * with what `look` throws, and with the signal's reason when it aborts.
   */
  until<T>(look: () => T | undefined, ms: number, signal?: AbortSignal): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const timer = new AbortController()
      const done = (act: () => void): void => {
        timer.abort()
        this.#waiting.delete(wake)
        signal?.removeEventListener('abort', ended)
        act()
      }
      const ended = (): void => done(() => reject(signal?.reason))
      const wake = (): void => {
        try {
          const found = look()
          if (found !== undefined) done(() => resolve(found))
        } catch (error) {
          done(() => reject(error))
        }
      }
      this.#waiting.add(wake)
      signal?.addEventListener('abort', ended, { once: true })
      if (signal?.aborted === true) return ended()
      wake()
      this.#clock.sleep(ms, timer.signal).then(
        () => done(() => resolve(undefined)),
        () => undefined,
      )
    })
  }
}
