import { join } from 'node:path'
import { definitionAuthority } from '../ceremony/authority.ts'
import { Book } from '../ceremony/book.ts'
import { bundlePath } from '../ceremony/home-paths.ts'
import { admitKeptApprovals } from '../ceremony/kept-approvals.ts'
import { envelopesIn, openNote } from '../ceremony/notes.ts'
import { describeStatus, type Status } from '../ceremony/status.ts'
import { systemClock } from '../host/clock.ts'
import { openRoot } from '../host/disk.ts'
import { openHome } from '../identity/home.ts'
import type { Identity } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { DecodeError } from '../records/codec.ts'
import { ceremonyId, type Definition } from '../records/definition.ts'
import type { Note } from '../records/identity.ts'
import { connectRoom, lookAtLog, whenReachable } from './open.ts'

const NOTES_MS = 600

/** What this site's own logs say, and others' notes where a relay shows them. Writes nothing, needs no passphrase. */
export const status = async (wanted: {
  readonly home: string
  readonly definition: Definition
  readonly offline: boolean
}): Promise<Status> => {
  const disk = await openRoot(wanted.home)
  try {
    const home = await openHome(disk)
    const authority = definitionAuthority(wanted.definition)
    const ceremony = ceremonyId(wanted.definition)
    const book = new Book(authority, systemClock)
    const approve = (bytes: Uint8Array): void => {
      try {
        book.admit('approval', bytes, null)
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
      }
    }
    await admitKeptApprovals(book, disk, ceremony)
    const log = await lookAtLog(disk, home, ceremony)
    const events = [...log.replay()]
    for (const event of events) {
      const body = event.what === 'approval' && event.object !== null ? log.body(event.object) : undefined
      if (body !== undefined) approve(body)
    }
    const notes = new Map<Identity, Note>()
    if (!wanted.offline) await readNotes(home, wanted.definition, notes)
    for (const note of notes.values()) for (const bytes of envelopesIn(note.approvals)) approve(bytes)
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
      events,
      approved: book.approved(),
      notes,
      now: systemClock.now(),
      bundle: paths.find((path) => path !== undefined) ?? null,
    })
  } finally {
    await disk.close()
  }
}

const readNotes = async (
  home: Parameters<typeof connectRoom>[0],
  definition: Definition,
  into: Map<Identity, Note>,
): Promise<void> => {
  const authority = definitionAuthority(definition)
  const identities: readonly Identity[] = [...definition.sites.map((site) => site.identity), ...definition.approvers]
  try {
    const room = await connectRoom(home, authority)
    await whenReachable(room)
    const read = async (): Promise<void> => {
      for await (const posted of room.notes()) {
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
    await room.close()
    await reading
  } catch (error) {
    // Without a relay others' phases are unknown, and say so.
    if (!(error instanceof QuorateError) || (error.code !== 'E_RELAY' && error.code !== 'E_NOT_ALLOWED')) throw error
  }
}
