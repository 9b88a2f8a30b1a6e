import type { Connection } from './connection.ts'
import { Shares, type Stake } from './shares.ts'

/** A little more than one: of equals it gives way. */
const NEWEST = 1 + 2 ** -20

/** Connections of one kind, up to a limit: beyond it one of whoever has most gives way. */
export class Crowd {
  readonly #limit: number
  readonly #givesWay: 'oldest' | 'newest'
  readonly #shares = new Shares<Connection>()
  readonly #stakes = new Map<Connection, Stake<Connection>>()

  /** `givesWay`: of equals. */
  constructor(limit: number, givesWay: 'oldest' | 'newest') {
    this.#limit = limit
    this.#givesWay = givesWay
  }

  get size(): number {
    return this.#stakes.size
  }

  [Symbol.iterator](): Iterator<Connection> {
    return [...this.#stakes.keys()][Symbol.iterator]()
  }

  add(connection: Connection): void {
    const stake = this.#shares.stake(connection, connection.path)
    this.#stakes.set(connection, stake)
    stake.add(this.#givesWay === 'newest' ? NEWEST : 1)
    while (Math.floor(this.#shares.held) > this.#limit) {
      const most = this.#shares.largest()
      if (most === undefined) break
      most.cut('cutCrowded', 1013)
      this.#stakes.get(most)?.end()
    }
    stake.add(1 - stake.held)
  }

  /** False where it was not in it. */
  delete(connection: Connection): boolean {
    this.#stakes.get(connection)?.end()
    return this.#stakes.delete(connection)
  }
}
