import type { SiteId } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { shortId } from '../../records/short-id.ts'
import { wantedInWords } from '../definition/authority.ts'
import type { Peers } from '../peers/peers.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { clockFault } from './clocks.ts'
import type { SeatingFacts } from './seating.ts'
import { soFar } from './so-far.ts'

/** No attempt of this definition is left to these sites. */
export const spent = ({ authority, seat }: Ceremony, by: readonly SiteId[]): QuorateError => {
  const where = by.length === 0 || by.includes(seat.name) ? 'here' : `by ${by.join(', ')}`
  return new QuorateError(
    'E_ATTEMPTS',
    `all ${authority.terms.attempts} attempts of this definition are used ${where}`,
    'find out why they failed (status), then plan a new definition',
  )
}

/** Why no attempt began before the gather deadline. */
export const gatherFailed = (ceremony: Ceremony, peers: Peers, seating: SeatingFacts): QuorateError => {
  const clocks = clockFault(ceremony, peers)
  if (clocks !== undefined) return clocks
  const { store, authority } = ceremony
  const gone = store.goneIdentities()
  const missing = authority.missing(store.approved()).filter((identity) => !gone.has(identity))
  const nameOf = (identity: string): string =>
    authority.roster.find((member) => member.identity === identity)?.name ?? identity
  const left = gone.size === 0 ? '' : `; ${[...gone].map(nameOf).join(', ')} left`
  if (missing.length > 0)
    return new QuorateError(
      'E_APPROVALS_MISSING',
      `approvals missing at the gather deadline: ${wantedInWords(authority, store.approved(), nameOf, gone)}${left}`,
      `they run \`quorate ${authority.topic} approve\` if they have not, then all run join again; ${soFar(ceremony, peers.bySite.values())}`,
      { missing },
    )
  const command = `quorate ${authority.topic}`
  const absent = seating.candidates.filter(({ here }) => !here).map(({ site }) => site)
  if (absent.length > 0)
    return new QuorateError(
      'E_QUORUM',
      `not here at the gather deadline: ${absent.join(', ')}${left}`,
      `their operators run \`${command} join\` for ${shortId(authority.hash)}; then run the same command again; ${soFar(ceremony, peers.bySite.values())}`,
      { absent },
    )
  // Sites that used all their attempts are here and not seated, and another deadline would bring nothing else.
  const used = authority.candidates
    .map((member) => member.name)
    .filter((name) => (peers.hello(name)?.value.attempts ?? 0) >= authority.terms.attempts)
  if (authority.candidates.length - used.length < authority.seats) return spent(ceremony, used)
  const mute = silentNow(ceremony, seating)
  return new QuorateError(
    'E_QUORUM',
    `no attempt could be agreed before the gather deadline${mute.length === 0 ? '' : `; nothing new from ${mute.join(', ')}`}`,
    `the operators look at \`${command} status\`, then all run join again; what was promised is safe on the disks`,
    { absent: mute },
  )
}

/** Those who are here and gave this site nothing that another attempt could use; a site in another attempt is not silent. */
const silentNow = (
  { seat, authority }: Ceremony,
  { candidates, coordinators, self }: SeatingFacts,
): readonly SiteId[] => {
  const mute = candidates.filter(({ site, free, busyUntil }) => site !== self && !free && busyUntil === undefined)
  if (mute.length > 0 || !authority.fixed) return mute.map(({ site }) => site)
  return coordinators.filter((site) => site !== seat.name)
}
