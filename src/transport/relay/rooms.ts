import { fromEnvelope } from '../../identity/dsse.ts'
import type { Hash, Identity, SiteId } from '../../lib/brand.ts'
import { fromBase64 } from '../../lib/bytes.ts'
import { noteCodec } from '../../records/note.ts'
import { decodeAddressed } from '../relay-frame.ts'
import type { Connection } from './connection.ts'
import type { Limits } from './limits.ts'
import { Notes, type RoomNotes } from './notes.ts'
import { type Admission, type Enter, relayMessageCodec } from './protocol.ts'
import { Shares, type Stake } from './shares.ts'
import type { Counts } from './stats.ts'

/** Of equals an empty room gives way first, and then the one that is to be opened. */
const OPEN = 1
const OPENING = 1 + 2 ** -21
const EMPTY = 1 + 2 ** -20

interface Room {
  readonly name: Hash
  readonly authority: Hash
  readonly present: Map<SiteId, Connection[]>
  readonly notes: RoomNotes
  readonly stake: Stake<Hash>
  /** Network of the member in whose name it is counted. */
  network: string
  /** Monotonic milliseconds; undefined while somebody is in it. */
  emptySince: number | undefined
}

/** The rooms of a relay: their members and notes, and the receivers of each frame. */
export class Rooms {
  readonly #limits: Limits
  readonly #counts: Counts
  readonly #allow: ReadonlySet<Identity> | undefined
  readonly #rooms = new Map<Hash, Room>()
  readonly #shares = new Shares<Hash>()
  readonly #notes: Notes

  constructor(limits: Limits, counts: Counts, allow: ReadonlySet<Identity> | undefined) {
    this.#limits = limits
    this.#counts = counts
    this.#allow = allow
    this.#notes = new Notes(limits.notes)
  }

  get size(): number {
    return this.#rooms.size
  }

  get noteBytes(): number {
    return this.#notes.bytes
  }

