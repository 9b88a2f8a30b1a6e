import type { SiteId } from '../../lib/brand.ts'
import { Shares, type Stake } from './shares.ts'

/** Of a note that is kept, beyond its bytes. */
const OVERHEAD = 512

interface Kept {
  readonly counter: number
  /** The relay's message that shows it: encoded once, however many read it. */
  readonly message: Uint8Array
  /** In whose name it is counted. */
  readonly path: readonly string[]
}

/** Notes of one room by their authors. */
export type RoomNotes = Map<SiteId, Kept>

interface Place {
  readonly notes: RoomNotes
  readonly author: SiteId
}

/** The notes of all rooms, up to a limit: beyond it the largest of whoever has most are forgotten. */
export class Notes {
  readonly #limit: number
  readonly #shares = new Shares<Place>()
  readonly #stakes = new WeakMap<Kept, Stake<Place>>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get bytes(): number {
    return this.#shares.held
  }

  /** In the place of the author's note before. False where there is no place for it. */
  keep(notes: RoomNotes, author: SiteId, kept: Kept): boolean {
    this.#forget({ notes, author })
    const stake = this.#shares.stake({ notes, author }, kept.path)
    notes.set(author, kept)
    this.#stakes.set(kept, stake)
    stake.add(kept.message.length + OVERHEAD)
    this.#shares.reclaim(this.#limit, (place) => this.#forget(place))
    return notes.has(author)
  }

  forgetAll(notes: RoomNotes): void {
    for (const author of [...notes.keys()]) this.#forget({ notes, author })
  }

  #forget({ notes, author }: Place): void {
    const kept = notes.get(author)
    if (kept !== undefined) this.#stakes.get(kept)?.end()
    notes.delete(author)
  }
}
