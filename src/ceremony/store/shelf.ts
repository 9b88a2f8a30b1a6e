import type { Hash, Identity, SiteId } from '../../lib/brand.ts'
import type { Author, RecordRow } from '../../records/record-row.ts'
import { recordHash, type Signed } from '../../records/signed.ts'

/** A verified record and the envelope bytes it came in. */
export interface Held<T> {
  readonly signed: Signed<T>
  readonly envelope: Uint8Array
  readonly author: Author
  /** The author's name in the roster. Of an approver's record, which has none, it is never read. */
  readonly site: SiteId
}

type Placed<T> = { readonly is: 'new' | 'known' | 'full' } | { readonly is: 'twice'; readonly first: Held<T> }

/** All records of one name, each kept once in the place that it claims, and of each author no more than the row allows. */
export class Shelf<T> {
  readonly #row: RecordRow<T>
  readonly #most: number
  readonly #byAuthor = new Map<Identity, Map<Hash, Held<T>>>()
  readonly #slots = new Map<string, Held<T>>()
  /** The first record of each author in each group; by author, and slot where a group has several of one author. */
  readonly groups = new Map<string, Map<string, Held<T>>>()

  constructor(row: RecordRow<T>, most: number) {
    this.#row = row
    this.#most = most
  }

  /** In the order in which they came, author by author. */
  *all(): Generator<Held<T>> {
    for (const held of this.#byAuthor.values()) yield* held.values()
  }

  of(author: Identity): readonly Held<T>[] {
    return [...(this.#byAuthor.get(author)?.values() ?? [])]
  }

  /** The group is there before its first record, so that who looks into it later sees what came. */
  group(name: string): Map<string, Held<T>> {
    const group = this.groups.get(name) ?? new Map<string, Held<T>>()
    this.groups.set(name, group)
    return group
  }

  /** `vital` is asked where there is no room: a record that this site needs is kept whatever else its author said. */
  place(held: Held<T>, vital: () => boolean = () => false): Placed<T> {
    const { author, signed } = held
    const hash = recordHash(signed)
    const own = this.#byAuthor.get(author.identity) ?? new Map<Hash, Held<T>>()
    if (own.has(hash)) return { is: 'known' }
    const slots = this.#row.slots(signed.value, author, hash).map((slot) => `${author.identity} ${slot}`)
    const first = slots.map((slot) => this.#slots.get(slot)).find((one) => one !== undefined)
    const kept = first === undefined || this.#row.bindsTwice
    if (kept) {
      if (own.size >= this.#most && !vital()) {
        const [oldest] = own
        if (this.#row.full === 'refuse' || oldest === undefined)
          return first === undefined ? { is: 'full' } : { is: 'twice', first }
        this.#drop(oldest[0], oldest[1])
      }
      own.set(hash, held)
      this.#byAuthor.set(author.identity, own)
    }
    if (first !== undefined) return { is: 'twice', first }
    for (const slot of slots) this.#slots.set(slot, held)
    this.group(this.#row.group(signed.value)).set(this.#key(held), held)
    return { is: 'new' }
  }

  #key({ author, signed }: Held<T>): string {
    const [slot = ''] = this.#row.slots(signed.value, author, recordHash(signed))
    const name = author.site ?? author.identity
    const group = this.#row.group(signed.value)
    const by = this.#row.signedBy === 'message' ? name : author.identity
    return slot === group || slot === '' ? by : `${by}|${slot}`
  }

  #drop(hash: Hash, held: Held<T>): void {
    const { author, signed } = held
    this.#byAuthor.get(author.identity)?.delete(hash)
    for (const slot of this.#row.slots(signed.value, author, hash)) this.#slots.delete(`${author.identity} ${slot}`)
    this.groups.get(this.#row.group(signed.value))?.delete(this.#key(held))
  }
}
