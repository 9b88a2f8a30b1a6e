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
import type { Definition } from '../../src/records/definition.ts'
import { signDefinition } from '../support/definition.ts'
import type { MemoryWorld } from '../support/memory-site.ts'
import { copyDisk } from '../support/memory-site.ts'
import { many, report, SEED } from '../support/report.ts'
import { seeded } from '../support/sim-disk.ts'
import { approveAll, type JoinChanges, type Joined, joinAs, type Liar, leftAt } from './ceremonies.ts'
import { caseOf, deadlines, diskOf, epochsAt, type KeyHolders, keyHolders, recordHash, said } from './refreshes.ts'

/**
 * A liar shows each of its words to whom it likes, in the place of it or beside it an abort, while the wire is cut
 * somewhere and an operator stops a join somewhere, in any combination; a second definition of the same record comes in
 * between. At every moment the honest sites alone can sign, and they find out by which epoch.
 */

const names = ['eu', 'us', 'ap'] as SiteId[]
const words = ['staged', 'possession', 'test-signature', 'ready', 'installed', 'retired'] as const
const steps = ['staged', 'proven', 'ready', 'installed', 'retired'] as const
const CASES = many(1, 12, 400)

interface Storm {
  readonly liar: SiteId
  /** By word and peer; what is not named is said as it is. */
  readonly shows: ReadonlyMap<string, 'nothing' | 'abort' | 'abort too'>
  /** The honest sites are cut apart, from this moment of one of them on. */
  readonly cut: string | undefined
  /** A join is stopped at this moment. */
  readonly stop: string | undefined
  readonly rival: boolean
}

const drawn = (seed: number): Storm => {
  const random = seeded(seed)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const liar = pick(names)
  const honest = names.filter((name) => name !== liar)
  const moment = (): string => `${pick(honest)} ${pick(steps)} ${1 + Math.floor(random() * 3)}`
  const shows = new Map(
    words.flatMap((word) =>
      honest.flatMap((to) =>
        random() < 0.25 ? [[`${word} ${to}`, pick(['nothing', 'abort', 'abort too'] as const)] as const] : [],
      ),
    ),
  )
  return {
    liar,
    shows,
    cut: random() < 0.5 ? moment() : undefined,
    stop: random() < 0.5 ? moment() : undefined,
    rival: random() < 0.5,
  }
}

const liarOf = async (world: MemoryWorld, definition: Definition, { liar, shows }: Storm): Promise<Liar> => {
  const thief = await openHome(await copyDisk(diskOf(world, liar)))
  const store = new RecordStore(definitionAuthority(definition), world.clock)
  const bytes = await writeNote(thief, world.clock, store, 'aborted', 'changed my mind')
  const abort: PeerMessage = { is: 'object', name: 'aborted', bytes }
  return {
    site: liar,
    ceremony: undefined,
    post: (_topic, _to, message) => [message],
    connected: (wire) => ({ ...wire, post: () => undefined }),
    talk(to, message) {
      if (message.is !== 'object') return [message]
      const show = shows.get(`${message.name} ${to}`)
      if (show === undefined) return [message]
      return show === 'nothing' ? [] : show === 'abort' ? [abort] : [abort, message]
    },
  }
}

/** Holds at every moment: of all honest sites together, and of each alone. */
const check = async (world: MemoryWorld, honest: readonly SiteId[], both: readonly Definition[]): Promise<void> => {
  const held = await Promise.all(honest.map((name) => epochsAt(world, name)))
  const usable = held.map((epochs) => epochs.flatMap((one) => (one.state === 'installed' ? recordHash(one) : [])))
  expect(usable[0]?.some((record) => usable.every((list) => list.includes(record)))).toBe(true)
  expect(new Set(held.flat().map(({ made }) => made.publicKey)).size).toBe(1)
  // No old share is destroyed before all honest sites can use the new one, and all use the same one.
  if (held.some((epochs) => epochs.some(({ state }) => state === 'retired')))
    for (const epochs of held)
      expect(epochs.some(({ core, state }) => core.epoch === 2 && state === 'installed')).toBe(true)
  const made = held.flat().filter(({ core, state }) => core.epoch === 2 && state === 'installed')
  expect(new Set(made.map(recordHash)).size).toBeLessThanOrEqual(1)
  for (const name of honest) {
    const votes = await Promise.all(both.map(async (one) => (await leftAt(world, name, one)).ready))
    expect(votes.filter((ready) => ready).length).toBeLessThanOrEqual(1)
  }
}

