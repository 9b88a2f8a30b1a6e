import { describe, expect, it } from 'vitest'
import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import { ceremonyKind } from '../../src/ceremony/kinds/index.ts'
import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import type { Site } from '../../src/ceremony/ports.ts'
import { writeNote } from '../../src/ceremony/store/notes.ts'
import { RecordStore } from '../../src/ceremony/store/record-store.ts'
import { toFault } from '../../src/cli/fault.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { openHome } from '../../src/identity/home.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import type { QuorateError } from '../../src/lib/errors.ts'
import type { Definition } from '../../src/records/definition.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { copyDisk, copyWorld, type MemoryWorld, memorySite, memoryWorld } from '../support/memory-site.ts'
import { many, SEED } from '../support/report.ts'
import { approveAll, type Joined, joinAs, type Liar, leftAt } from './ceremonies.ts'

/**
 * One site shows its vote to some and its abort to others, in every order, at every moment, while the relay cuts the
 * honest sites apart. Then it is gone, and the relay is honest for ever. Certificates alone decide: where any honest site
 * ever holds all votes, every honest site that voted ends with the key; else none of them does, and none says that no key
 * was made.
 */

/** What one honest site is shown by the liar. An abort comes in the place of, before or after one of its records. */
const shows = [
  'vote',
  'nothing',
  'abort before staged',
  'abort before possession',
  'abort for the vote',
  'abort, then vote',
  'vote, then abort',
] as const
type Show = (typeof shows)[number]

/** When the relay cuts the honest sites apart. */
const cuts = ['never', 'before the votes', 'after the votes'] as const
type Cut = (typeof cuts)[number]

interface Case {
  readonly shown: readonly Show[]
  readonly cut: Cut
}

const allCases = (honest: number): readonly Case[] => {
  const lists = Array.from({ length: honest }).reduce<Show[][]>(
    (found) => found.flatMap((list) => shows.map((one) => [...list, one])),
    [[]],
  )
  return cuts.flatMap((cut) => lists.map((shown) => ({ shown, cut })))
}

const said = (one: Joined): string => (one.error === undefined ? 'closed' : toFault(one.error).code)

interface Ended {
  readonly first: readonly Joined[]
  readonly last: readonly Joined[]
  readonly voted: readonly boolean[]
  readonly installed: readonly boolean[]
}

const isObject = (message: PeerMessage, name: string): boolean => message.is === 'object' && message.name === name

const play = async (
  world: MemoryWorld,
  names: readonly SiteId[],
  definition: Definition,
  { shown, cut }: Case,
): Promise<Ended> => {
  const honest = names.slice(0, -1)
  const name = names.at(-1) as SiteId
  const thief = await openHome(await copyDisk(world.homes.get(name)?.disk as MemoryDisk))
  const store = new RecordStore(definitionAuthority(definition), world.clock)
  const abort: PeerMessage = {
    is: 'object',
    name: 'aborted',
    bytes: await writeNote(thief, world.clock, store, 'aborted', 'changed my mind'),
  }
  const own = (message: PeerMessage, what: string): boolean =>
    isObject(message, what) &&
    message.is === 'object' &&
    liar.ceremony?.store.ready.get(name)?.envelope === message.bytes
  const told = new Set<string>()
  const once = (key: string): boolean => !told.has(key) && told.add(key) !== undefined
  const liar: Liar = {
    site: name,
    ceremony: undefined,
    post: (_topic, _to, bytes) => [bytes],
    talk(to, message) {
      const show = shown[honest.indexOf(to)]
      if (isObject(message, 'installed')) return []
      if (show === 'abort before staged' && isObject(message, 'staged') && once(`${to} s`)) return [abort, message]
      if (show === 'abort before possession' && isObject(message, 'possession') && once(`${to} p`))
        return [abort, message]
      if (!own(message, 'ready')) return [message]
      if (show === 'vote') return [message]
      if (show === 'abort for the vote') return [abort]
      if (show === 'abort, then vote') return [abort, message]
      return show === 'vote, then abort' ? [message, abort] : []
    },
  }
  const apart = (): void =>
    world.network.set({
      delay: [1, 1],
      tamper: (from, to, frame) => (from !== name && to !== name ? [] : [frame]),
    })
  world.network.set({ delay: [1, 1] })
  const site = await memorySite(world, name)
  const mute: typeof site.connect = async (authority) => ({ ...(await site.connect(authority)), post: () => undefined })
  const lying = joinAs(world, name, definition, null, liar, { site: { connect: mute } })
  const joins = honest.map((one) =>
    joinAs(world, one, definition, null, undefined, {
      progress: (event) => {
        if (event.phase !== 'step') return
        if (cut === 'before the votes' && event.step === 'proven' && event.got === event.total) apart()
        if (cut === 'after the votes' && event.step === 'ready' && event.got >= honest.length) apart()
      },
    }),
  )
  const first = await Promise.all(joins)
  await lying
  world.network.set({ tamper: (_from, _to, frame) => [frame], delay: [1, 2] })
  let last: readonly Joined[] = []
  for (let again = 0; again < 3; again++)
    last = await Promise.all(honest.map((one) => joinAs(world, one, definition, null)))
  const left = await Promise.all(honest.map((one) => leftAt(world, one, definition)))
  return {
    first,
    last,
    voted: left.map(({ ready }) => ready),
    installed: left.map(({ installed }) => installed > 0),
  }
}

