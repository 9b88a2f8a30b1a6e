import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Progress } from '../../src/ceremony/progress.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Definition } from '../../src/records/definition.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { built } from '../support/cli.ts'
import { keygenDefinition, signDefinition } from '../support/definition.ts'
import { type Conditions, memoryNetwork } from '../support/memory-wire.ts'
import { seededRandom } from '../support/random.ts'
import { type SimDisk, seeded } from '../support/sim-disk.ts'
import { type LinkConditions, startBadLink } from './bad-link.ts'
import { type Ending, lifeClock, startProcess } from './process.ts'
import { report } from './report.ts'
import { type SpawnedRelay, spawnRelay } from './spawned.ts'
import { approveOn, copyOf, filesIn, newHome } from './world.ts'

const NIGHTLY = process.env['QUORATE_NIGHTLY'] === '1'
const KILLS = 100
const names = ['eu', 'us', 'ap']
const signers = ['eu', 'ap']
const message = utf8('pay nobody')
type Files = ReadonlyMap<string, Uint8Array>
type Disks = ReadonlyMap<string, SimDisk>

const at = (url: string) => ({ url, identity: null })
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const fresh = new Map<string, Files>()
const made = new Map<string, Files>()
let key: { readonly id: Hash; readonly base: Hash }
let nonces = 0

/** A definition that no other run has: a room, and notes, of its own. */
const nonceOf = (): string => (nonces++).toString(16).padStart(32, '0')
const keygenOf = (changes: Partial<KeygenDefinition>): Promise<KeygenDefinition> =>
  keygenDefinition({ nonce: nonceOf(), ...changes })
const signOf = (changes: Partial<KeygenDefinition>): Promise<Definition> =>
  signDefinition({
    nonce: nonceOf(),
    key: key.id,
    base: key.base,
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
    ...(changes as object),
  })

const approvedDisks = async (kind: 'keygen' | 'sign', definition: Definition): Promise<Disks> => {
  const disks = new Map<string, SimDisk>()
  for (const name of kind === 'keygen' ? names : signers) {
    const disk = await copyOf((kind === 'keygen' ? fresh : made).get(name) as Files, 1)
    await approveOn(disk, name, definition)
    disks.set(name, disk)
  }
  return disks
}

interface Told {
  readonly endings: readonly Ending[]
  /** Attempts that each site signed. */
  readonly attempts: readonly number[]
  readonly story: readonly string[]
}

const joinAll = async (
  disks: Disks,
  definition: Definition,
  options: Partial<Parameters<typeof startProcess>[0]> = {},
): Promise<Told> => {
  const events = new Map<string, Progress[]>()
  const endings = await Promise.all(
    [...disks].map(([name, disk]) => {
      const told: Progress[] = []
      events.set(name, told)
      const given = definition.kind === 'sign' ? message : null
      const progress = (event: Progress): void => {
        told.push(event)
      }
      return startProcess({ name, disk, definition, message: given, speed: 1, progress, ...options }).ended
    }),
  )
  return {
    endings,
    attempts: [...events.values()].map((told) => told.filter(({ phase }) => phase === 'attempt').length),
    story: endings.map((one) => (one.is === 'failed' ? `${one.error.code} ${one.error.message}` : one.is)),
  }
}

const openPoints = ({ endings }: Told): readonly string[] =>
  endings.flatMap((one) => (one.is === 'closed' ? one.result.open : ['not closed']))

/** An end at a deadline says who was missing, or what is open. */
const namesMissing = (ending: Ending): boolean => {
  if (ending.is === 'closed') return true
  if (ending.is !== 'failed') return false
  const { code, exit, details, message: text } = ending.error
  const listed = (details['missing'] ?? details['absent'] ?? details['waiting']) as readonly SiteId[] | undefined
  if (code === 'E_RELAY') return exit === 5
  if (code === 'E_APPROVALS_MISSING') return names.some((name) => text.includes(name))
  return (
    (exit === 3 || exit === 5) &&
    listed !== undefined &&
    listed.length > 0 &&
    listed.every((name) => text.includes(name))
  )
}

