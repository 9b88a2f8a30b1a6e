import { AsyncLocalStorage } from 'node:async_hooks'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { openLog } from '../../src/audit/disk-log.ts'
import { ceremonyOrigin } from '../../src/audit/note.ts'
import { joinCeremony } from '../../src/ceremony/engine/join.ts'
import type { JoinResult } from '../../src/ceremony/engine/result.ts'
import { logPath } from '../../src/ceremony/paths.ts'
import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import { Peers } from '../../src/ceremony/peers/peers.ts'
import type { Site } from '../../src/ceremony/ports.ts'
import type { Progress } from '../../src/ceremony/progress.ts'
import { Session } from '../../src/ceremony/session/session.ts'
import { subSession } from '../../src/ceremony/session/sub-session.ts'
import { Ceremony, type JoinOptions } from '../../src/ceremony/store/ceremony.ts'
import { openHome } from '../../src/identity/home.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Mailbox, ProtocolRules, Rounds } from '../../src/mpc/mailbox.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import type { LogEvent } from '../../src/records/event.ts'
import { type Blame, blameCodec } from '../../src/records/round.ts'
import { shardStore } from '../../src/shards/store.ts'
import type { NoteBoard, Wire } from '../../src/transport/wire.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { approveIn, type MemoryWorld, memorySite } from '../support/memory-site.ts'
import { strangerAgrees } from './strangers.ts'

/** What a lying site makes of what it is about to say. */
export interface Liar {
  readonly site: SiteId
  ceremony: Ceremony | undefined
  /** Called before anything leaves it: the moment to sign what its identity must sign. */
  opened?(ceremony: Ceremony): Promise<void>
  /** Its way to the others, by which it posts its notes. */
  connected?(wire: Wire & NoteBoard): Wire & NoteBoard
  talk(to: SiteId, talk: PeerMessage): readonly PeerMessage[]
  post(topic: Hash, to: SiteId, bytes: Uint8Array): readonly Uint8Array[]
}

/** Which site is running: a liar's own code is the real one, and only what leaves it is changed. */
const running = new AsyncLocalStorage<Liar>()

/** What one session of a site took in before anything ended it. */
export interface HeardSession {
  readonly attempt: Hash
  readonly session: Session
  /** SHA-256 of each message. */
  readonly took: Set<Hash>
  /** Ids of the sessions in it whose messages were looked at: its own and those of test signatures. */
  readonly opened: Set<Hash>
}

/** What a site took in from others while it could still judge it. */
export interface Heard {
  /** SHA-256 of each word that came while its join ran. */
  readonly words: Set<Hash>
  readonly sessions: HeardSession[]
}

const heard = new WeakMap<Ceremony, Heard>()
const heardIn = new WeakMap<Session, HeardSession>()
const sittingIn = new WeakMap<object, Ceremony>()

export const heardBy = (ceremony: Ceremony): Heard => heard.get(ceremony) ?? { words: new Set(), sessions: [] }

const tell = Peers.prototype.send
const sendInSession = Peers.prototype.sendInSession
const joinSession = Peers.prototype.attachSession
const take = Ceremony.prototype.take
const deliver = Session.prototype.deliver
const mailbox = Session.prototype.mailbox
const open = Ceremony.open

Ceremony.prototype.take = function (this: Ceremony, ...given: Parameters<typeof take>) {
  const [, bytes, from] = given
  if (from !== this.seat.name) heardBy(this).words.add(hashOf(bytes))
  return take.apply(this, given)
}
Peers.prototype.attachSession = function (this: Peers, attempt: Hash, session: Session): void {
  const [peer] = this.bySite.values()
  const ceremony = peer === undefined ? undefined : sittingIn.get(peer.member)
  if (ceremony !== undefined) {
    const one: HeardSession = { attempt, session, took: new Set(), opened: new Set() }
    heardIn.set(session, one)
    heardBy(ceremony).sessions.push(one)
  }
  joinSession.call(this, attempt, session)
}
Session.prototype.deliver = function (this: Session, from: SiteId, bytes: Uint8Array): void {
  if (!this.signal.aborted) heardIn.get(this)?.took.add(hashOf(bytes))
  deliver.call(this, from, bytes)
}
Session.prototype.mailbox = function <R extends Rounds>(
  this: Session,
  protocol: Pick<ProtocolRules<R, never>, 'id' | 'rounds'>,
): Mailbox<R> {
  const opening = (id: Hash): void => {
    if (!this.signal.aborted) heardIn.get(this)?.opened.add(id)
  }
  const id = heardIn.get(this)?.attempt
  if (id !== undefined) opening(id)
  const box = mailbox.call(this, protocol as never) as Mailbox<R>
  return {
    ...box,
    within: (inner, label, members) => {
      opening(subSession(box.session, { protocol: inner.id, label, members }))
      return box.within(inner, label, members)
    },
  }
}
Peers.prototype.send = function (this: Peers, to: SiteId, talk: PeerMessage): void {
  for (const one of running.getStore()?.talk(to, talk) ?? [talk]) tell.call(this, to, one)
}
Peers.prototype.sendInSession = function (this: Peers, topic: Hash, to: SiteId, bytes: Uint8Array): void {
  for (const one of running.getStore()?.post(topic, to, bytes) ?? [bytes]) sendInSession.call(this, topic, to, one)
}
Ceremony.open = async (...given: Parameters<typeof open>) => {
  const ceremony = await open(...given)
  const liar = running.getStore()
  if (liar !== undefined) liar.ceremony = ceremony
  await liar?.opened?.(ceremony)
  // Each join has a roster of its own, so a room's members tell whose room it is.
  for (const member of ceremony.authority.roster) sittingIn.set(member, ceremony)
  heard.set(ceremony, { words: new Set(), sessions: [] })
  watching.get(given[3].signal)?.(ceremony)
  return ceremony
}
const watching = new WeakMap<AbortSignal, (ceremony: Ceremony) => void>()

