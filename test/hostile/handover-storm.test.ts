import { beforeAll, describe, expect, it } from 'vitest'
import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import { writeNote } from '../../src/ceremony/store/notes.ts'
import { RecordStore } from '../../src/ceremony/store/record-store.ts'
import { openHome } from '../../src/identity/home.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { type Definition, type Handover, receiversIn, recordKind } from '../../src/records/definition.ts'
import { signDefinition } from '../support/definition.ts'
import type { MemoryWorld } from '../support/memory-site.ts'
import { copyDisk, copyWorld } from '../support/memory-site.ts'
import { many, report, SEED } from '../support/report.ts'
import { seeded } from '../support/sim-disk.ts'
import { approveAll, type JoinChanges, joinAs, type Liar, leftAt } from './ceremonies.ts'
import { deadlines, diskOf, epochsAt, recordHash, said } from './refreshes.ts'
import { keyOwners, type Owners } from './reshares.ts'

/**
 * As many old and new sites lie as either quorum bears: each shows each of its words to whom it likes, in the place of it
 * or beside it an abort, or falls silent in a session; the honest ones are cut apart somewhere, an operator stops a join
 * somewhere, and a second definition of the same record comes in between, in any combination. At every moment the honest
 * sites alone can sign, by the old epoch or the new one, and they find out by which.
 */

const old = ['eu', 'us', 'ap'] as SiteId[]
const others = ['sa', 'af', 'me'] as SiteId[]
const rosters = {
  '2 of 3 to 3 of 5': { sites: [...old, 'sa', 'af'] as SiteId[], threshold: 3 },
  '2 of 3 to other machines': { sites: others, threshold: 2 },
  'a site replaced': { sites: ['us', 'sa', 'eu'] as SiteId[], threshold: 2 },
} as const
/** 3 of 5, of which one is lost and mended. */
const five = [...old, 'sa', 'af'] as SiteId[]
const words = ['staged', 'possession', 'test-signature', 'ready', 'installed', 'retired'] as const
const steps = ['staged', 'proven', 'ready', 'installed', 'retired'] as const
const CASES = many(1, 2, 200)

interface Storm {
  readonly liars: readonly SiteId[]
  /** By liar, word and peer; what is not named is said as it is. */
  readonly shows: ReadonlyMap<string, 'nothing' | 'abort' | 'abort too'>
  /** How many messages of its sessions each liar sends. */
  readonly posts: number
  /** The honest sites are cut apart, from this moment of one of them on. */
  readonly cut: string | undefined
  /** A join is stopped at this moment. */
  readonly stop: string | undefined
  readonly rival: boolean
}

/** The old quorum. */
const quorumBefore = (definition: Handover): number => recordKind(definition).replaces(definition)?.threshold ?? 0

const drawn = (seed: number, definition: Handover): Storm => {
  const random = seeded(seed)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const all = definition.sites.map(({ name }) => name)
  const receivers = receiversIn(definition).map(({ name }) => name)
  // A site that is lost is one that the old quorum has to bear.
  const lost = definition.from.sites.filter((name) => !all.includes(name)).length
  const liars: SiteId[] = []
  for (const name of [...all].sort(() => random() - 0.5)) {
    const next = [...liars, name]
    const bears =
      lost + next.filter((one) => definition.from.sites.includes(one)).length < quorumBefore(definition) &&
      next.filter((one) => receivers.includes(one)).length < definition.threshold
    if (bears && random() < 0.7) liars.push(name)
  }
  const honest = all.filter((name) => !liars.includes(name))
  const moment = (): string => `${pick(honest)} ${pick(steps)} ${1 + Math.floor(random() * receivers.length)}`
  const often = pick([0.02, 0.08, 0.25])
  const shows = new Map(
    liars.flatMap((liar) =>
      words.flatMap((word) =>
        honest.flatMap((to) =>
          random() < often
            ? [[`${liar} ${word} ${to}`, pick(['nothing', 'abort', 'abort too'] as const)] as const]
            : [],
        ),
      ),
    ),
  )
  return {
    liars,
    shows,
    posts: random() < 0.3 ? Math.floor(random() * 60) : Number.POSITIVE_INFINITY,
    cut: random() < 0.5 ? moment() : undefined,
    stop: random() < 0.5 ? moment() : undefined,
    rival: random() < 0.5,
  }
}