  /** Lets an admitted member in; a reason where there is no room for it. */
  enter(connection: Connection, admission: Admission, enter: Enter): string | undefined {
    const { room: name, member } = admission
    if (enter.members.length > this.#limits.members) return 'too many members'
    const room = this.#rooms.get(name) ?? this.#create(connection, admission, enter)
    if (typeof room === 'string') return room
    const own = room.present.get(member.name) ?? []
    const total = [...room.present.values()].reduce((sum, list) => sum + list.length, 0)
    if (own.length >= this.#limits.connectionsPerMember) own[0]?.cut('cutCrowded', 1008)
    else if (total >= this.#limits.connectionsPerRoom) return 'too many connections in this room'
    room.present.set(member.name, [...(room.present.get(member.name) ?? []), connection])
    room.emptySince = undefined
    weigh(room, OPEN)
    connection.admit(admission)
    this.#counts.admitted += 1
    connection.say({ what: 'admitted' })
    for (const from of room.notes.keys()) if (from !== member.name) this.#show(room, connection, from)
    return undefined
  }

  leave(connection: Connection, now: number): void {
    const { admission } = connection
    const room = admission && this.#rooms.get(admission.room)
    if (admission === undefined || room === undefined) return
    const rest = (room.present.get(admission.member.name) ?? []).filter((one) => one !== connection)
    if (rest.length > 0) room.present.set(admission.member.name, rest)
    else room.present.delete(admission.member.name)
    if (room.present.size > 0) return
    room.emptySince = now
    weigh(room, EMPTY)
    if (room.notes.size === 0) this.#forget(room)
  }

  /** A member's frame, to every connection of its addressee. */
  route(admission: Admission, frame: Uint8Array): void {
    const addressed = decodeAddressed(frame)
    const room = this.#rooms.get(admission.room)
    const readers =
      addressed?.from === admission.member.name && addressed.to !== addressed.from
        ? room?.present.get(addressed.to)
        : undefined
    if (readers === undefined) this.#counts.dropped += 1
    else for (const reader of readers) reader.send(frame)
  }

  /** Keeps a member's note where it is newer than the one kept, and shows it to the others. Each step takes long. */
  *post(connection: Connection, admission: Admission, note: string): Generator<undefined, void> {
    const { room: name, member, certificate } = admission
    const counter = counterOf(note, admission, this.#rooms.get(name)?.authority)
    const room = this.#rooms.get(name)
    if (room === undefined || counter === undefined) {
      this.#counts.dropped += 1
      return
    }
    const newer = (): boolean => (room.notes.get(member.name)?.counter ?? -1) < counter
    if (!newer()) return
    yield
    const message = relayMessageCodec.encode({ what: 'note', certificate, note })
    if (!newer() || this.#rooms.get(name) !== room) return
    if (!this.#notes.keep(room.notes, member.name, { counter, message, path: connection.path })) {
      this.#counts.dropped += 1
      return
    }
    this.#counts.notes += 1
    for (const [to, readers] of room.present) {
      if (to === member.name) continue
      for (const reader of readers) this.#show(room, reader, member.name)
      connection.charge(message.length * readers.length)
    }
  }

  /**
   * Shows a reader the newest note of `from` when it has taken those before: all notes of a room together may be more than
   * may wait for one reader.
   */
  #show(room: Room, reader: Connection, from: SiteId): void {
    reader.due.add(from)
    if (reader.showing) return
    reader.showing = true
    this.#showNext(room, reader)
  }

  #showNext(room: Room, reader: Connection): void {
    reader.later(() => {
      const [from] = reader.due
      reader.showing = from !== undefined
      if (from === undefined) return false
      reader.due.delete(from)
      const kept = room.notes.get(from)
      if (kept === undefined) this.#showNext(room, reader)
      else reader.show(kept.message, () => this.#showNext(room, reader))
      return kept !== undefined
    })
  }

  /** Forgets rooms that nobody was in for long, and those that lost their notes since. */
  sweep(now: number): void {
    for (const room of [...this.#rooms.values()]) {
      const { emptySince, notes } = room
      if (emptySince !== undefined && (notes.size === 0 || now - emptySince > this.#limits.roomIdle)) this.#forget(room)
    }
  }

  #create({ network }: Connection, { room: name, member }: Admission, enter: Enter): Room | string {
    if (this.#allow !== undefined && !this.#allow.has(member.identity)) return 'this relay opens rooms for others only'
    const room: Room = {
      name,
      authority: enter.authority,
      present: new Map(),
      notes: new Map(),
      stake: this.#shares.stake(name, [network, member.identity]),
      network,
      emptySince: undefined,
    }
    weigh(room, OPENING)
    this.#rooms.set(name, room)
    while (this.#rooms.size > this.#limits.rooms) {
      const most = this.#rooms.get(this.#shares.largest() ?? name)
      if (most !== undefined && !this.#standsForLess(most)) this.#forget(most)
    }
    return this.#rooms.has(name) ? room : 'too many rooms'
  }

  /** Counts a room in the name of another in it who has fewer rooms: nobody loses it through a member's many. */
  #standsForLess(room: Room): boolean {
    const present = [...room.present.values()].flat().map(({ path }) => path)
    const posted = [...room.notes.values()].map(({ path }) => path)
    const heldBy = ([network = '']: readonly string[]): number => this.#shares.heldBy(network)
    const [least] = [...present, ...posted].sort((a, b) => heldBy(a) - heldBy(b))
    // With it he still has fewer.
    if (least === undefined || heldBy(least) + EMPTY >= this.#shares.heldBy(room.network)) return false
    room.stake.move(least.slice(0, 2))
    room.network = least[0] ?? ''
    return true
  }

  #forget(room: Room): void {
    this.#rooms.delete(room.name)
    room.stake.end()
    this.#notes.forgetAll(room.notes)
    for (const readers of room.present.values()) for (const reader of readers) reader.cut('cutCrowded', 1013)
  }
}

const weigh = ({ stake }: Room, weight: number): void => stake.add(weight - stake.held)

const counterOf = (note: string, { noteKey, member }: Admission, authority: Hash | undefined): number | undefined => {
  try {
    const { value } = fromEnvelope(noteCodec, fromBase64(note), [noteKey])
    return value.ceremony === authority && value.identity === member.identity ? value.counter : undefined
  } catch {
    return undefined
  }
}
