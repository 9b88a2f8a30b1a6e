import { definitionAuthority } from '../ceremony/definition/authority.ts'
import { admitKeptApprovals } from '../ceremony/store/kept-approvals.ts'
import { writeNote } from '../ceremony/store/notes.ts'
import { RecordStore } from '../ceremony/store/record-store.ts'
import { systemClock } from '../host/clock.ts'
import { QuorateError } from '../lib/errors.ts'
import { ceremonyId, type Definition } from '../records/definition.ts'
import { connectRoom, type HomeSession, whenReachable } from './home-session.ts'

/** A relay keeps the note once it has it; how long it may take to get there. */
const POSTING_MS = 300

/** Leaves a note at the relays for who comes later; false where none answers within `ms`. */
export const postNoteToRelays = async (
  owned: HomeSession,
  definition: Definition,
  note: Uint8Array,
  ms: number,
): Promise<boolean> => {
  try {
    const room = await connectRoom(owned.home, definitionAuthority(definition), owned)
    await whenReachable(room, ms)
    room.post(note)
    await systemClock.sleep(POSTING_MS)
    await room.close()
    return true
  } catch (error) {
    if (error instanceof QuorateError && error.code === 'E_RELAY') return false
    throw error
  }
}

/** An approval is given whether or not anybody hears of it at once. */
const TELLING_MS = 2000

/**
 * Says so in this member's note, where a relay is there to keep it: those who are not connected see it in status. False
 * while the approval is not in this home's folder yet: there is nothing to show.
 */
export const postApprovalOwned = async (owned: HomeSession, definition: Definition): Promise<boolean> => {
  const { home, disk } = owned
  const book = new RecordStore(definitionAuthority(definition), systemClock)
  await admitKeptApprovals(book, disk, ceremonyId(definition))
  if (!book.approved().has(home.identity)) return false
  const note = await writeNote(home, systemClock, book, 'approved', null)
  return postNoteToRelays(owned, definition, note, TELLING_MS)
}
