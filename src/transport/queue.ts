/**
 * Items that come in faster than one reader takes them out. Bounded: beyond the limit new items are lost, as on any
 * wire.
 */
export class Queue<T> implements AsyncIterable<T> {
  readonly #limit: number
  readonly #size: (item: T) => number
  #items: T[] = []
  #held = 0
  #wake: (() => void) | undefined
  #ended = false

  /** `limit` is on the sum of `size` (default: one each). */
  constructor(limit: number, size: (item: T) => number = () => 1) {
    this.#limit = limit
    this.#size = size
  }

  /** False where the item was lost. */
  push(item: T): boolean {
    const size = this.#size(item)
    if (this.#ended || this.#held + size > this.#limit) return false
    this.#items.push(item)
    this.#held += size
    this.#wake?.()
    return true
  }

  /** The reader gets what is held, then the end. */
  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      const items = this.#items
      this.#items = []
      this.#held = 0
      yield* items
      if (this.#items.length > 0) continue
      if (this.#ended) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }
}