beforeAll(async () => {
  const first = await keygenOf({})
  const network = memoryNetwork({ clock: lifeClock(1, new AbortController().signal), random: seededRandom('first') })
  for (const name of names) fresh.set(name, await newHome(name))
  const disks = await approvedDisks('keygen', first)
  expect(openPoints(await joinAll(disks, first, { network }))).toEqual([])
  for (const [name, disk] of disks) made.set(name, await filesIn(disk))
  const [epoch] = await shardStore(disks.get('eu') as SimDisk).list()
  if (epoch?.record === undefined) throw new Error('no epoch')
  key = { id: epoch.key, base: hashOf(recordCodec.encode(epoch.record)) }
}, 60_000)

describe('relays as processes', () => {
  const relays: SpawnedRelay[] = []
  beforeAll(async () => {
    await built()
    relays.push(...(await Promise.all([spawnRelay(), spawnRelay()])))
  }, 60_000)
  afterAll(async () => {
    await Promise.all(relays.map((relay) => relay.kill()))
  })

  const again = async (n: number): Promise<void> => {
    relays[n] = await spawnRelay((relays[n] as SpawnedRelay).port)
  }

  it(`${KILLS} kills at random instants, one restarted or one of two left dead: all in the same attempt`, async () => {
    const random = seeded(31)
    const took = { keygen: 0, sign: 0 }
    for (const kind of ['keygen', 'sign'] as const) {
      const definition = await (kind === 'keygen' ? keygenOf : signOf)({ relays: relays.map(({ url }) => at(url)) })
      const disks = await approvedDisks(kind, definition)
      const began = performance.now()
      expect(openPoints(await joinAll(disks, definition))).toEqual([])
      took[kind] = performance.now() - began
    }
    const wrong: string[] = []
    let longest = 0
    for (let n = 0; n < KILLS; n++) {
      const kind = n % 2 === 0 ? 'keygen' : 'sign'
      const alone = n % 4 < 2
      const used = alone ? relays.slice(0, 1) : relays
      const definition = await (kind === 'keygen' ? keygenOf : signOf)({ relays: used.map(({ url }) => at(url)) })
      const disks = await approvedDisks(kind, definition)
      const instant = random() * took[kind]
      const began = performance.now()
      const running = joinAll(disks, definition)
      await pause(instant)
      await relays[0]?.kill()
      // One of two stays dead for the rest of this run.
      const restarted = alone ? again(0) : undefined
      const told = await running
      longest = Math.max(longest, performance.now() - began)
      await (restarted ?? again(0))
      if (openPoints(told).length > 0 || told.attempts.some((count) => count !== 1))
        wrong.push(
          `${kind} ${alone ? 'restarted' : 'one of two'} at ${instant.toFixed(0)} ms: ${told.story.join('; ')} ${openPoints(told).join()} attempts ${told.attempts.join()}`,
        )
    }
    report(
      `relays: ${KILLS} kills in a keygen of ${took.keygen.toFixed(0)} ms and a sign of ${took.sign.toFixed(0)} ms, longest run ${longest.toFixed(0)} ms; ${wrong.length} wrong`,
    )
    expect(wrong.join('\n')).toBe('')
  }, 900_000)

  it('the only relay left dead: a clean end at the deadline that names who is missing, and a whole one afterwards', async () => {
    const random = seeded(32)
    const runs = NIGHTLY ? 40 : 8
    const ends = new Map<string, number>()
    for (let n = 0; n < runs; n++) {
      const kind = n % 2 === 0 ? 'keygen' : 'sign'
      const deadlines = { gather: 3, proposal: 1, round: 2, close: 2 }
      const definition = await (kind === 'keygen' ? keygenOf : signOf)({
        relays: [at((relays[0] as SpawnedRelay).url)],
        deadlines,
        attempts: 12,
      })
      const disks = await approvedDisks(kind, definition)
      const running = joinAll(disks, definition)
      await pause(random() * (kind === 'keygen' ? 1200 : 400))
      await relays[0]?.kill()
      const told = await running
      for (const line of told.story) ends.set(line, (ends.get(line) ?? 0) + 1)
      expect(told.endings.filter((ending) => !namesMissing(ending)).map((ending) => JSON.stringify(ending))).toEqual([])
      await again(0)
      let after = await joinAll(disks, definition)
      for (let more = 0; more < 2 && openPoints(after).length > 0; more++) after = await joinAll(disks, definition)
      expect([after.story.join('; '), openPoints(after)]).toEqual([after.story.join('; '), []])
    }
    report(`the only relay dead: ${[...ends].map(([line, count]) => `${count} × ${line}`).join('; ')}`)
  }, 600_000)

  describe('behind a bad link', () => {
    // Sites live four times as fast as the link, which every frame passes twice: once up to the relay, once down.
    const SPEED = 4
    const deadlines = { gather: 90, proposal: 15, round: 40, close: 40 }
    const links: Readonly<Record<string, Partial<LinkConditions>>> = {
      'delay to 2 s': { delay: [0, 250] },
      'loss of 20 %': { loss: 0.11 },
      'loss, delay, disorder and doubles': { loss: 0.11, delay: [0, 100], twice: 0.2 },
    }
    const behind = async (kind: 'keygen' | 'sign', seed: number) => {
      const link = await startBadLink((relays[0] as SpawnedRelay).url, seeded(seed))
      const definition = await (kind === 'keygen' ? keygenOf : signOf)({
        attempts: 12,
        deadlines,
        relays: [at(link.url)],
      })
      const disks = await approvedDisks(kind, definition)
      return { link, join: () => joinAll(disks, definition, { speed: SPEED }) }
    }
    /** Ends at a deadline that names who is missing, and then, over a sound link, as it should. */
    const goesOn = async (told: Told, join: () => Promise<Told>): Promise<void> => {
      expect(told.endings.filter((ending) => !namesMissing(ending)).map((ending) => JSON.stringify(ending))).toEqual([])
      let after = told
      for (let more = 0; more < 3 && openPoints(after).length > 0; more++) after = await join()
      expect([after.story.join('; '), openPoints(after)]).toEqual([after.story.join('; '), []])
    }

    it.each(Object.keys(links))(
      '%s: finishes, or ends at the deadline naming who is missing',
      async (name) => {
        const ends = new Map<string, number>()
        let lost = 0
        const one = async (n: number): Promise<void> => {
          const { link, join } = await behind(n % 2 === 0 ? 'keygen' : 'sign', 40 + n)
          link.set(links[name] as Partial<LinkConditions>)
          const told = await join()
          for (const line of told.story) ends.set(line, (ends.get(line) ?? 0) + 1)
          lost += link.lost
          link.set({ delay: [0, 0], loss: 0, twice: 0 })
          await goesOn(told, join)
          await link.close()
        }
        await Promise.all(Array.from({ length: NIGHTLY ? 40 : 6 }, (_, n) => one(n)))
        report(`link, ${name}: ${lost} frames lost; ${[...ends].map(([line, n]) => `${n} × ${line}`).join('; ')}`)
        expect(lost > 0).toBe('loss' in (links[name] ?? {}))
      },
      600_000,
    )

    it('a site cut off for a while: finishes, or ends at the deadline naming it', async () => {
      const random = seeded(35)
      const ends = new Map<string, number>()
      const one = async (n: number): Promise<void> => {
        const { link, join } = await behind(n % 2 === 0 ? 'keygen' : 'sign', 50 + n)
        link.set({ delay: [5, 20] })
        const running = join()
        await pause(random() * 1000)
        link.cut(['eu'])
        await pause(n < 4 ? 1000 : 12_000)
        link.heal()
        const told = await running
        for (const line of told.story) ends.set(line, (ends.get(line) ?? 0) + 1)
        await goesOn(told, join)
        await link.close()
      }
      await Promise.all(Array.from({ length: NIGHTLY ? 40 : 8 }, (_, n) => one(n)))
      report(`link cut: ${[...ends].map(([line, n]) => `${n} × ${line}`).join('; ')}`)
    }, 600_000)
  })
})

