import type { LogView } from '../../audit/disk-log.ts'
import type { SiteId } from '../../lib/brand.ts'
import { type Definition, recordKind } from '../../records/definition.ts'
import { hasBound, hasOpenAttempt } from '../session/binding.ts'

/**
 * True where a site that receives no share has dealt its old one, or may have: the receivers may finish without it, so it
 * deals in no other ceremony that replaces the same record. Private messages stand in no log, so the round before them
 * binds; and where the end of an attempt was not written, nobody knows how far it came.
 */
export const hasDealtAway = (log: LogView, site: SiteId, definition: Definition): boolean =>
  !recordKind(definition).receivers(definition).includes(site) && (hasOpenAttempt(log) || hasBound(log, site))
