import type { Hash } from '../../lib/brand.ts'
import type { PeerMessage } from './peer-message.ts'

type Body = Extract<PeerMessage, { is: 'object' }>

const MOST_MESSAGES = 4096
const MOST_LACKING = 16_384
const MOST_TOLD = 65_536
const MOST_BYTES = 16 * 2 ** 20

/** Records that a peer told of in one message and that are not here. */
interface Gap {
  readonly lacks: Set<Hash>
}

/** Cost of a message, or of one hash in it, beside its bytes. */
const OVERHEAD = 128
const weight = (message: PeerMessage): number =>
  Object.values(message).reduce<number>((sum, field) => {
    if (Array.isArray(field)) return sum + OVERHEAD * field.length
    return field instanceof Uint8Array ? sum + field.length : sum
  }, OVERHEAD)

/** Makes room for one more: of a peer that says more than there can be, the oldest is forgotten. */
const makeRoom = (set: Set<Hash>): void => {
  const [oldest] = set
  if (oldest !== undefined && set.size >= MOST_TOLD) set.delete(oldest)
}

/** All that was said to one peer and by it over one channel, and the part of that which waits for records that are not here. */
export class Line {
  /** Lists of records that run out of time, each by its own clock: those for which nothing waits any more count too. */
  chases = 0
  /** Records that the peer has, as far as was said. */
  readonly told = new Set<Hash>()
  /** Records that it is to be told of. */
  readonly untold = new Set<Hash>()
  /** Records that it was asked for, each once. */
  readonly #asked = new Set<Hash>()
  /** Records that it gave, before their turn. */
  readonly bodies = new Map<Hash, Body>()
  /** Records that it was given, each once. */
  readonly #given = new Set<Hash>()
  readonly #items: (PeerMessage | Gap)[] = []
  /** Where each record is waited for. */
  readonly #gaps = new Map<Hash, Set<Gap>>()
  #lacking = 0
  #bytes = 0

  /** A new channel. */
  begin(): void {
    for (const set of [this.told, this.untold, this.#asked, this.#given]) set.clear()
  }

  get isEmpty(): boolean {
    return this.#first === undefined
  }

  /** A list of which nothing lacks any more stands in nobody's way. */
  get #first(): PeerMessage | Gap | undefined {
    for (let [first] = this.#items; first !== undefined; [first] = this.#items) {
      if (!('lacks' in first) || first.lacks.size > 0) return first
      this.#items.shift()
    }
    return undefined
  }

  /** It said more than is kept. */
  get isFull(): boolean {
    return this.#items.length > MOST_MESSAGES || this.#bytes > MOST_BYTES || this.#lacking > MOST_LACKING
  }

  wait(message: PeerMessage): void {
    this.#items.push(message)
    this.#bytes += weight(message)
  }

  get mayChase(): boolean {
    return this.chases < MOST_MESSAGES
  }

  /** The set that it returns loses what came, or is not waited for any more. */
  waitFor(hashes: readonly Hash[]): ReadonlySet<Hash> {
    const gap: Gap = { lacks: new Set(hashes) }
    this.#items.push(gap)
    this.#lacking += gap.lacks.size
    for (const hash of gap.lacks) this.#gaps.set(hash, (this.#gaps.get(hash) ?? new Set()).add(gap))
    return gap.lacks
  }

  /** The peer has it. Of a peer that tells of more than there can be, nothing is remembered. */
  hasTold(hash: Hash): void {
    if (this.told.size >= MOST_TOLD) this.told.clear()
    this.told.add(hash)
    this.untold.delete(hash)
  }

  ask(hash: Hash): void {
    makeRoom(this.#asked)
    this.#asked.add(hash)
  }

  wasAsked(hash: Hash): boolean {
    return this.#asked.has(hash)
  }

  /** False where it was given before. */
  give(hash: Hash): boolean {
    if (this.#given.has(hash)) return false
    makeRoom(this.#given)
    this.#given.add(hash)
    return true
  }

  hold(hash: Hash, body: Body): void {
    this.drop(hash)
    this.bodies.set(hash, body)
    this.#bytes += weight(body)
  }

  drop(hash: Hash): void {
    const body = this.bodies.get(hash)
    if (body !== undefined && this.bodies.delete(hash)) this.#bytes -= weight(body)
  }

  lacks(hash: Hash): boolean {
    return this.#gaps.has(hash)
  }

  giveUp(hash: Hash): void {
    for (const { lacks } of this.#gaps.get(hash) ?? []) if (lacks.delete(hash)) this.#lacking -= 1
    this.#gaps.delete(hash)
  }

  /** All that it waits for. */
  get lacking(): readonly Hash[] {
    return [...this.#gaps.keys()]
  }

  /** The record whose turn it is; undefined where no record is before the first message. */
  get waitsFor(): Hash | undefined {
    const first = this.#first
    if (first === undefined || !('lacks' in first)) return undefined
    const [hash] = first.lacks
    return hash
  }

  /** The first message, where no record is before it. */
  shift(): PeerMessage | undefined {
    const first = this.#first
    if (first === undefined || 'lacks' in first) return undefined
    this.#items.shift()
    this.#bytes -= weight(first)
    return first
  }
}
