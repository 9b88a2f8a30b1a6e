import type { LogView } from '../../audit/disk-log.ts'
import type { Hash, SiteId } from '../../lib/brand.ts'
import { type Definition, recordKind } from '../../records/definition.ts'
import type { LogEvent } from '../../records/event.ts'
import { hasBound } from '../session/binding.ts'

/**
 * True where as many receivers as sign together left before they voted: of so many one is honest and never votes, and no
 * record of this ceremony can ever be ready, whatever comes later.
 */
const isGivenUp = (events: readonly LogEvent[], receivers: readonly SiteId[], threshold: number): boolean => {
  const said = (what: LogEvent['what']) => new Set(events.flatMap((event) => (event.what === what ? [event.site] : [])))
  const [left, voted] = [said('abort'), said('ready')]
  return receivers.filter((name) => left.has(name) && !voted.has(name)).length >= threshold
}

/**
 * True where a site that receives no share may have dealt its old one: the receivers may finish without it, so it deals in
 * no other ceremony that replaces the same record. Of an attempt that a crash cut short, its log does not tell how far it
 * came. Once enough receivers left, it is free again.
 */
export const hasDealtAway = (log: LogView, site: SiteId, definition: Definition): boolean => {
  const receivers = recordKind(definition).receivers(definition)
  if (receivers.includes(site)) return false
  const events = [...log.replay()]
  if (isGivenUp(events, receivers, definition.threshold)) return false
  const failed = new Set(events.filter(({ what }) => what === 'failed').map(({ object }) => object))
  return events.some(({ what, object }) => what === 'started' && !failed.has(object)) || hasBound(log, site)
}

/**
 * True where a site that receives no share signed an attempt that its log does not have: what it dealt there it forgot, and
 * learnt from others that it was in it. Nothing tells it that the ceremony was given up.
 */
export const mayHaveDealt = (
  log: Pick<LogView, 'replay'>,
  site: SiteId,
  definition: Definition,
  signed: ReadonlySet<Hash>,
): boolean => {
  const logged = new Set([...log.replay()].map(({ what, object }) => (what === 'attempt' ? object : null)))
  return !recordKind(definition).receivers(definition).includes(site) && [...signed].some((one) => !logged.has(one))
}
