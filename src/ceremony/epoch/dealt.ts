import type { LogView } from '../../audit/disk-log.ts'
import type { SiteId } from '../../lib/brand.ts'
import { type Definition, recordKind } from '../../records/definition.ts'
import { hasBound } from '../session/binding.ts'

/**
 * True where a site that receives no share may have dealt its old one: the receivers may finish without it, so it deals in
 * no other ceremony that replaces the same record. Of an attempt that a crash cut short, its log does not tell how far it
 * came.
 */
export const hasDealtAway = (log: LogView, site: SiteId, definition: Definition): boolean => {
  if (recordKind(definition).receivers(definition).includes(site)) return false
  const events = [...log.replay()]
  const failed = new Set(events.filter(({ what }) => what === 'failed').map(({ object }) => object))
  return events.some(({ what, object }) => what === 'started' && !failed.has(object)) || hasBound(log, site)
}
