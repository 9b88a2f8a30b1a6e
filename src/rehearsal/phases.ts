import type { Progress } from '../ceremony/progress.ts'

/** One stretch of a join, as its operator sees it. */
export interface Phase {
  readonly name: string
  /** Milliseconds of the fast clock: what is waited for. */
  readonly waited: number
  /** Milliseconds of real time, in which this machine computes for all sites at once. */
  readonly measured: number
}

/** The stretch that begins with an event; undefined: it goes on. */
const begun = (event: Progress): string | undefined => {
  switch (event.phase) {
    case 'join':
      return 'preflight'
    case 'preflight':
    case 'attempt-failed':
      return 'gather'
    case 'attempt':
      return `attempt ${event.number}`
    case 'round':
      return `round ${event.place}/${event.of} ${event.round}`
    case 'step':
      return event.step
    default:
      return undefined
  }
}

interface Moment {
  readonly waited: number
  readonly measured: number
}

/** Divides a join into its phases, by two clocks at once. */
export class Phases {
  readonly #now: () => Moment
  readonly #done: Phase[] = []
  #name = 'open'
  #since: Moment

  constructor(now: () => Moment) {
    this.#now = now
    this.#since = now()
  }

  see(event: Progress): void {
    const name = begun(event)
    if (name === undefined || name === this.#name) return
    this.#close()
    this.#name = name
  }

  end(): readonly Phase[] {
    this.#close()
    return this.#done
  }

  #close(): void {
    const now = this.#now()
    this.#done.push({
      name: this.#name,
      waited: Math.round(now.waited - this.#since.waited),
      measured: Math.round(now.measured - this.#since.measured),
    })
    this.#since = now
  }
}
