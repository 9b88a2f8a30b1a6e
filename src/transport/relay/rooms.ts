import { fromEnvelope } from '../../identity/dsse.ts'
import type { Hash, Identity, SiteId } from '../../lib/brand.ts'
import { fromBase64 } from '../../lib/bytes.ts'
import { noteCodec } from '../../records/identity.ts'
import { decodeAddressed } from '../relay-frame.ts'
import type { Connection } from './connection.ts'
import type { Limits } from './limits.ts'
import type { Admission, Enter } from './protocol.ts'
import type { Counts } from './stats.ts'

interface Kept {
  readonly counter: number
  /** Base64 of envelopes, as they came. */
  readonly certificate: string
  readonly note: string
}

interface Room {
  readonly authority: Hash
  readonly present: Map<SiteId, Connection[]>
  readonly notes: Map<SiteId, Kept>
  /** Monotonic milliseconds; undefined while somebody is in it. */
  emptySince: number | undefined
}

/** The rooms of a relay: their members and notes, and the receivers of each frame. */
export class Rooms {
  readonly #limits: Limits
  readonly #counts: Counts
  readonly #allow: ReadonlySet<Identity> | undefined
  readonly #rooms = new Map<Hash, Room>()
  #noteBytes = 0

  constructor(limits: Limits, counts: Counts, allow: ReadonlySet<Identity> | undefined) {
    this.#limits = limits
    this.#counts = counts
    this.#allow = allow
  }

  get size(): number {
    return this.#rooms.size
  }

  get noteBytes(): number {
    return this.#noteBytes
  }

  /** Lets an admitted member in; a reason where there is no room for it. */
  enter(connection: Connection, admission: Admission, enter: Enter): string | undefined {
    const { room: name, member } = admission
    if (enter.members.length > this.#limits.members) return 'too many members'
    const room = this.#rooms.get(name) ?? this.#create(name, admission, enter)
    if (typeof room === 'string') return room
    const own = room.present.get(member.name) ?? []
    const total = [...room.present.values()].reduce((sum, list) => sum + list.length, 0)
    if (own.length >= this.#limits.connectionsPerMember) own[0]?.cut('cutCrowded', 1008)
    else if (total >= this.#limits.connectionsPerRoom) return 'too many connections in this room'
    room.present.set(member.name, [...(room.present.get(member.name) ?? []), connection])
    room.emptySince = undefined
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
    if (room.notes.size === 0) this.#rooms.delete(admission.room)
    else room.emptySince = now
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

  /** Keeps a member's note where it is newer than the one kept, and shows it to the others. */
  post(connection: Connection, admission: Admission, note: string): void {
    const { room: name, member, certificate } = admission
    const room = this.#rooms.get(name)
    const counter = room && counterOf(note, admission, room.authority)
    if (room === undefined || counter === undefined) {
      this.#counts.dropped += 1
      return
    }
    const kept = room.notes.get(member.name)
    if (kept !== undefined && kept.counter >= counter) return
    const size = note.length + certificate.length
    const freed = kept === undefined ? 0 : kept.note.length + kept.certificate.length
    if (this.#noteBytes + size - freed > this.#limits.notes) {
      this.#counts.dropped += 1
      return
    }
    this.#noteBytes += size - freed
    this.#counts.notes += 1
    room.notes.set(member.name, { counter, certificate, note })
    for (const [to, readers] of room.present) {
      if (to === member.name) continue
      for (const reader of readers) this.#show(room, reader, member.name)
      connection.charge(size * readers.length)
    }
  }

  /**
   * Shows a reader the newest note of `from` when it has taken those before: all notes of a room together may be more than
   * may wait for one reader.
   */
  #show(room: Room, reader: Connection, from: SiteId): void {
    reader.due.add(from)
    if (!reader.showing) this.#showNext(room, reader)
  }

  #showNext(room: Room, reader: Connection): void {
    const [from] = reader.due
    reader.showing = from !== undefined && reader.open
    if (from === undefined || !reader.open) return
    reader.due.delete(from)
    const kept = room.notes.get(from)
    if (kept === undefined) this.#showNext(room, reader)
    else
      reader.say({ what: 'note', certificate: kept.certificate, note: kept.note }, () => this.#showNext(room, reader))
  }

  /** Forgets rooms that nobody was in for long. */
  sweep(now: number): void {
    for (const [name, room] of this.#rooms)
      if (room.emptySince !== undefined && now - room.emptySince > this.#limits.roomIdle) this.#forget(name, room)
  }

  #create(name: Hash, { member }: Admission, enter: Enter): Room | string {
    if (this.#allow !== undefined && !this.#allow.has(member.identity)) return 'this relay opens rooms for others only'
    if (this.#rooms.size >= this.#limits.rooms && !this.#forgetOldest()) return 'too many rooms'
    const room: Room = {
      authority: enter.authority,
      present: new Map(),
      notes: new Map(),
      emptySince: undefined,
    }
    this.#rooms.set(name, room)
    return room
  }

  #forgetOldest(): boolean {
    const empty = [...this.#rooms].filter(([, room]) => room.emptySince !== undefined)
    empty.sort(([, a], [, b]) => (a.emptySince ?? 0) - (b.emptySince ?? 0))
    const oldest = empty[0]
    if (oldest === undefined) return false
    this.#forget(...oldest)
    return true
  }

  #forget(name: Hash, room: Room): void {
    for (const { note, certificate } of room.notes.values()) this.#noteBytes -= note.length + certificate.length
    this.#rooms.delete(name)
  }
}

const counterOf = (note: string, { noteKey, member }: Admission, authority: Hash): number | undefined => {
  try {
    const { value } = fromEnvelope(noteCodec, fromBase64(note), [noteKey])
    return value.ceremony === authority && value.identity === member.identity ? value.counter : undefined
  } catch {
    return undefined
  }
}