export interface Joined {
  readonly site: SiteId
  readonly result: JoinResult | undefined
  readonly error: unknown
  readonly progress: readonly Progress[]
  readonly ceremony: Ceremony | undefined
}

export interface JoinChanges {
  readonly site?: Partial<Site>
  readonly machine?: Partial<Site['machine']>
  readonly control?: NonNullable<JoinOptions['control']>
  readonly progress?: (event: Progress) => void
  /** Ends the join, as its operator would. */
  readonly stop?: AbortSignal
}

/** One join, by an honest site or by a liar. What an honest one proved, its bundle proves to a stranger. */
export const joinAs = async (
  world: MemoryWorld,
  name: SiteId,
  definition: Definition,
  message: Uint8Array | null,
  liar?: Liar,
  changes: JoinChanges = {},
): Promise<Joined> => {
  await world.clock.hold(loadScheme(definition.protocol))
  const real: Site = { ...(await memorySite(world, name, changes.machine)), ...changes.site }
  const site: Site = {
    ...real,
    connect: async (to) => {
      const wire = await real.connect(to)
      return liar?.connected?.(wire) ?? wire
    },
  }
  const progress: Progress[] = []
  const stop = new AbortController()
  changes.stop?.addEventListener('abort', () => stop.abort(changes.stop?.reason))
  const options: JoinOptions = {
    progress: (event) => {
      progress.push(event)
      changes.progress?.(event)
    },
    signal: stop.signal,
    message,
    check: false,
    ...(changes.control && { control: changes.control }),
  }
  let ceremony: Ceremony | undefined
  const run = async (): Promise<Joined> => {
    try {
      const result = await joinCeremony(site, definition, options)
      return { site: name, result, error: undefined, progress, ceremony }
    } catch (error) {
      return { site: name, result: undefined, error, progress, ceremony }
    }
  }
  watching.set(options.signal, (one) => {
    ceremony = one
  })
  const joined = await (liar === undefined ? run() : running.run(liar, run))
  if (liar === undefined) await world.clock.hold(strangerAgrees(world, joined))
  return joined
}

export const approveAll = async (
  world: MemoryWorld,
  names: readonly string[],
  definition: Definition,
): Promise<void> => {
  for (const name of names) await approveIn(world, name, definition)
}

export interface Left {
  readonly events: readonly LogEvent[]
  readonly blames: readonly Blame[]
  readonly ready: boolean
  readonly installed: number
  readonly staged: number
}

/** What a ceremony left on a site's disk. */
export const leftAt = async (world: MemoryWorld, name: SiteId, definition: Definition): Promise<Left> => {
  const disk = world.homes.get(name)?.disk
  if (disk === undefined) throw new Error(`no home ${name}`)
  const home = await openHome(disk)
  const hash = ceremonyId(definition)
  const log = await openLog({
    disk,
    path: logPath(hash),
    origin: ceremonyOrigin(hash, home.identity),
    signer: home.keys.log,
  })
  const events = [...log.replay()]
  const blames = events.flatMap(({ what, object }) => {
    const body = what === 'evidence' && object !== null ? log.body(object) : undefined
    return body === undefined ? [] : [blameCodec.decode(body)]
  })
  const epochs = await shardStore(disk).list()
  return {
    events,
    blames,
    ready: events.some((event) => event.what === 'ready' && event.site === name),
    installed: epochs.filter((one) => one.state === 'installed').length,
    staged: epochs.filter((one) => one.state === 'staged').length,
  }
}

/** A key that all sites make, and its definition. */
export const keyOf = async (
  world: MemoryWorld,
  sites: readonly SiteId[],
  changes: Parameters<typeof keygenDefinition>[0],
): Promise<{ readonly definition: Definition; readonly id: Hash }> => {
  const definition = await keygenDefinition({ ...changes, sites: await siteEntries(sites) })
  await approveAll(world, sites, definition)
  const made = await Promise.all(sites.map((site) => joinAs(world, site, definition, null)))
  return { definition, id: made[0]?.result?.key?.id as Hash }
}

/** Writes a home as files, for code that opens a real one. */
export const writeHome = async (folder: string, files: Iterable<readonly [string, Uint8Array]>): Promise<void> => {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await chmod(folder, 0o700)
  for (const [path, bytes] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true, mode: 0o700 })
    await writeFile(join(folder, path), bytes, { mode: 0o600 })
  }
}
