import type { LogView } from '../../audit/disk-log.ts'
import type { SiteId } from '../../lib/brand.ts'
import { type Definition, recordKind } from '../../records/definition.ts'
import { hasBound } from '../session/binding.ts'

/**
 * True where a site that receives no share has dealt its old one: the receivers may finish without it, so it deals in no
 * other ceremony that replaces the same record.
 */
export const hasDealtAway = (log: LogView, site: SiteId, definition: Definition): boolean =>
  !recordKind(definition).receivers(definition).includes(site) && hasBound(log, site)
