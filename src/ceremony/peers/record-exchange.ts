import type { Hash, SiteId } from '../../lib/brand.ts'
import { fromHex, toHex } from '../../lib/bytes.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Clock } from '../../lib/ports.ts'
import { Line } from './line.ts'
import { MOST_HASHES, type PeerMessage } from './peer-message.ts'

/** All that came meanwhile is told of in one message. */
const GATHERED_MS = 50
/** A record that a peer tells of is most often on its way from its author. */
const GRACE_MS = 100
/** After so long every peer that has it is asked, and not only the first. */
const AGAIN_MS = 300
/** A record is waited for no longer by what its teller said after it. */
const MOST_WAIT_MS = 5000
const MOST_KNOWN = 2 ** 16

type Body = Extract<PeerMessage, { is: 'object' }>

interface Ways {
  readonly clock: Clock
  /** Aborted when the join ends. */
  readonly over: AbortSignal
  send(to: SiteId, message: PeerMessage): void
  /** Acts on a message whose turn has come. True of a record that held, or that is here already. */
  handle(from: SiteId, message: PeerMessage): boolean
  /** A record that this site holds, by its hash. */
  find(hash: Hash): Body | undefined
  /** Smoothed, in milliseconds. */
  roundTrip(site: SiteId): number
}

/**
 * Records travel once: their author sends them, and whoever takes one in tells the others its hash, so that a site that
 * lacks it asks for it. Words of a peer that come after it told of a record wait until that record is here: each record can
 * be verified by those before it, whichever way they came. A peer that tells of what it never shows delays itself alone.
 */
export class RecordExchange {
  readonly #ways: Ways
  readonly #lines: ReadonlyMap<SiteId, Line>
  /** Hashes of records that were taken in, or that are here in another form. */
  readonly #known = new Set<Hash>()
  #telling = false

  constructor(peers: Iterable<SiteId>, ways: Ways) {
    this.#ways = ways
    this.#lines = new Map([...peers].map((site) => [site, new Line()]))
  }

  /** A new channel: nothing that was told or asked before counts, and what came before waits no more. */
  connected(site: SiteId): void {
    this.#release(site)
    this.#line(site).begin()
  }

  /** To be called before a record is sent: the peer hears first of all that this site took in before it. */
  sending(to: SiteId, { bytes }: Body): void {
    const hash = hashOf(bytes)
    this.#note(hash)
    this.#tell(to)
    this.#line(to).hasTold(hash)
  }

  /** True where a peer has a record, as far as was said. */
  isAt(site: SiteId, hash: Hash): boolean {
    return this.#line(site).told.has(hash)
  }

  /** Another's record that a peer may lack. */
  offer(to: SiteId, hash: Hash): void {
    this.#note(hash)
    const { told, untold } = this.#line(to)
    if (!told.has(hash)) untold.add(hash)
    this.#tellSoon()
  }

  receive(from: SiteId, message: PeerMessage): void {
    const line = this.#line(from)
    switch (message.is) {
      case 'have':
        this.#heardOf(from, message.objects.map(hashIn))
        return
      case 'ask':
        this.#answer(from, message.objects.map(hashIn))
        return
      case 'gone':
        for (const raw of message.objects) line.giveUp(hashIn(raw))
        this.#move(from)
        return
      case 'object': {
        const hash = hashOf(message.bytes)
        line.hasTold(hash)
        if (!line.asked.has(hash)) break
        line.hold(hash, message)
        if (line.isFull) this.#release(from)
        else this.#moveAll()
        return
      }
      default:
    }
    if (line.isEmpty) {
      this.#handle(from, message)
      return
    }
    line.wait(message)
    if (line.isFull) this.#release(from)
  }