describe('a bad network', () => {
  const SPEED = 4
  const kinds: Readonly<Record<string, Partial<Conditions>>> = {
    'delay to 2 s': { delay: [0, 2000] },
    'loss of 20 %': { drop: 0.2 },
    'loss, delay, disorder and doubles': { drop: 0.2, delay: [0, 500], reorder: 0.3, duplicate: 0.2 },
  }

  const worldOf = async (kind: 'keygen' | 'sign', seed: string) => {
    const deadlines = { gather: 60, proposal: 5, round: 20, close: 30 }
    const definition = await (kind === 'keygen' ? keygenOf : signOf)({ attempts: 12, deadlines })
    const disks = await approvedDisks(kind, definition)
    const clock = lifeClock(SPEED, new AbortController().signal)
    const network = memoryNetwork({ clock, random: seededRandom(seed) })
    return { network, clock, join: () => joinAll(disks, definition, { network, speed: SPEED }) }
  }

  it.each(Object.keys(kinds))(
    '%s: finishes, or ends at the deadline naming who is missing',
    async (name) => {
      const ends = new Map<string, number>()
      const runs = NIGHTLY ? 40 : 6
      const one = async (n: number): Promise<void> => {
        const { network, join } = await worldOf(n % 2 === 0 ? 'keygen' : 'sign', `${name} ${n}`)
        network.set(kinds[name] as Partial<Conditions>)
        const told = await join()
        for (const line of told.story) ends.set(line, (ends.get(line) ?? 0) + 1)
        expect(told.endings.filter((ending) => !namesMissing(ending)).map((ending) => JSON.stringify(ending))).toEqual(
          [],
        )
        network.set({ delay: [0, 0], drop: 0, reorder: 0, duplicate: 0 })
        expect(openPoints(await join())).toEqual([])
      }
      await Promise.all(Array.from({ length: runs }, (_, n) => one(n)))
      report(`${name}: ${[...ends].map(([line, count]) => `${count} × ${line}`).join('; ')}`)
    },
    600_000,
  )

  it('a partition that heals: finishes, or ends at the deadline naming who is missing and finishes with the next join', async () => {
    const random = seeded(33)
    let same = 0
    let later = 0
    const runs = NIGHTLY ? 40 : 8
    const one = async (n: number): Promise<void> => {
      const { network, clock, join } = await worldOf(n % 2 === 0 ? 'keygen' : 'sign', `partition ${n}`)
      // Slow enough that the partition falls somewhere within.
      network.set({ delay: [50, 150] })
      const running = join()
      await clock.sleep(random() * 4000)
      network.partition(['eu' as SiteId], ['us' as SiteId, 'ap' as SiteId])
      await clock.sleep(4000)
      network.heal()
      let told = await running
      expect(told.endings.filter((ending) => !namesMissing(ending)).map((ending) => JSON.stringify(ending))).toEqual([])
      if (openPoints(told).length === 0 && Math.max(...told.attempts) === 1) same += 1
      if (openPoints(told).length > 0) later += 1
      // Cut between two signatures of one attempt, one side may begin it and the other give it up: its end is a deadline's.
      for (let more = 0; more < 2 && openPoints(told).length > 0; more++) told = await join()
      expect([told.story.join('; '), openPoints(told)]).toEqual([told.story.join('; '), []])
    }
    await Promise.all(Array.from({ length: runs }, (_, n) => one(n)))
    report(`partition and heal: ${runs} finished, ${same} in the same attempt, ${later} with another join`)
  }, 600_000)

  it('a partition that stays: ends at the deadline naming who is missing, and goes on afterwards', async () => {
    const random = seeded(34)
    const ends = new Map<string, number>()
    const one = async (n: number): Promise<void> => {
      const { network, clock, join } = await worldOf(n % 2 === 0 ? 'keygen' : 'sign', `stays ${n}`)
      network.set({ delay: [50, 150] })
      const running = join()
      await clock.sleep(1000 + random() * 4000)
      network.partition(['eu' as SiteId], ['us' as SiteId, 'ap' as SiteId])
      const told = await running
      for (const line of told.story) ends.set(line, (ends.get(line) ?? 0) + 1)
      expect(told.endings.filter((ending) => !namesMissing(ending)).map((ending) => JSON.stringify(ending))).toEqual([])
      network.heal()
      network.set({ delay: [0, 0] })
      let after = await join()
      for (let more = 0; more < 2 && openPoints(after).length > 0; more++) after = await join()
      expect([after.story.join('; '), openPoints(after)]).toEqual([after.story.join('; '), []])
    }
    await Promise.all(Array.from({ length: NIGHTLY ? 40 : 8 }, (_, n) => one(n)))
    report(`a partition that stays: ${[...ends].map(([line, count]) => `${count} × ${line}`).join('; ')}`)
  }, 600_000)
})
