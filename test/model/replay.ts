import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import { Peers } from '../../src/ceremony/peers/peers.ts'
import type { Ceremony, JoinControl } from '../../src/ceremony/store/ceremony.ts'
import { writeNote } from '../../src/ceremony/store/notes.ts'
import { RecordStore } from '../../src/ceremony/store/record-store.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { openHome } from '../../src/identity/home.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { recordTable } from '../../src/records/record-table.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { approveAll, type Joined, joinAs, type Liar, leftAt } from '../hostile/ceremonies.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { copyDisk, copyWorld, type MemoryWorld, memorySite } from '../support/memory-site.ts'

/**
 * Drives the real engine through a trace of ready.pml. Sites 0 to 2 of the model are s1 to s3. Votes, aborts and receipts
 * reach a peer only where the trace shows them; everything else passes. A step that the engine does not do is refused.
 */

const names = ['s1', 's2', 's3'] as SiteId[]
const OTHER = names[2] as SiteId
const decisive: ReadonlySet<string> = new Set(['ready', 'aborted', 'installed'])
/** A site votes as soon as it holds the proofs of all: it gets none before its step in the trace. */
const PROOF = 'possession'

/** The room of each site's newest join: its own name is the one that it has no peer of. */
const rooms = new Map<SiteId, Peers>()
const open = Peers.prototype.open
Peers.prototype.open = function (this: Peers): void {
  const own = names.find((name) => !this.bySite.has(name))
  if (own !== undefined) rooms.set(own, this)
  open.call(this)
}

export interface Replayed {
  /** Steps of the trace that the engine did not do. */
  readonly refused: readonly string[]
  readonly voted: readonly boolean[]
  readonly installed: readonly boolean[]
  /** Codes with which the honest sites' last joins ended; `closed` where without an error. */
  readonly last: readonly string[]
  readonly hints: readonly string[]
}

const codeOf = ({ error }: Joined): string => {
  if (error === undefined) return 'closed'
  return error instanceof QuorateError ? error.code : `bug: ${(error as Error).stack}`
}

interface Seat {
  readonly name: SiteId
  readonly held: Map<SiteId, PeerMessage[]>
  /** Peers that are shown everything as it comes. */
  readonly shown: Set<SiteId>
  control: JoinControl | undefined
  ceremony: Ceremony | undefined
  note: Uint8Array | undefined
  post: ((note: Uint8Array) => void) | undefined
  muted: boolean
  stop: AbortController
  done: Promise<Joined> | undefined
  ended: boolean
}