  #line(site: SiteId): Line {
    return this.#lines.get(site) as Line
  }

  #note(hash: Hash): void {
    this.#known.add(hash)
    const [oldest] = this.#known
    if (oldest !== undefined && this.#known.size > MOST_KNOWN) this.#known.delete(oldest)
  }

  #isHere(hash: Hash): boolean {
    return this.#known.has(hash) || this.#ways.find(hash) !== undefined
  }

  #heardOf(from: SiteId, hashes: readonly Hash[]): void {
    const line = this.#line(from)
    for (const hash of hashes) line.hasTold(hash)
    const lacks = hashes.filter((hash) => !this.#isHere(hash))
    if (lacks.length === 0) return
    void this.#chase(from, line.waitFor(lacks)).catch(() => undefined)
    if (line.isFull) this.#release(from)
  }

  /** Asks for what still lacks of one message when its time has come: one peer first, and then whoever told of it. */
  async #chase(site: SiteId, lacks: ReadonlySet<Hash>): Promise<void> {
    const { clock, over, roundTrip } = this.#ways
    const wait = (ms: number): Promise<void> => clock.sleep(ms + 2 * roundTrip(site), over)
    await wait(GRACE_MS)
    this.#ask(site, [...lacks], [...this.#lines.values()])
    if (lacks.size === 0) return
    await wait(AGAIN_MS)
    this.#ask(site, [...lacks], [this.#line(site)])
    if (lacks.size === 0) return
    await wait(MOST_WAIT_MS)
    for (const hash of [...lacks]) this.#line(site).giveUp(hash)
    this.#move(site)
  }

  /** Not for those that are here by now, or were asked of one of these. */
  #ask(site: SiteId, hashes: readonly Hash[], asked: readonly Line[]): void {
    const wanted = hashes.filter((hash) => !this.#isHere(hash) && !asked.some((line) => line.asked.has(hash)))
    for (const hash of wanted) this.#line(site).asked.add(hash)
    this.#say(site, 'ask', wanted)
  }

  #answer(from: SiteId, hashes: readonly Hash[]): void {
    const line = this.#line(from)
    const gone: Hash[] = []
    for (const hash of hashes) {
      if (!line.mayGive(hash)) continue
      const body = this.#ways.find(hash)
      if (body === undefined) gone.push(hash)
      else this.#ways.send(from, body)
    }
    this.#say(from, 'gone', gone)
  }

  #say(to: SiteId, is: 'have' | 'ask' | 'gone', hashes: readonly Hash[]): void {
    for (let at = 0; at < hashes.length; at += MOST_HASHES)
      this.#ways.send(to, { is, objects: hashes.slice(at, at + MOST_HASHES).map(fromHex) })
  }

  #tell(to: SiteId): void {
    const { untold } = this.#line(to)
    const fresh = [...untold]
    untold.clear()
    for (const hash of fresh) this.#line(to).hasTold(hash)
    this.#say(to, 'have', fresh)
  }

  #tellSoon(): void {
    if (this.#telling) return
    this.#telling = true
    const tell = (): void => {
      this.#telling = false
      for (const site of this.#lines.keys()) this.#tell(site)
    }
    this.#ways.clock.sleep(GATHERED_MS, this.#ways.over).then(tell, () => undefined)
  }

  #handle(from: SiteId, message: PeerMessage): void {
    const held = this.#ways.handle(from, message)
    if (message.is !== 'object') return
    if (held) this.#note(hashOf(message.bytes))
    this.#moveAll()
  }

  #moveAll(): void {
    for (const site of this.#lines.keys()) this.#move(site)
  }

  /** Acts on what waits for nothing any more, in order. */
  #move(site: SiteId): void {
    const line = this.#line(site)
    if (line.moving) return
    line.moving = true
    for (let next = this.#next(line); next !== undefined; next = this.#next(line))
      this.#handle(next.from ?? site, next.message)
    line.moving = false
    for (const [hash, body] of line.bodies)
      if (![...this.#lines.values()].some((one) => one.lacks(hash))) this.#handOver(site, hash, body)
  }

  #handOver(giver: SiteId, hash: Hash, body: Body): void {
    this.#line(giver).drop(hash)
    this.#handle(giver, body)
  }

  /** A record that somebody gave goes first in the line that waits for it: its giver's order says that it can be verified. */
  #next(line: Line): { readonly from: SiteId | undefined; readonly message: PeerMessage } | undefined {
    for (let hash = line.waitedFor; hash !== undefined; hash = line.waitedFor) {
      const given = this.#isHere(hash) ? undefined : this.#takeGiven(hash)
      if (given === undefined && !this.#isHere(hash)) return undefined
      line.giveUp(hash)
      if (given !== undefined) return given
    }
    const message = line.shift()
    return message && { from: undefined, message }
  }

  /** A record that somebody gave, out of what it is kept in. */
  #takeGiven(hash: Hash): { readonly from: SiteId; readonly message: Body } | undefined {
    for (const [from, line] of this.#lines) {
      const message = line.bodies.get(hash)
      if (message === undefined) continue
      line.drop(hash)
      return { from, message }
    }
    return undefined
  }

  /** Nothing that this peer said waits any more: it said more than is kept, or its channel is new. */
  #release(site: SiteId): void {
    const line = this.#line(site)
    line.giveUpAll()
    for (const [hash, body] of line.bodies) this.#handOver(site, hash, body)
    this.#move(site)
  }
}

const hashIn = (raw: Uint8Array): Hash => toHex(raw) as Hash
