import type { SiteId } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { fencedIn, fenceIn } from '../../records/definition.ts'
import type { Session } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { awaitAll } from './await-all.ts'
import { sayOfKey, suspendedIn } from './suspended.ts'

/** Sites of the ceremony that hold a share of the key that it fences, in roster order. */
const holdersIn = ({ authority }: Ceremony): readonly SiteId[] => fencedIn(authority.definition).map(({ name }) => name)

/**
 * Suspends the key that the ceremony fences where this site holds a share of it, and promises so to the others: first the
 * ledger's word, then the promise. A site that voted said it before; what its operator did with the key since is his word.
 */
export const fenceKey = async (ceremony: Ceremony): Promise<void> => {
  const { authority, seat, store, site } = ceremony
  const fence = fenceIn(authority.definition)
  if (fence === undefined || !holdersIn(ceremony).includes(seat.name) || store.ready.has(seat.name)) return
  const { key, reason } = fence
  await sayOfKey(site.ledger, site.machine.clock, { key, reason, suspended: true })
  if (!store.fenced.has(seat.name)) await ceremony.publish('fenced', { ceremony: authority.hash, site: seat.name, key })
}

/** Waits for the promise of every holder that takes part. Throws SilenceError at the round's deadline. */
export const everyFenced = async (ceremony: Ceremony, session: Session): Promise<void> => {
  const holders = holdersIn(ceremony)
  const waiting = (): readonly SiteId[] => holders.filter((name) => !ceremony.store.fenced.has(name))
  const look = (): true | undefined => {
    const missing = waiting()
    const [got, total] = [holders.length - missing.length, holders.length]
    ceremony.options.progress({ phase: 'step', step: 'fenced', got, total, waiting: missing })
    return missing.length === 0 ? true : undefined
  }
  if (holders.length > 0) await awaitAll(ceremony, session, 'fenced', look, waiting)
}

/**
 * Throws E_NOT_ALLOWED where this site holds a share of the key that is fenced, and does not keep its promise to leave it
 * alone: its operator resumed the key since.
 */
export const refuseUnfenced = (ceremony: Ceremony): void => {
  const { authority, seat, store, site } = ceremony
  const fence = fenceIn(authority.definition)
  if (fence === undefined || !holdersIn(ceremony).includes(seat.name)) return
  if (store.fenced.has(seat.name) && suspendedIn(site.ledger).has(fence.key)) return
  const key = fence.key.slice(0, 8)
  throw new QuorateError(
    'E_NOT_ALLOWED',
    `this site uses the key ${key} again, which this ceremony takes out of use: it does not vote`,
    `quorate keys suspend --key ${key} --reason WHY, or just run join again, which does the same`,
    { key: fence.key },
  )
}
