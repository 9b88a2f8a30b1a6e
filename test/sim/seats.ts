import * as v from 'valibot'
import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import { runAttempts } from '../../src/ceremony/engine/attempts.ts'
import { openLog } from '../../src/ceremony/engine/open.ts'
import type { Run } from '../../src/ceremony/engine/run.ts'
import { SeatHistory } from '../../src/ceremony/gather/seat-history.ts'
import type { SeatingFacts } from '../../src/ceremony/gather/seating.ts'
import type { KindRun, Prepared } from '../../src/ceremony/kinds/kind.ts'
import { sign as signKind } from '../../src/ceremony/kinds/sign.ts'
import { peerMessageCodec } from '../../src/ceremony/peers/peer-message.ts'
import { Peers } from '../../src/ceremony/peers/peers.ts'
import type { Site } from '../../src/ceremony/ports.ts'
import type { Session } from '../../src/ceremony/session/session.ts'
import { Ceremony } from '../../src/ceremony/store/ceremony.ts'
import type { HeldAttempt } from '../../src/ceremony/store/record-store.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Rounds } from '../../src/mpc/mailbox.ts'
import { attemptCodec } from '../../src/records/attempt.ts'
import { jsonCodec } from '../../src/records/codec.ts'
import { label } from '../../src/records/fields.ts'
import { approvalCodec } from '../../src/records/identity.ts'
import type { SignDefinition } from '../../src/records/kinds/sign.ts'
import type { SignResult } from '../../src/records/outcome.ts'
import { attemptsThatSuffice } from '../../src/records/seats.ts'
import { decodeEnvelope } from '../../src/records/signed.ts'
import { stillClock } from '../../src/rehearsal/still-clock.ts'
import { signDefinition, siteEntries } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'
import { type MemoryWorld, memorySite } from '../support/memory-site.ts'
import { memoryNetwork } from '../support/memory-wire.ts'
import { seededRandom } from '../support/random.ts'
import { lightWire, type Medium } from './light-channels.ts'

/**
 * Attempts of chosen seats as the sites run them: gathering, seating, sessions, records, logs. Only the channels are light
 * (light-channels.ts), the protocol is two rounds of nothing, and its signature is a hash. Time stands still while anybody
 * works, so a run depends on its seed alone.
 */

const deadlines = { gather: 900, proposal: 5, round: 20, close: 60 }
const signature = 'ab'.repeat(64)
const text = jsonCodec('toy/v1', v.strictObject({ text: label }), 256)
const rounds = {
  commitments: { codec: text, to: 'all', echo: 'rides' },
  shares: { codec: text, to: 'all', echo: 'none' },
} as const satisfies Rounds

/** What a faulty site does, besides what the protocol says. */
export const habits = ['crash', 'silent', 'unsigning', 'selective', 'lossy', 'late', 'greedy', 'hiding'] as const
export type Habit = (typeof habits)[number] | 'rival'

export interface Plan {
  readonly seed: string
  readonly sites: number
  readonly threshold: number
  /** By index from 1; the others are honest. */
  readonly faulty: ReadonlyMap<number, Habit>
}

export interface Outcome {
  readonly plan: Plan
  /** Most attempts that an honest site signed, and what the rule allows. */
  readonly attempts: number
  readonly bound: number
  /** Virtual milliseconds until the last honest site had the signature. */
  readonly took: number
  /** What went against the rule. */
  readonly faults: readonly string[]
}

export const planOf = (seed: string, most = 9): Plan => {
  const random = numbers(`plan ${seed}`)
  const sites = 2 + Math.floor(random() * (most - 1))
  const threshold = 2 + Math.floor(random() * (sites - 1))
  const count = Math.floor(random() * (sites - threshold + 1))
  const indices = Array.from({ length: sites }, (_, at) => at + 1)
  const faulty = new Map<number, Habit>()
  while (faulty.size < count) {
    // Coordinators, the first in the roster, are those who can do most.
    const at = Math.floor(random() ** 1.5 * indices.length)
    const [index] = indices.splice(at, 1)
    if (index !== undefined) faulty.set(index, habits[Math.floor(random() * habits.length)] as Habit)
  }
  return { seed, sites, threshold, faulty }
}