const liarOf = async (world: MemoryWorld, definition: Definition, site: SiteId, storm: Storm): Promise<Liar> => {
  const thief = await openHome(await copyDisk(diskOf(world, site)))
  const store = new RecordStore(definitionAuthority(definition), world.clock)
  const bytes = await writeNote(thief, world.clock, store, 'aborted', 'changed my mind')
  const abort: PeerMessage = { is: 'object', name: 'aborted', bytes }
  let posted = 0
  return {
    site,
    ceremony: undefined,
    post: (_topic, _to, message) => (posted++ < storm.posts ? [message] : []),
    connected: (wire) => ({ ...wire, post: () => undefined }),
    talk(to, message) {
      if (message.is !== 'object') return [message]
      const show = storm.shows.get(`${site} ${message.name} ${to}`)
      if (show === undefined) return [message]
      return show === 'nothing' ? [] : show === 'abort' ? [abort] : [abort, message]
    },
  }
}

const usableAt = async (world: MemoryWorld, honest: readonly SiteId[], number: number): Promise<readonly SiteId[]> => {
  const held = await Promise.all(honest.map(async (name) => [name, await epochsAt(world, name)] as const))
  return held.flatMap(([name, epochs]) =>
    epochs.some(({ core, state }) => core.epoch === number && state === 'installed') ? [name] : [],
  )
}

/** Holds at every moment of all honest sites together. */
const check = async (
  world: MemoryWorld,
  honest: readonly SiteId[],
  one: Handover,
  both: readonly Definition[],
): Promise<void> => {
  const held = (await Promise.all(honest.map((name) => epochsAt(world, name)))).flat()
  expect(new Set(held.map(({ made }) => made.publicKey))).toEqual(new Set([one.from.publicKey]))
  const made = held.filter(({ core, state }) => core.epoch === 2 && state === 'installed')
  expect(new Set(made.map(recordHash)).size).toBeLessThanOrEqual(1)
  const olds = (await usableAt(world, honest, 1)).length >= quorumBefore(one)
  const news = (await usableAt(world, honest, 2)).length >= one.threshold
  expect(olds || news, 'no quorum of honest sites can sign').toBe(true)
  if (held.some(({ core, state }) => core.epoch === 1 && state === 'retired'))
    expect(news, 'an old share is destroyed before a quorum of honest sites has new ones').toBe(true)
  for (const name of honest) {
    const votes = await Promise.all(both.map(async (each) => (await leftAt(world, name, each)).ready))
    expect(votes.filter((ready) => ready).length).toBeLessThanOrEqual(1)
  }
}

/** Honest sites sign by the new epoch where a quorum of them can use it, else by the old one. */
const signs = async (world: MemoryWorld, honest: readonly SiteId[], { keygen }: Owners, one: Handover) => {
  const news = await usableAt(world, honest, 2)
  const [roster, able, number] =
    news.length >= one.threshold ? [one, news, 2] : [keygen, await usableAt(world, honest, 1), 1]
  const sites = receiversIn(roster)
  const signers = sites.flatMap(({ name }) => (able.includes(name) ? [name] : [])).slice(0, roster.threshold)
  const [first = expect.fail()] = signers
  const epoch = (await epochsAt(world, first)).find(({ core }) => core.epoch === number) ?? expect.fail()
  const message = utf8('pay nobody')
  const definition = await signDefinition({
    sites: [...sites],
    threshold: roster.threshold,
    key: epoch.key,
    base: recordHash(epoch),
    deadlines,
    signers,
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
  })
  await approveAll(world, signers, definition)
  const ends = await Promise.all(signers.map((name) => joinAs(world, name, definition, message)))
  return { number, ends }
}

/** Codes that say truly where a site stands. */
const ENDS =
  /^(closed|E_(NOT_FINISHED|ABORTED|PEER_SILENT|QUORUM|PEER_RESTARTED|APPROVALS_MISSING|DEFINITION|STOPPED|ATTEMPTS|NOT_FOUND))$/

