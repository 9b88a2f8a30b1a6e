import { join } from 'node:path'
import { definitionAuthority } from '../ceremony/definition/authority.ts'
import { bundlePath, forgottenRecordPath, notePath } from '../ceremony/paths.ts'
import { describeStatus, type Running, type Status } from '../ceremony/status/describe.ts'
import { lastJoin } from '../ceremony/status/last-join.ts'
import { admitKeptApprovals } from '../ceremony/store/kept-approvals.ts'
import { envelopesIn, openNote } from '../ceremony/store/notes.ts'
import { RecordStore } from '../ceremony/store/record-store.ts'
import { systemClock } from '../host/clock.ts'
import { type HostDisk, openRoot } from '../host/disk.ts'
import { askOwner } from '../host/run-socket.ts'
import { fromEnvelope } from '../identity/dsse.ts'
import { type Home, openHome } from '../identity/home.ts'
import type { Hash, Identity } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { DecodeError } from '../records/codec.ts'
import { ceremonyId, type Definition } from '../records/definition.ts'
import { type Note, noteCodec } from '../records/note.ts'
import { type RecordName, recordOfEvent } from '../records/record-table.ts'
import type { RelayRoom } from '../transport/relay-client.ts'
import { connectRoom, lookAtLog, type RelayAccess, unreached, whenReachable } from './home-session.ts'

/** Approvals and aborts in this site's log. */
const KEPT: ReadonlySet<RecordName> = new Set(['certificate', 'approval', 'aborted'])
const NOTES_MS = 600
/** Nobody waits longer to see where things stand. */
const REACH_MS = 3000
const ANSWER_MS = 1000

/**
 * Status by this site's own logs, and by others' notes where a relay shows them. Writes nothing, needs no passphrase.
 */
export const status = async (wanted: {
  readonly home: string
  readonly definition: Definition
  readonly offline: boolean
  readonly relays?: RelayAccess
}): Promise<Status> => {
  const disk = await openRoot(wanted.home)
  try {
    const home = await openHome(disk)
    const authority = definitionAuthority(wanted.definition)
    const ceremony = ceremonyId(wanted.definition)
    const book = new RecordStore(authority, systemClock)
    const admit = (name: RecordName, bytes: Uint8Array): void => {
      try {
        book.admit(name, bytes, null)
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
      }
    }
    await admitKeptApprovals(book, disk, ceremony)
    const log = await lookAtLog(disk, home, ceremony)
    for (const event of log.replay()) {
      const name = recordOfEvent.get(event.what)
      const body = event.object === null ? undefined : log.body(event.object)
      if (name !== undefined && KEPT.has(name) && body !== undefined) admit(name, body)
    }
    const notes = await ownNote(disk, home, ceremony)
    for (const [identity, { signed }] of book.aborts) notes.set(identity, signed.value)
    const unreachable = wanted.offline ? null : await readNotes(home, wanted.definition, notes, wanted.relays ?? {})
    for (const note of notes.values()) for (const bytes of envelopesIn(note.approvals)) admit('approval', bytes)
    const paths = await Promise.all(
      ['abort', wanted.definition.kind].map(async (what) =>
        (await disk.list('bundles')).includes(bundlePath(ceremony, what).slice('bundles/'.length))
          ? join(wanted.home, bundlePath(ceremony, what))
          : undefined,
      ),
    )
    return describeStatus({
      authority,
      self: home.identity,
      log,
      approved: book.approved(),
      notes,
      now: systemClock.now(),
      bundle: paths.find((path) => path !== undefined) ?? null,
      running: await whoRuns(wanted.home, ceremony),
      lastJoin: await lastJoin(disk, ceremony),
      forgetful: (await disk.read(forgottenRecordPath(ceremony))) !== undefined,
      unreachable,
    })
  } finally {
    await disk.close()
  }
}

const whoRuns = async (home: string, ceremony: Hash): Promise<Running> => {
  try {
    const answer = await askOwner(home, { do: 'running', ceremony }, { ms: ANSWER_MS })
    return answer === undefined ? 'no' : answer.ok ? 'join' : 'other'
  } catch (error) {
    if (error instanceof QuorateError && error.code === 'E_HOME_BUSY') return 'mute'
    throw error
  }
}

/** This site's newest note, by itself: it says why it left. */
const ownNote = async (disk: HostDisk, home: Home, ceremony: Hash): Promise<Map<Identity, Note>> => {
  try {
    const bytes = await disk.read(notePath(ceremony))
    if (bytes === undefined) return new Map()
    return new Map([[home.identity, fromEnvelope(noteCodec, bytes, [home.keys.note.key]).value]])
  } catch (error) {
    if (error instanceof DecodeError || (error instanceof QuorateError && error.code === 'E_FILE')) return new Map()
    throw error
  }
}

/** Takes in what the relays show; resolves with those that do not answer. */
const readNotes = async (
  home: Home,
  definition: Definition,
  into: Map<Identity, Note>,
  relays: RelayAccess,
): Promise<NonNullable<Status['unreachable']>> => {
  const authority = definitionAuthority(definition)
  const identities: readonly Identity[] = [...definition.sites.map((site) => site.identity), ...definition.approvers]
  let room: RelayRoom | undefined
  try {
    room = await connectRoom(home, authority, relays)
    await whenReachable(room, REACH_MS)
    const open = room
    const read = async (): Promise<void> => {
      for await (const posted of open.notes()) {
        const note = openNote(posted, identities)
        const known = note === undefined ? undefined : into.get(note.value.identity)
        if (
          note !== undefined &&
          note.value.ceremony === authority.hash &&
          (known === undefined || known.counter < note.value.counter)
        )
          into.set(note.value.identity, note.value)
      }
    }
    const reading = read()
    await systemClock.sleep(NOTES_MS)
    const silent = unreached(room)
    await room.close()
    await reading
    return silent
  } catch (error) {
    // Without a relay others' phases are unknown, and say so.
    if (error instanceof QuorateError && error.code === 'E_NOT_ALLOWED') return []
    if (error instanceof QuorateError && error.code === 'E_RELAY' && room !== undefined) return unreached(room)
    throw error
  }
}
