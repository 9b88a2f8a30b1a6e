/**
 * Work that may wait: a few pieces in each turn of the event loop, so that what may not wait is read in between however
 * much there is. Owners take turns, and each has its pieces done in the order in which they came: nobody waits for all that
 * another one has asked for.
 */
export class FairQueue {
  readonly #perTurn: number
  readonly #queues = new Map<string, (() => boolean)[]>()
  #waiting = 0
  #scheduled = false

  constructor(perTurn: number) {
    this.#perTurn = perTurn
  }

  get waiting(): number {
    return this.#waiting
  }

  /** `piece` returns false where there was nothing left to do. */
  later(owner: string, piece: () => boolean): void {
    const queue = this.#queues.get(owner)
    if (queue === undefined) this.#queues.set(owner, [piece])
    else queue.push(piece)
    this.#waiting += 1
    this.#schedule()
  }

  #next(): (() => boolean) | undefined {
    const first = this.#queues.entries().next()
    if (first.done === true) return undefined
    const [owner, queue] = first.value
    const piece = queue.shift()
    // Behind all others, where it has more.
    this.#queues.delete(owner)
    if (queue.length > 0) this.#queues.set(owner, queue)
    this.#waiting -= 1
    return piece
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      for (let left = this.#perTurn; left > 0; ) {
        const piece = this.#next()
        if (piece === undefined) break
        if (piece()) left -= 1
      }
      this.#schedule()
    })
  }
}
