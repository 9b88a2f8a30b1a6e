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

const weight = (message: PeerMessage): number => ('bytes' in message ? message.bytes.length : 4096)

/** All that was said to one peer and by it over one channel, and the part of that which waits for records that are not here. */
export class Line {
  /** Set while its messages are acted on. */
  moving = false
  /** Records that the peer has, as far as was said. */
  readonly told = new Set<Hash>()
  /** Records that it is to be told of. */
  readonly untold = new Set<Hash>()
  /** Records that it was asked for, each once. */
  readonly asked = new Set<Hash>()
  /** Records that it gave, before their turn. */
  readonly bodies = new Map<Hash, Body>()
  /** Records that it was given, each once. */
  readonly #given = new Set<Hash>()
  readonly #items: (PeerMessage | Gap)[] = []
  #lacking = 0
  #bytes = 0

  /** A new channel. */
  begin(): void {
    for (const set of [this.told, this.untold, this.asked, this.#given]) set.clear()
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

  /** The set that it returns loses what came, or is not waited for any more. */
  waitFor(hashes: readonly Hash[]): ReadonlySet<Hash> {
    const lacks = new Set(hashes)
    this.#items.push({ lacks })
    this.#lacking += lacks.size
    return lacks
  }

  /** The peer has it. Of a peer that tells of more than there can be, nothing is remembered. */
  hasTold(hash: Hash): void {
    if (this.told.size >= MOST_TOLD) this.told.clear()
    this.told.add(hash)
    this.untold.delete(hash)
  }

  /** False where it was given before, or more was than there can be. */
  mayGive(hash: Hash): boolean {
    if (this.#given.has(hash) || this.#given.size >= MOST_TOLD) return false
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

  get #gaps(): readonly Gap[] {
    return this.#items.filter((item) => 'lacks' in item)
  }

  lacks(hash: Hash): boolean {
    return this.#gaps.some(({ lacks }) => lacks.has(hash))
  }

  giveUp(hash: Hash): void {
    for (const { lacks } of this.#gaps) if (lacks.delete(hash)) this.#lacking -= 1
  }

  giveUpAll(): void {
    for (const { lacks } of this.#gaps) lacks.clear()
    this.#lacking = 0
  }

  /** The record whose turn it is. */
  get waitedFor(): Hash | undefined {
    const first = this.#first
    return first !== undefined && 'lacks' in first ? [...first.lacks][0] : undefined
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