/** Codes that say truly where a site stands: undecided, ended by itself or with others, or that others were not heard. */
const HONEST_ENDS = ['closed', 'E_NOT_FINISHED', 'E_ABORTED', 'E_PEER_SILENT', 'E_QUORUM', 'E_PEER_RESTARTED']

const verdict = (ended: Ended): void => {
  const { first, last, voted, installed } = ended
  for (const one of [...first, ...last]) expect(HONEST_ENDS).toContain(said(one))
  const made = installed.some((one) => one)
  // One key for all or for nobody.
  expect(installed).toEqual(installed.map(() => made))
  if (made) expect(last.map(said)).toEqual(last.map(() => 'closed'))
  for (const [at, one] of last.entries()) {
    if (made || !voted[at]) continue
    // Who voted and saw no ready set is undecided. It never says that nothing was made.
    expect(said(one)).toBe('E_NOT_FINISHED')
    expect((one.error as QuorateError).hint).not.toContain('nothing was made')
  }
  for (const [at, one] of first.entries()) if (voted[at]) expect(['closed', 'E_NOT_FINISHED']).toContain(said(one))
}

const sites = ['s1', 's2', 's3'] as SiteId[]
/** By day a small part of all, another one each time; the seed is in the name. */
const share = many(288, 8, 1)
const seed = SEED % share

describe('a vote to some and an abort to others', () => {
  const all = allCases(2)
  /** Makes a key where both see the vote, and none where nobody sees it: each sample shows both endings. */
  const isPlain = ({ shown, cut }: Case): boolean =>
    cut === 'never' && shown.every((one) => one === shown[0] && (one === 'vote' || one === 'nothing'))
  const cases = all.filter((one, at) => isPlain(one) || at % share === seed % share)

  it(`leaves all honest sites with one decision (${cases.length} cases, QUORATE_SEED=${seed})`, async () => {
    const origin = await memoryWorld(sites)
    const definition = await keygenDefinition({
      sites: await siteEntries(sites),
      deadlines: { gather: 30, proposal: 5, round: 30, close: 16 },
    })
    await approveAll(origin, sites, definition)
    let made = 0
    for (const one of cases) {
      const world = await copyWorld(origin, JSON.stringify(one))
      const ended = await play(world, sites, definition, one)
      try {
        verdict(ended)
      } catch (error) {
        const ends = [ended.first, ended.last].map((list) => list.map(said).join(' '))
        throw new Error(
          `${JSON.stringify(one)}: ${ends.join(' | ')}, voted ${ended.voted}, installed ${ended.installed}`,
          {
            cause: error,
          },
        )
      }
      if (ended.installed.every((had) => had)) made += 1
    }
    // Both endings are met: else this shows nothing.
    expect(made).toBeGreaterThan(0)
    expect(made).toBeLessThan(cases.length)
  })

  it('takes no key from a site that was shown an abort by a thief of a note key after all had voted', async () => {
    const world = await memoryWorld(sites)
    const definition = await keygenDefinition({
      sites: await siteEntries(sites),
      deadlines: { gather: 30, proposal: 5, round: 30, close: 16 },
    })
    await approveAll(world, sites, definition)
    const [s1, s2, s3] = sites as [SiteId, SiteId, SiteId]
    const home = await openHome(await copyDisk(world.homes.get(s3)?.disk as MemoryDisk))
    const store = new RecordStore(definitionAuthority(definition), world.clock)
    const note = await writeNote(home, world.clock, store, 'aborted', 'bye')
    world.network.set({ delay: [1, 1] })
    // The relay is the thief's: no vote reaches s2, which is shown the note once the two others hold all votes.
    const relayed = (site: SiteId): Liar => ({
      site,
      ceremony: undefined,
      post: (_topic, _to, bytes) => [bytes],
      talk: (to, message) =>
        to === s2 && ['ready', 'installed'].some((what) => isObject(message, what)) ? [] : [message],
    })
    let stolen = false
    const steal = (): void => {
      if (stolen) return
      stolen = true
      world.network.set({ tamper: (from, to, frame) => (from === s2 || to === s2 ? [] : [frame]) })
      world.network.join(s3, toEnvelope(home.certificates.note)).post(note)
    }
    const mute = async (name: SiteId) => {
      const site = await memorySite(world, name)
      return { connect: async (to) => ({ ...(await site.connect(to)), post: () => undefined }) } satisfies Partial<Site>
    }
    const first = await Promise.all([
      joinAs(world, s1, definition, null, relayed(s1), {
        site: await mute(s1),
        progress: (event) => {
          if (event.phase === 'step' && event.step === 'ready' && event.got === 3) steal()
        },
      }),
      joinAs(world, s2, definition, null),
      joinAs(world, s3, definition, null, relayed(s3), { site: await mute(s3) }),
    ])
    expect(stolen).toBe(true)
    expect(said(first[1] as Joined)).toBe('E_NOT_FINISHED')
    for (const one of first) expect(['closed', 'E_NOT_FINISHED']).toContain(said(one))
    world.network.set({ tamper: (_from, _to, frame) => [frame], delay: [1, 2] })
    let last: readonly Joined[] = []
    for (let again = 0; again < 2; again++)
      last = await Promise.all(sites.map((name) => joinAs(world, name, definition, null)))
    expect(last.map(said)).toEqual(['closed', 'closed', 'closed'])
    for (const name of sites) expect((await leftAt(world, name, definition)).installed).toBe(1)
    expect(ceremonyKind(definition).result(last[0]?.ceremony as NonNullable<Joined['ceremony']>)).toBeDefined()
  })
})
