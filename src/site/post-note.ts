import { definitionAuthority } from '../ceremony/definition/authority.ts'
import { systemClock } from '../host/clock.ts'
import type { Home } from '../identity/home.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Definition } from '../records/definition.ts'
import { connectRoom, whenReachable } from './home-session.ts'

/** A relay keeps the note once it has it; how long it may take to get there. */
const POSTING_MS = 300

/** Leaves a note at the relays for who comes later; false where none answers within `ms`. */
export const postNoteToRelays = async (
  home: Home,
  definition: Definition,
  note: Uint8Array,
  ms: number,
): Promise<boolean> => {
  try {
    const room = await connectRoom(home, definitionAuthority(definition))
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
