import { expect } from 'vitest'
import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import { Peers } from '../../src/ceremony/peers/peers.ts'
import type { Site } from '../../src/ceremony/ports.ts'
import type { Ceremony, JoinControl } from '../../src/ceremony/store/ceremony.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import type { StoredEpoch } from '../../src/shards/epochs.ts'
import { approveAll, type Joined, joinAs, type Liar } from '../hostile/ceremonies.ts'
import { caseOf, epochsAt, type KeyHolders, ownerOf, recordHash, said } from '../hostile/refreshes.ts'
import { type MemoryWorld, memorySite } from '../support/memory-site.ts'
import { memoryNetwork } from '../support/memory-wire.ts'
import { seededRandom } from '../support/random.ts'

/**
 * Drives the real engine through steps of successors.pml. Sites 0 to 2 of the model are s1 to s3, and 2 is the one that lies;
 * successors 1 to 4 are A to D. All of them run at once, each in a room of its own. Votes and receipts reach a peer only
 * where a step shows them; everything else passes. What a step allows stays allowed: a site that cannot do it yet does it
 * once it can. After each step the honest sites hold a quorum of some epoch that one of them can show.
 */

export const names = ['s1', 's2', 's3'] as SiteId[]
const honest = names.slice(0, 2)
const LIAR = names[2] as SiteId
const decisive: ReadonlySet<string> = new Set(['ready', 'installed', 'retired'])
/** A site votes as soon as it holds the proofs of all: it gets none before its step. */
const PROOF = 'possession'
export const [A, B, C, D] = [1, 2, 3, 4] as const

interface Seat {
  readonly site: SiteId
  readonly of: number
  readonly held: Map<SiteId, PeerMessage[]>
  /** Peers that are shown everything as it comes. */
  readonly shown: Set<SiteId>
  /** Messages that wait until somebody may vote, by who that is. */
  readonly proofs: Map<SiteId, PeerMessage[]>
  control: JoinControl | undefined
  ceremony: Ceremony | undefined
  room: Peers | undefined
  stop: AbortController
  done: Promise<Joined> | undefined
  ended: boolean
  silent: boolean
  last: Joined | undefined
}

const seatsOpen = new Set<Seat>()
const open = Peers.prototype.open
Peers.prototype.open = function (this: Peers): void {
  const members = new Set<object>([...this.bySite.values()].map(({ member }) => member))
  for (const seat of seatsOpen)
    if (seat.ceremony?.authority.roster.some((one) => members.has(one)) === true) seat.room = this
  open.call(this)
}

export class Successors {
  readonly world: MemoryWorld
  readonly #holders: KeyHolders
  readonly #definitions = new Map<number, Definition>()
  readonly #networks = new Map<number, MemoryWorld['network']>()
  /** One owner of each home for all the ceremonies that it is in at once. */
  readonly #owners: ReadonlyMap<SiteId, Partial<Site>>
  readonly #leaves: readonly number[]
  readonly #forgets: readonly number[]
  readonly #seats: Seat[] = []
  readonly #mayVote = new Set<string>()
  #healed = false

  private constructor(
    holders: KeyHolders,
    world: MemoryWorld,
    owners: ReadonlyMap<SiteId, Partial<Site>>,
    leaves: readonly number[],
    forgets: readonly number[],
  ) {
    this.#leaves = leaves
    this.#forgets = forgets
    this.#holders = holders
    this.world = world
    this.#owners = owners
  }

  /** `leaves`: successors that the third site does not vote for. `forgets`: those whose definition names nothing. */
  static async open(
    holders: KeyHolders,
    name: string,
    { leaves = [], forgets = [] }: { readonly leaves?: readonly number[]; readonly forgets?: readonly number[] } = {},
  ): Promise<Successors> {
    const world = await caseOf(holders, name)
    const owners = await Promise.all(names.map(async (one) => [one, await ownerOf(world, one)] as const))
    return new Successors(holders, world, new Map(owners), leaves, forgets)
  }