/** Coordinators that race: rivals nearly all of them, and as many as may be faulty. */
export const rivalPlan = (seed: string, most: number): Plan => {
  const random = numbers(`rivals ${seed}`)
  const sites = 3 + Math.floor(random() * (most - 2))
  const threshold = 2 + Math.floor(random() * (sites - 2))
  const faulty = new Map<number, Habit>()
  const coordinators = Array.from({ length: sites - threshold + 1 }, (_, at) => at + 1)
  while (faulty.size < sites - threshold) {
    const [index] = coordinators.splice(Math.floor(random() * coordinators.length), 1)
    faulty.set(index as number, random() < 0.8 ? 'rival' : (habits[Math.floor(random() * habits.length)] as Habit))
  }
  return { seed, sites, threshold, faulty }
}

export const describePlan = ({ seed, sites, threshold, faulty }: Plan): string =>
  `seed ${seed}: ${threshold} of ${sites}, ${[...faulty].map(([index, habit]) => `s${index} ${habit}`).join(', ') || 'none faulty'}`

const numbers = (seed: string): (() => number) => {
  const random = seededRandom(seed)
  return () => {
    const bytes = random(4)
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) / 2 ** 32
  }
}

/** Proposes whenever it can, whosever turn it is. */
class Greedy extends SeatHistory {
  override facts(): SeatingFacts {
    return { ...super.facts(), turns: new Map() }
  }
}

