/**
 * Work that may wait: a few pieces in each turn of the event loop, in the order in which they came, so that what may not
 * wait is read in between however much there is.
 */
export class FairQueue {
  readonly #perTurn: number
  readonly #queue: (() => boolean)[] = []
  #scheduled = false

  constructor(perTurn: number) {
    this.#perTurn = perTurn
  }

  get waiting(): number {
    return this.#queue.length
  }

  /** `piece` returns false where there was nothing left to do. */
  later(piece: () => boolean): void {
    this.#queue.push(piece)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || this.#queue.length === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      for (let left = this.#perTurn; left > 0; ) {
        const piece = this.#queue.shift()
        if (piece === undefined) break
        if (piece()) left -= 1
      }
      this.#schedule()
    })
  }
}
