import type { SiteId } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { span } from '../../lib/span.ts'
import type { Attempt } from '../../records/attempt.ts'
import { clockBounds } from '../../records/clock-bounds.ts'
import type { Peers } from '../peers/peers.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { soFar } from './so-far.ts'

/**
 * Clocks that are compared before anything is signed. Only a clock that is ahead is known to be: a message that says an
 * earlier time may have waited. Where one is behind, the others are ahead of it, and its own site finds that.
 */

const boundOf = ({ authority }: Ceremony): number => clockBounds(authority.definition).refuse * 1000

/** Milliseconds by which a peer's clock is ahead, as it said on connecting or, where that is more, in its hello. */
const aheadOf = ({ site, store }: Ceremony, peers: Peers, name: SiteId): number => {
  const hello = store.hellos.get(name)?.signed.value.clock ?? 0
  return Math.max(peers.bySite.get(name)?.ahead ?? 0, hello - site.machine.clock.now())
}

/** May be given a seat by this site. Another's coordinator may see its clock otherwise, and is followed. */
export const isInStep = (ceremony: Ceremony, peers: Peers, name: SiteId): boolean =>
  aheadOf(ceremony, peers, name) <= boundOf(ceremony)

/** The time that a coordinator wrote is this machine's, within the bound: this site signs it as the beginning. */
export const isTimely = (ceremony: Ceremony, { at }: Attempt): boolean =>
  Math.abs(at - ceremony.site.machine.clock.now()) <= boundOf(ceremony)

/**
 * Clocks that are too far apart for this ceremony: this machine's, where a quorum is ahead of it, or that of a site that
 * cannot be done without. Fewer than a quorum may lie, and end no ceremony that can do without them.
 */
export const clockFault = (ceremony: Ceremony, peers: Peers): QuorateError | undefined => {
  const { authority, seat } = ceremony
  const met = metPeers(ceremony, peers)
  const far = met.filter((name) => !isInStep(ceremony, peers, name))
  if (far.length === 0) return undefined
  const by = span(Math.min(...far.map((name) => aheadOf(ceremony, peers, name))))
  const so = soFar(ceremony, peers.bySite.values())
  const details = { sites: far }
  if (far.length >= authority.threshold)
    return new QuorateError(
      'E_CLOCK',
      `this machine’s clock is ${by} behind the clocks of ${far.join(', ')}`,
      `set the clock, then run the same command again; ${so}`,
      details,
    )
  if (authority.candidates.length - far.length >= authority.seats) return undefined
  return new QuorateError(
    'E_CLOCK',
    `the clock of ${far.join(', ')} is ${by} ahead of this machine’s`,
    `the operators of ${[seat.name, ...far].join(', ')} compare their clocks with the true time; the wrong one is set, then all run join again; ${so}`,
    details,
  )
}

const metPeers = ({ authority }: Ceremony, peers: Peers): readonly SiteId[] =>
  authority.candidates.map(({ name }) => name).filter((name) => peers.bySite.get(name)?.ahead !== undefined)

/**
 * Throws E_CLOCK as soon as it is known whose clock it is: once another is in step with this machine's, or all have said
 * theirs.
 */
export const refuseClocks = (ceremony: Ceremony, peers: Peers): void => {
  const fault = clockFault(ceremony, peers)
  if (fault === undefined) return
  const met = metPeers(ceremony, peers)
  const far = (fault.details as { readonly sites: readonly SiteId[] }).sites.length
  const { authority } = ceremony
  if (far >= authority.threshold || far < met.length || met.length === authority.candidates.length - 1) throw fault
}