/** Follows nobody, and proposes some time after it came free, or (`most` below 0) as soon as somebody else does. */
const rivals = (random: () => number, most: number): typeof SeatHistory =>
  class extends SeatHistory {
    readonly #of: Ceremony
    #at = -1
    #since = Number.NaN
    #known = 0

    constructor(ceremony: Ceremony, ...rest: [never, never]) {
      super(ceremony, ...rest)
      this.#of = ceremony
    }

    override facts(): SeatingFacts {
      const facts = super.facts()
      const since = facts.candidates.find(({ site }) => site === facts.self)?.freeSince ?? 0
      const known = this.#of.store.attempts.size
      if (since !== this.#since) {
        this.#since = since
        this.#at = facts.now + (most < 0 ? 6000 : random() * most)
        this.#known = known
      }
      if (most < 0 && known > this.#known) this.#at = 0
      if (facts.now < this.#at) return { ...facts, now: Number.NEGATIVE_INFINITY, proposalMs: 100 }
      const turns = new Map(facts.coordinators.map((one) => [one, one === facts.self ? 0 : 9]))
      return { ...facts, coordinators: [facts.self], turns }
    }
  }
const paces = [0, 400, 1300, 2600, 6000, -1]

export const play = async (plan: Plan): Promise<Outcome> => {
  const { seed, sites: count, threshold, faulty } = plan
  const names = Array.from({ length: count }, (_, at) => `s${at + 1}` as SiteId)
  const habitOf = new Map([...faulty].map(([index, habit]) => [names[index - 1] as SiteId, habit]))
  const honest = names.filter((name) => !habitOf.has(name))
  const random = numbers(`run ${seed}`)
  const clock = stillClock()
  const world: MemoryWorld = {
    clock,
    network: memoryNetwork({ clock, random: seededRandom(seed) }),
    homes: new Map(await Promise.all(names.map(async (name) => [name, await memoryHome(name)] as const))),
  }
  const definition: SignDefinition = await signDefinition({
    sites: await siteEntries(names),
    threshold,
    nonce: hashOf(utf8(seed)).slice(0, 32),
    attempts: Math.min(100, Math.max(5, attemptsThatSuffice(count, threshold))),
    deadlines,
  })
  const authority = definitionAuthority(definition)
  const approvals = await Promise.all(
    [...world.homes.values()].map(async ({ home }) => {
      const { signer } = await home.unlock()
      const approval = { ceremony: authority.hash, identity: home.identity, role: 'site', purpose: 'approve' } as const
      return toEnvelope(await signer.sign(approvalCodec, { ...approval, at: 1 }))
    }),
  )

  const dead = new Map<SiteId, number>()
  for (const [name, habit] of habitOf) if (habit === 'crash') dead.set(name, random() * 90_000)
  const blind = new Set<string>()
  const pace = new Map<SiteId, number>()
  for (const [name, habit] of habitOf)
    if (habit === 'rival') pace.set(name, paces[Math.floor(random() * paces.length)] as number)
  for (const [name] of habitOf) for (const to of names) if (random() < 0.5) blind.add(`${name} ${to}`)
  const medium: Medium = {
    clock,
    sites: new Map(),
    last: new Map(),
    delay: () => random() * 400,
    isDead: (site) => clock.monotonic() >= (dead.get(site) ?? Number.POSITIVE_INFINITY),
    keeps(from, to, topic, message) {
      const habit = habitOf.get(from)
      const inSession = topic !== authority.hash
      const isBlind = blind.has(`${from} ${to}`)
      switch (habit) {
        case 'silent':
          return inSession ? undefined : 0
        case 'greedy':
        case 'rival':
        case 'selective':
          return inSession && isBlind ? undefined : 0
        case 'lossy':
          return random() < 0.3 ? undefined : 0
        case 'late':
          return inSession || random() < 0.2 ? random() * 26_000 : 0
        case 'hiding':
          return isBlind ? undefined : 0
        case 'unsigning': {
          const said = inSession ? undefined : peerMessageCodec.decode(message)
          if (said?.is !== 'object' || said.name !== 'attempt') return 0
          const attempt = attemptCodec.decode(decodeEnvelope(said.bytes, attemptCodec.limit).payload)
          return attempt.coordinator === from || isBlind ? 0 : undefined
        }
        default:
          return 0
      }
    },
  }

  const faults: string[] = []
  const stop = new AbortController()
  const join = async (name: SiteId): Promise<Ceremony> => {
    const site: Site = await memorySite(world, name)
    await clock.sleep(random() * 3000)
    const habit = habitOf.get(name)
    const ceremony = await Ceremony.open(site, authority, signKind as never, {
      progress(event) {
        if (habit !== undefined || event.phase !== 'attempt-failed') return
        const accused = /^(?:nothing from|not signed by) (.+?)(?: in .*)?$/.exec(event.reason)?.[1]?.split(', ') ?? []
        for (const one of accused) if (honest.includes(one as SiteId)) faults.push(`${name} says: ${event.reason}`)
      },
      signal: stop.signal,
      message: null,
      check: false,
    })
    const prepared = { base: definition.base, noteIn: () => undefined } as unknown as Prepared
    for (const approval of approvals) ceremony.store.admit('approval', approval, null)
    await openLog(ceremony, prepared)
    const peers = new Peers(ceremony, lightWire(medium), () => undefined)
    const run = {
      ceremony,
      peers,
      prepared,
      claims: { judgePending: () => undefined },
      work: toyRun(ceremony, definition),
    } as unknown as Run
    peers.open()
    const most = pace.get(name)
    await runAttempts(run, habit === 'greedy' ? Greedy : most === undefined ? undefined : rivals(random, most))
    return ceremony
  }

  const joins = names.map((name) => [name, join(name)] as const)
  const ended = joins
    .filter(([name]) => honest.includes(name))
    .map(([name, done]) =>
      done.then(
        (ceremony) => ceremony.attempts.length,
        (error: unknown) => {
          faults.push(`${name} ended: ${error instanceof Error ? error.message : String(error)}`)
          return 0
        },
      ),
    )
  for (const [name, done] of joins) if (!honest.includes(name)) done.catch(() => undefined)
  const attempts = Math.max(...(await Promise.all(ended)))
  const took = clock.monotonic()
  clock.stop()
  const bound = (faulty.size + 1) * (count - threshold + 1)
  if (attempts > bound) faults.push(`an honest site signed ${attempts} attempts, more than ${bound}`)
  return { plan, attempts, bound, took, faults }
}

/** Two rounds, after which every participant states the same signature. */
const toyRun = (ceremony: Ceremony, definition: SignDefinition): KindRun => {
  const isSettled = (): boolean =>
    [...ceremony.store.results.values()].some(({ signed }) => signed.value.signature === signature)
  return {
    isSettled,
    settle: async () => isSettled(),
    attempt: async (session: Session, attempt: HeldAttempt) => {
      const box = session.mailbox({ id: 'toy', rounds })
      await box.broadcast('commitments', { text: `commitment-${box.self}` })
      await box.broadcast('shares', { text: `share-${box.self}` })
      const result: SignResult = {
        ceremony: ceremony.authority.hash,
        attempt: attempt.hash,
        site: ceremony.seat.name,
        transcript: session.transcript(),
        base: definition.base as Hash,
        publicKey: 'cd'.repeat(32),
        message: 'ef'.repeat(32) as Hash,
        signature,
      }
      await ceremony.publish('result', result)
    },
    commit: async () => undefined,
    outputs: () => new Map(),
    faults: () => [],
  }
}