const play = async (owners: Owners, plan: (nonce: string) => Promise<Handover>, seed: number): Promise<string> => {
  const one = await plan('11'.repeat(16))
  const two = await plan('22'.repeat(16))
  const storm = drawn(seed, one)
  const world = await copyWorld(owners.world, `storm ${seed}`)
  const all = one.sites.map(({ name }) => name)
  const honest = all.filter((name) => !storm.liars.includes(name))
  await approveAll(world, all, one)
  world.network.set({ delay: [1, 1] })
  const ends: string[] = []
  const round = async (definition: Definition, who: readonly SiteId[], wild: boolean): Promise<void> => {
    const lying = new Map<SiteId, Liar>()
    if (wild) for (const site of storm.liars) lying.set(site, await liarOf(world, definition, site, storm))
    const changes = (name: SiteId): JoinChanges => {
      const stop = new AbortController()
      return {
        stop: stop.signal,
        progress: (event) => {
          if (!wild || event.phase !== 'step') return
          const now = `${name} ${event.step} ${event.got}`
          if (now === storm.stop) stop.abort(new QuorateError('E_STOPPED', 'stopped', 'a test'))
          if (now === storm.cut)
            world.network.set({
              tamper: (from, at, frame) => (storm.liars.includes(from) || storm.liars.includes(at) ? [frame] : []),
            })
        },
      }
    }
    const joined = await Promise.all(
      who.map((name) => joinAs(world, name, definition, null, lying.get(name), changes(name))),
    )
    world.network.set({ tamper: (_from, _to, frame) => [frame] })
    ends.push(joined.map((end) => `${end.site} ${said(end)}`).join(', '))
    for (const end of joined)
      if (!lying.has(end.site)) expect(said(end), String((end.error as Error)?.stack)).toMatch(ENDS)
    await check(world, honest, one, [one, two])
  }
  try {
    await round(one, all, true)
    if (storm.rival) {
      await approveAll(world, all, two)
      await round(two, all, true)
    }
    await round(one, all, true)
    for (let again = 0; again < 2; again++) await round(one, honest, false)
    if (storm.rival) await round(two, honest, false)
    const { number, ends: signed } = await signs(world, honest, owners, one)
    ends.push(signed.map((end) => `${end.site} ${said(end)}`).join(', '))
    expect(signed.map(said)).toEqual(signed.map(() => 'closed'))
    const left = await usableAt(world, honest, 1)
    return number === 1 ? 'old' : left.length === 0 ? 'new' : `new, ${left.length} old shares left`
  } catch (error) {
    const what = JSON.stringify({ ...storm, shows: [...storm.shows] })
    throw new Error(`storm ${seed}: ${what}\n${ends.join('\n')}\n${(error as Error).message}`, { cause: error })
  }
}

describe('a reshare in a storm', () => {
  let owners: Owners
  beforeAll(async () => {
    owners = await keyOwners(old, others)
  })

  it.each(Object.entries(rosters))(
    `%s: leaves the honest sites able to sign, by one epoch (${CASES} cases, QUORATE_SEED=${SEED})`,
    async (name, to) => {
      const ends = new Map<string, number>()
      for (let at = 0; at < CASES; at++) {
        const end = await play(owners, (nonce) => owners.reshare({ ...to, nonce }), SEED + at)
        ends.set(end, (ends.get(end) ?? 0) + 1)
      }
      report(`storms, ${name}: ${JSON.stringify(Object.fromEntries(ends))}`)
    },
  )
})

describe('a repair in a storm', () => {
  it(`leaves the honest sites able to sign, by one epoch (${CASES} cases, QUORATE_SEED=${SEED})`, async () => {
    const owners = await keyOwners(five, ['me'] as SiteId[], 3)
    const ends = new Map<string, number>()
    for (let at = 0; at < CASES; at++) {
      const lost = five[(SEED + at) % five.length] as SiteId
      const end = await play(owners, (nonce) => owners.repair(lost, 'me' as SiteId, nonce), SEED + at)
      ends.set(end, (ends.get(end) ?? 0) + 1)
    }
    report(`storms of a repair: ${JSON.stringify(Object.fromEntries(ends))}`)
  })
})