/** The honest sites sign by the newest epoch that both know to be in use. */
const signs = async (
  world: MemoryWorld,
  honest: readonly SiteId[],
  sites: Definition['sites'],
): Promise<readonly Joined[]> => {
  const [first = expect.fail()] = honest
  const newest = (await epochsAt(world, first)).filter(({ state }) => state === 'installed').at(-1) ?? expect.fail()
  const message = utf8('pay nobody')
  const definition = await signDefinition({
    sites,
    key: newest.key,
    base: recordHash(newest),
    deadlines,
    signers: names.filter((name) => honest.includes(name)),
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
  })
  await approveAll(world, honest, definition)
  return Promise.all(honest.map((name) => joinAs(world, name, definition, message)))
}

/** Codes that say truly where a site stands. */
const ENDS =
  /^(closed|E_(NOT_FINISHED|ABORTED|PEER_SILENT|QUORUM|PEER_RESTARTED|APPROVALS_MISSING|DEFINITION|STOPPED))$/

const play = async (holders: KeyHolders, seed: number): Promise<string> => {
  const storm = drawn(seed)
  const world = await caseOf(holders, `storm ${seed}`)
  const one = await holders.refresh({ nonce: '11'.repeat(16) })
  const two = await holders.refresh({ nonce: '22'.repeat(16) })
  const honest = names.filter((name) => name !== storm.liar)
  await approveAll(world, names, one)
  world.network.set({ delay: [1, 1] })
  const ends: string[] = []
  const round = async (definition: Definition, who: readonly SiteId[], wild: boolean): Promise<void> => {
    const lying = wild ? await liarOf(world, definition, storm) : undefined
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
              tamper: (from, to, frame) => (from !== storm.liar && to !== storm.liar ? [] : [frame]),
            })
        },
      }
    }
    const joined = await Promise.all(
      who.map((name) => joinAs(world, name, definition, null, name === storm.liar ? lying : undefined, changes(name))),
    )
    world.network.set({ tamper: (_from, _to, frame) => [frame] })
    ends.push(joined.map((end) => `${end.site} ${said(end)}`).join(', '))
    for (const end of joined) if (end.site !== storm.liar || !wild) expect(said(end)).toMatch(ENDS)
    await check(world, honest, [one, two])
  }
  try {
    await round(one, names, true)
    if (storm.rival) {
      await approveAll(world, names, two)
      await round(two, names, true)
    }
    await round(one, names, true)
    for (let again = 0; again < 2; again++) await round(one, honest, false)
    const signed = await signs(world, honest, one.sites)
    ends.push(signed.map((end) => `${end.site} ${said(end)}`).join(', '))
    expect(signed.map(said)).toEqual(honest.map(() => 'closed'))
  } catch (error) {
    const what = JSON.stringify({ ...storm, shows: [...storm.shows] })
    throw new Error(`storm ${seed}: ${what}\n${ends.join('\n')}\n${(error as Error).message}`, { cause: error })
  }
  const [epoch] = (await epochsAt(world, honest[0] as SiteId)).slice(-1)
  return `${epoch?.core.epoch} ${epoch?.state}`
}

describe('a refresh in a storm', () => {
  let holders: KeyHolders
  beforeAll(async () => {
    holders = await keyHolders(names)
  })

  it(`leaves the honest sites able to sign, by one epoch (${CASES} cases, QUORATE_SEED=${SEED})`, async () => {
    const ends = new Map<string, number>()
    for (let at = 0; at < CASES; at++) {
      const end = await play(holders, SEED + at)
      ends.set(end, (ends.get(end) ?? 0) + 1)
    }
    report(`storms: ${JSON.stringify(Object.fromEntries(ends))}`)
  })
})
