import type { SiteId } from '../../lib/brand.ts'
import { type Session, SilenceError } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'

/** Resolves with what `look` finds. Throws SilenceError with `missing` at the round's deadline, and what ends the session. */
export const awaitAll = async <T>(
  ceremony: Ceremony,
  session: Session,
  what: string,
  look: () => T | undefined,
  missing: () => readonly SiteId[],
): Promise<T> => {
  const ms = ceremony.authority.terms.deadlines.round * 1000
  const found = await ceremony.store.until(look, ms, session.signal)
  if (found === undefined) throw new SilenceError(missing(), what)
  return found
}