  /** The record of a successor that some site voted for. */
  async record(of: number): Promise<Hash> {
    const ceremony = ceremonyId(this.#definitions.get(of) ?? expect.fail(`${of} is not begun`))
    for (const name of names)
      for (const epoch of await epochsAt(this.world, name))
        if (epoch.made.ceremony === ceremony && epoch.record !== undefined) return recordHash(epoch)
    return expect.fail(`nobody has a record of ${of}`)
  }

  async #begin(of: number): Promise<void> {
    if (this.#definitions.has(of)) return
    const named = this.#forgets.includes(of) ? undefined : of === C ? A : of === D ? C : undefined
    const definition = await this.#holders.refresh({
      nonce: `${of}${of}`.repeat(16),
      deadlines: { gather: 30, proposal: 5, round: 30, close: 600 },
      attempts: 20,
      ...(named === undefined ? {} : { supersedes: [await this.record(named)] }),
      ...(of === D ? { base: await this.record(A), epoch: 3 } : {}),
    })
    this.#definitions.set(of, definition)
    this.#networks.set(of, memoryNetwork({ clock: this.world.clock, random: seededRandom(`room ${of}`) }))
    await approveAll(this.world, names, definition)
    if (!this.#leaves.includes(of)) this.#mayVote.add(`${LIAR} ${of}`)
    for (const site of names)
      this.#seats.push({
        ...{ site, of, held: new Map(), shown: new Set(), proofs: new Map() },
        ...{ control: undefined, ceremony: undefined, room: undefined, done: undefined, last: undefined },
        ...{ stop: new AbortController(), ended: true, silent: false },
      })
  }

  #seat(site: SiteId, of: number): Seat {
    return this.#seats.find((one) => one.site === site && one.of === of) ?? expect.fail(`no seat of ${of}`)
  }

  async #start(seat: Seat): Promise<void> {
    const definition = this.#definitions.get(seat.of) ?? expect.fail()
    const room = { ...this.world, network: this.#networks.get(seat.of) ?? expect.fail() }
    const real = await memorySite(room, seat.site)
    const connect: typeof real.connect = async (to) => ({
      ...(await real.connect(to)),
      // Notes show votes to everybody.
      post: () => undefined,
    })
    const hook: Liar = {
      site: seat.site,
      get ceremony() {
        return seat.ceremony
      },
      set ceremony(one) {
        seat.ceremony = one
      },
      post: (_topic, _to, bytes) => [bytes],
      talk: (to, message) => this.#passes(seat, to, message),
    }
    const stop = new AbortController()
    Object.assign(seat, { stop, ended: false, ceremony: undefined, room: undefined, control: undefined })
    seatsOpen.add(seat)
    seat.done = joinAs(room, seat.site, definition, null, hook, {
      site: { ...this.#owners.get(seat.site), connect },
      control: (control) => {
        seat.control = control
      },
      stop: stop.signal,
    })
    void seat.done.then((joined) => {
      if (seat.stop !== stop) return
      seat.ended = true
      seat.last = joined
    })
  }

  #passes(seat: Seat, to: SiteId, message: PeerMessage): readonly PeerMessage[] {
    if (this.#healed && seat.site === LIAR) return []
    if (message.is !== 'object') return [message]
    const keep = (where: Map<SiteId, PeerMessage[]>): readonly PeerMessage[] => {
      where.set(to, [...(where.get(to) ?? []), message])
      return []
    }
    if (message.name === PROOF && !this.#mayVote.has(`${to} ${seat.of}`)) return keep(seat.proofs)
    return decisive.has(message.name) && !seat.shown.has(to) ? keep(seat.held) : [message]
  }

  /** True once it is so; false where it is not within that time of the world's clock. */
  async #until(isSo: () => boolean, ms: number): Promise<boolean> {
    const { clock } = this.world
    const end = clock.monotonic() + ms
    while (!isSo() && clock.monotonic() < end) await clock.sleep(100)
    return isSo()
  }

  /** All sites are in that room, as far as they come. */
  async #gathered(of: number): Promise<void> {
    // The one that lies knows everything in the model: it builds on A as soon as the others do.
    if (of === D) for (const name of honest) await this.show(name, LIAR, A)
    await this.#begin(of)
    const away = this.#seats.filter(
      (one) => one.of === of && one.ended && !one.silent && one.last?.result === undefined && !this.#hasLeft(one),
    )
    for (const seat of away) if (!(this.#healed && seat.site === LIAR)) await this.#start(seat)
    if (away.length > 0) await this.world.clock.sleep(2000)
  }

  #hasLeft({ ceremony }: Seat): boolean {
    return ceremony?.aborted === true
  }

  #send(seat: Seat, to: SiteId, from: Map<SiteId, PeerMessage[]>): void {
    for (const message of from.get(to) ?? []) seat.room?.send(to, message)
    from.delete(to)
  }

  #letVote(site: SiteId, of: number): void {
    this.#mayVote.add(`${site} ${of}`)
    for (const seat of this.#seats) if (seat.of === of) this.#send(seat, site, seat.proofs)
  }

  /** Everything decisive that one site holds of a successor. Nothing more, once it is shown. */
  async show(from: SiteId, to: SiteId, of: number): Promise<void> {
    await this.#gathered(of)
    const seat = this.#seat(from, of)
    seat.shown.add(to)
    this.#send(seat, to, seat.held)
    await this.world.clock.sleep(1000)
    seat.shown.delete(to)
  }

  hasSaid(site: SiteId, of: number, what: 'staged' | 'ready' | 'installed' | 'retired'): boolean {
    return (this.#seat(site, of).ceremony?.events(what) ?? []).some((event) => event.site === site)
  }

  async vote(site: SiteId, of: number): Promise<boolean> {
    await this.#gathered(of)
    this.#letVote(site, of)
    const seat = this.#seat(site, of)
    return this.#until(() => seat.ended || this.hasSaid(site, of, 'ready'), 20_000).then(() =>
      this.hasSaid(site, of, 'ready'),
    )
  }

  /** Its operator leaves; what the site promised before stays. */
  async leave(site: SiteId, of: number): Promise<boolean> {
    const seat = this.#seat(site, of)
    seat.silent = false
    if (seat.ended) await this.#start(seat)
    await this.#until(() => seat.control !== undefined, 5000)
    await seat.control?.abort('its operator left').catch(() => undefined)
    await this.#until(() => seat.ended, 20_000)
    return seat.ceremony?.aborted === true
  }

  /** Says nothing any more there, and nobody sees why. */
  async stop(site: SiteId, of: number): Promise<void> {
    const seat = this.#seat(site, of)
    seat.stop.abort(new QuorateError('E_STOPPED', 'stopped', 'a test'))
    await seat.done
    seat.silent = true
  }

  async installs(site: SiteId, of: number): Promise<boolean> {
    return this.#until(() => this.hasSaid(site, of, 'installed'), 5000)
  }

  /** The successor that a site uses; 0 is the epoch that they replace. */
  async uses(site: SiteId): Promise<number> {
    return this.#numberOf((await epochsAt(this.world, site)).findLast(({ state }) => state === 'installed'))
  }

  #numberOf(epoch: StoredEpoch | undefined): number {
    const of = [...this.#definitions].find(([, one]) => ceremonyId(one) === epoch?.made.ceremony)
    return of?.[0] ?? 0
  }

  /** The promise of PROTOCOL §8. */
  async check(): Promise<void> {
    const held = await Promise.all(honest.map((name) => epochsAt(this.world, name)))
    const usable = held.flat().flatMap(({ state, outcome }) => {
      const whole = held.every((all) => all.some((one) => one.outcome === outcome && one.state !== 'retired'))
      return state === 'installed' && whole ? [outcome] : []
    })
    expect(usable, 'no epoch is held by all honest sites and shown by one').not.toEqual([])
  }

  /** True where the engine did it. */
  async step(line: string): Promise<boolean> {
    const done = await this.#step(line)
    await this.check()
    return done
  }

  async #step(line: string): Promise<boolean> {
    const [what, ...rest] = line.split(' ')
    const numbers = rest.map(Number).filter((one) => !Number.isNaN(one))
    const at = (place: number): SiteId => names[numbers[place] as number] as SiteId
    switch (what) {
      case 'vote':
        return this.vote(at(0), numbers[1] as number)
      case 'show':
        await this.show(at(0), at(1), numbers[2] as number)
        return true
      case 'liar': {
        const of = numbers[0] as number
        await this.#gathered(of)
        // From now on as it comes: it may not have voted yet.
        this.#seat(LIAR, of).shown.add(at(1))
        this.#send(this.#seat(LIAR, of), at(1), this.#seat(LIAR, of).held)
        const voted = await this.#until(() => this.hasSaid(LIAR, of, 'ready'), 5000)
        await this.world.clock.sleep(1000)
        return voted
      }
      case 'install':
        return this.installs(at(0), numbers[1] as number)
      case 'destroy': {
        // A liar's receipt may be there from the first.
        const of = numbers[1] as number
        await this.show(names[0] as SiteId, LIAR, of)
        await this.show(names[1] as SiteId, LIAR, of)
        await this.show(LIAR, at(0), of)
        return this.#until(() => this.hasSaid(at(0), of, 'retired'), 5000)
      }
      case 'heal':
        await this.heal()
        return true
      default:
        throw new Error(`no such step: ${line}`)
    }
  }

  /** The liar is silent from now on; whatever one honest site holds reaches the other, and each joins all again. */
  async heal(): Promise<void> {
    this.#healed = true
    for (const seat of this.#seats) for (const to of names) seat.shown.add(to)
    for (let round = 0; round < 2; round++)
      for (const of of [...this.#definitions.keys()].sort()) {
        await this.#gathered(of)
        for (const seat of this.#seats) for (const to of names) if (seat.site !== LIAR) this.#send(seat, to, seat.held)
        await this.world.clock.sleep(3000)
      }
    await this.check()
  }

  /** Everybody is honest from now on, and joins until nothing is left to do. Returns how the joins of the last one ended. */
  async finish(last: number): Promise<readonly string[]> {
    await this.#begin(last)
    for (const of of this.#definitions.keys()) for (const name of names) this.#letVote(name, of)
    for (const seat of this.#seats) for (const to of names) seat.shown.add(to)
    const seats = this.#seats.filter(({ of }) => of === last)
    for (let round = 0; round < 3 && seats.some(({ ended }) => !ended || round === 0); round++) {
      await this.#gathered(last)
      for (const seat of this.#seats) for (const to of names) this.#send(seat, to, seat.held)
      await this.#until(() => seats.every(({ ended }) => ended), 5000)
    }
    await this.check()
    return seats.map((seat) => (seat.last === undefined ? 'waits' : said(seat.last)))
  }

  async end(): Promise<void> {
    for (const seat of this.#seats) {
      seat.stop.abort(new QuorateError('E_STOPPED', 'stopped', 'the test is over'))
      await seat.done
      seatsOpen.delete(seat)
    }
  }
}
