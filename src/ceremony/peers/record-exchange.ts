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
  /** Set while what waited is acted on. */
  #moving = false
  /** Records for which no line waits any more, and who gave them. */
  readonly #free: { readonly giver: SiteId; readonly hash: Hash }[] = []

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
        for (const raw of message.objects) this.#giveUp(line, hashIn(raw))
        this.#move()
        return
      case 'object': {
        const hash = hashOf(message.bytes)
        line.hasTold(hash)
        if (!line.wasAsked(hash) && !line.lacks(hash)) break
        line.hold(hash, message)
        if (!this.#isWaitedFor(hash)) this.#free.push({ giver: from, hash })
        if (line.isFull) this.#release(from)
        else this.#move()
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
    if (lacks.length === 0 || !line.mayChase) return
    line.chases += 1
    void this.#chase(from, line.waitFor(lacks))
      .catch(() => undefined)
      .finally(() => {
        line.chases -= 1
      })
    if (line.isFull) this.#release(from)
  }

  /** Asks for what still lacks of one message when its time has come: one peer first, and then whoever told of it. */
  async #chase(site: SiteId, lacks: ReadonlySet<Hash>): Promise<void> {
    const { clock, over, roundTrip } = this.#ways
    // A record may have come by a way of its own, as in a note: then nothing waits for it.
    const wait = async (ms: number): Promise<void> => {
      await clock.sleep(ms + 2 * roundTrip(site), over)
      this.#move()
    }
    await wait(GRACE_MS)
    this.#ask(site, [...lacks], [...this.#lines.values()])
    if (lacks.size === 0) return
    await wait(AGAIN_MS)
    this.#ask(site, [...lacks], [this.#line(site)])
    if (lacks.size === 0) return
    await wait(MOST_WAIT_MS)
    for (const hash of [...lacks]) this.#giveUp(this.#line(site), hash)
    this.#move()
  }

  /** Not for those that are here by now, or were asked of one of these. */
  #ask(site: SiteId, hashes: readonly Hash[], asked: readonly Line[]): void {
    const wanted = hashes.filter((hash) => !this.#isHere(hash) && !asked.some((line) => line.wasAsked(hash)))
    for (const hash of wanted) this.#line(site).ask(hash)
    this.#say(site, 'ask', wanted)
  }

  /** Whoever asks is always answered: its peer's words wait for that. */
  #answer(from: SiteId, hashes: readonly Hash[]): void {
    const line = this.#line(from)
    const gone: Hash[] = []
    for (const hash of hashes) {
      const body = line.give(hash) ? this.#ways.find(hash) : undefined
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
    this.#act(from, message)
    if (message.is === 'object') this.#move()
  }

  /** True of a record that held. */
  #act(from: SiteId, message: PeerMessage): boolean {
    const held = this.#ways.handle(from, message)
    if (held && message.is === 'object') this.#note(hashOf(message.bytes))
    return held
  }

  /** Acts on what waits for nothing any more, in order: one after the other, however much one of them sets free. */
  #move(): void {
    if (this.#moving) return
    this.#moving = true
    try {
      while (this.#actOnFree() || [...this.#lines].some(([site, line]) => this.#actOnNext(site, line)));
    } finally {
      this.#moving = false
    }
  }

  #actOnFree(): boolean {
    const next = this.#free.shift()
    const body = next && this.#line(next.giver).bodies.get(next.hash)
    if (next === undefined) return false
    if (body === undefined) return true
    this.#line(next.giver).drop(next.hash)
    this.#act(next.giver, body)
    return true
  }

  /**
   * A record that somebody gave goes first in the line that waits for it: its giver's order says that it can be verified.
   * One that did not hold as another gave it is still waited for: the same bytes may have come under another name.
   */
  #actOnNext(site: SiteId, line: Line): boolean {
    const hash = line.waitsFor
    if (hash === undefined) {
      const message = line.shift()
      if (message !== undefined) this.#act(site, message)
      return message !== undefined
    }
    if (this.#isHere(hash)) {
      this.#giveUp(line, hash)
      return true
    }
    for (const [giver, { bodies }] of this.#lines) {
      const message = bodies.get(hash)
      if (message === undefined) continue
      this.#line(giver).drop(hash)
      if (this.#act(giver, message) || giver === site) this.#giveUp(line, hash)
      return true
    }
    return false
  }

  #isWaitedFor(hash: Hash): boolean {
    return [...this.#lines.values()].some((line) => line.lacks(hash))
  }

  #giveUp(line: Line, hash: Hash): void {
    line.giveUp(hash)
    if (this.#isWaitedFor(hash)) return
    for (const [giver, { bodies }] of this.#lines) if (bodies.has(hash)) this.#free.push({ giver, hash })
  }

  /** Nothing that this peer said waits any more: it said more than is kept, or its channel is new. */
  #release(site: SiteId): void {
    const line = this.#line(site)
    for (const hash of line.lacking) this.#giveUp(line, hash)
    for (const hash of line.bodies.keys()) this.#free.push({ giver: site, hash })
    this.#move()
  }
}

const hashIn = (raw: Uint8Array): Hash => toHex(raw) as Hash