export const replay = async (origin: MemoryWorld, name: string, trace: readonly string[]): Promise<Replayed> => {
  const thief = name.includes('THIEF')
  const world = await copyWorld(origin, name)
  const { clock } = world
  const definition = await keygenDefinition({
    sites: await siteEntries(names),
    deadlines: { gather: 30, proposal: 5, round: 30, close: 600 },
  })
  await approveAll(world, names, definition)
  const honest = thief ? names : names.slice(0, 2)
  const home = await openHome(await copyDisk(world.homes.get(OTHER)?.disk as MemoryDisk))
  const store = new RecordStore(definitionAuthority(definition), clock)
  const abort = await writeNote(home, clock, store, 'aborted', 'changed my mind')
  const refused: string[] = []
  let healed = false
  const mayVote = new Set<SiteId>(thief ? [] : [OTHER])
  const proofs = new Map<SiteId, (() => void)[]>()
  const letVote = (site: SiteId): void => {
    mayVote.add(site)
    for (const send of proofs.get(site) ?? []) send()
    proofs.delete(site)
  }

  const seats = new Map<SiteId, Seat>(
    names.map((one) => [
      one,
      {
        name: one,
        held: new Map(),
        shown: new Set(),
        control: undefined,
        ceremony: undefined,
        note: undefined,
        post: undefined,
        muted: true,
        stop: new AbortController(),
        done: undefined,
        ended: false,
      },
    ]),
  )
  const seatOf = (one: number | SiteId): Seat =>
    seats.get(typeof one === 'number' ? (names[one] as SiteId) : one) as Seat

  const start = async (seat: Seat): Promise<void> => {
    const site = await memorySite(world, seat.name)
    const connect: typeof site.connect = async (authority) => {
      const wire = await site.connect(authority)
      seat.post = (note) => wire.post(note)
      return {
        ...wire,
        post: (note) => {
          seat.note = note
          if (!seat.muted) wire.post(note)
        },
      }
    }
    const hook: Liar = {
      site: seat.name,
      get ceremony() {
        return seat.ceremony
      },
      set ceremony(one) {
        seat.ceremony = one
      },
      post: (_topic, _to, bytes) => [bytes],
      talk(to, message) {
        if (healed && seat.name === OTHER && !thief) return []
        if (message.is !== 'object') return [message]
        if (message.name === PROOF && !mayVote.has(to)) {
          proofs.set(to, [...(proofs.get(to) ?? []), () => rooms.get(seat.name)?.send(to, message)])
          return []
        }
        if (!decisive.has(message.name) || seat.shown.has(to)) return [message]
        seat.held.set(to, [...(seat.held.get(to) ?? []), message])
        return []
      },
    }
    const stop = new AbortController()
    seat.stop = stop
    seat.ended = false
    seat.ceremony = undefined
    seat.control = undefined
    seat.done = joinAs(world, seat.name, definition, null, hook, {
      site: { connect },
      control: (control) => {
        seat.control = control
      },
      stop: stop.signal,
    })
    void seat.done.then(() => {
      if (seat.stop === stop) seat.ended = true
    })
  }

  /** True once it is so; false where it is not within a minute of the world's clock. */
  const until = async (isSo: () => boolean, ms = 60_000): Promise<boolean> => {
    const end = clock.monotonic() + ms
    while (!isSo() && clock.monotonic() < end) await clock.sleep(100)
    return isSo()
  }
  const release = (from: Seat, to: SiteId): void => {
    from.shown.add(to)
    for (const message of from.held.get(to) ?? []) rooms.get(from.name)?.send(to, message)
    from.held.delete(to)
  }
  const own = (seat: Seat, what: 'ready' | 'installed' | 'staged'): boolean =>
    (seat.ceremony?.events(what) ?? []).some((event) => event.site === seat.name)
  const ownVote = (seat: Seat): PeerMessage | undefined => {
    const held = seat.ceremony?.store.ready.get(seat.name)
    return held && { is: 'object', name: 'ready', bytes: held.envelope }
  }
  /** A vote of the liar for another record, under its own message key. */
  const otherVote = async (seat: Seat): Promise<PeerMessage | undefined> => {
    const { ceremony } = seat
    if (ceremony === undefined) return undefined
    const value = {
      ceremony: ceremony.authority.hash,
      site: seat.name,
      record: hashOf(utf8('another record')),
      base: null,
    }
    const bytes = toEnvelope(await ceremony.signer.sign(recordTable.ready.codec, value))
    return { is: 'object', name: 'ready', bytes }
  }

  const step = async (line: string): Promise<boolean> => {
    const [what, ...rest] = line.split(' ')
    const [a = 0, b = 0] = rest.map(Number)
    const seat = seatOf(a)
    switch (what) {
      case 'attempt':
        // The engine makes the next one itself, where it makes one.
        if (a === 1) for (const one of seats.values()) await start(one)
        return a === 1 || (await until(() => (seatOf(0).ceremony?.attempts.length ?? 0) >= a, 10_000))
      case 'begin': {
        if (!own(seat, 'ready')) return until(() => (seat.ceremony?.attempts.length ?? 0) > 0)
        // A site that voted comes back: it may not begin anew.
        const before = seat.ceremony?.attempts.length
        seat.stop.abort(new QuorateError('E_STOPPED', 'stopped', ''))
        await seat.done
        await start(seat)
        return until(() => (seat.ceremony?.attempts.length ?? 0) !== before && seat.ceremony !== undefined, 10_000)
      }
      case 'stage':
        return until(() => own(seat, 'staged'))
      case 'vote':
        letVote(seat.name)
        return until(() => own(seat, 'ready') || seat.ended, 20_000).then(() => own(seat, 'ready'))
      case 'install':
        await until(() => own(seat, 'installed') || seat.ended)
        return own(seat, 'installed')
      case 'show':
        release(seat, names[b] as SiteId)
        await clock.sleep(1000)
        seat.shown.delete(names[b] as SiteId)
        return true
      case 'abort':
        void seat.control?.abort('its operator left').catch(() => undefined)
        await until(() => seat.ceremony?.aborted === true || seat.ended, 5000)
        return seat.ceremony?.aborted === true
      case 'heed':
        // To heed an abort is to end on it.
        await clock.sleep(5000)
        return seat.ended
      case 'crash':
        seat.stop.abort(new QuorateError('E_STOPPED', 'stopped', ''))
        await seat.done
        await start(seat)
        await until(() => seat.control !== undefined, 5000)
        await clock.sleep(1000)
        return true
      case 'write':
        seat.muted = false
        if (seat.note !== undefined) seat.post?.(seat.note)
        await clock.sleep(1000)
        return true
      case 'liar': {
        const [said1, ...more] = rest
        const to = names[Number(more.at(-1))] as SiteId
        const liar = seatOf(OTHER)
        const isAbort = said1 === 'aborts'
        if (!isAbort) await until(() => own(liar, 'ready'))
        const vote = isAbort ? undefined : Number(more[0]) === 1 ? ownVote(liar) : await otherVote(liar)
        const message: PeerMessage | undefined = isAbort ? { is: 'object', name: 'aborted', bytes: abort } : vote
        if (message !== undefined) rooms.get(OTHER)?.send(to, message)
        await clock.sleep(1000)
        return message !== undefined
      }
      case 'heal': {
        healed = true
        for (const one of names) letVote(one)
        for (const one of honest.map(seatOf)) {
          for (const to of names) if (a === 0) release(one, to)
          one.muted = false
          if (one.note !== undefined) one.post?.(one.note)
        }
        // By notes alone: no frame passes any more.
        if (a === 1) world.network.set({ tamper: () => [] })
        await clock.sleep(5000)
        return true
      }
      default:
        throw new Error(`no such step: ${line}`)
    }
  }

  for (const line of trace) if (!(await step(line))) refused.push(line)
  if (!healed) await step('heal 0')
  let last: readonly Joined[] = []
  const settle = async (): Promise<readonly Joined[]> =>
    Promise.all(honest.map(async (one) => (await seatOf(one).done) as Joined))
  if (!thief) seatOf(OTHER).stop.abort(new QuorateError('E_STOPPED', 'stopped', ''))
  last = await settle()
  for (let again = 0; again < 2 && last.some(({ error }) => error !== undefined); again++) {
    for (const one of honest.map(seatOf)) {
      for (const to of names) letVote(to)
      for (const to of names) one.shown.add(to)
      await start(one)
    }
    last = await settle()
  }
  clock.stop()
  const left = await Promise.all(honest.map((one) => leftAt(world, one, definition)))
  return {
    refused,
    voted: left.map(({ ready }) => ready),
    installed: left.map(({ installed }) => installed > 0),
    last: last.map(codeOf),
    hints: last.map(({ error }) => (error instanceof QuorateError ? error.hint : '')),
  }
}
