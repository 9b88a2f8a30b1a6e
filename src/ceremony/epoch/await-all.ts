import type { SiteId } from '../../lib/brand.ts'
import { SilenceError } from '../session/endings.ts'
import type { Session } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'

/** Resolves with what `look` finds. Throws SilenceError with `missing` at the round's deadline, and what ends the session. */
export const awaitAll = async <T>(
  ceremony: Ceremony,
  session: Session,
  what: string,
  look: () => T | undefined,
  missing: () => readonly SiteId[],
): Promise<T> => {
  const seconds = ceremony.authority.terms.deadlines.round
  const found = await ceremony.store.until(look, seconds * 1000, session.signal)
  if (found === undefined) throw new SilenceError(missing(), what, seconds)
  return found
}
