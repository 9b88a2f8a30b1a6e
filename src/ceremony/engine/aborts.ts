import type { Identity, SiteId } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { isProven } from '../blame/claims.ts'
import { isCandidate } from '../blame/pending-claims.ts'
import type { Authority } from '../definition/authority.ts'
import { dropStaged, hasStaged } from '../epoch/stage.ts'
import type { Peers } from '../peers/peers.ts'
import { BlameError } from '../session/endings.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { Run } from './run.ts'

export const nameOf = (authority: Authority, identity: Identity): string =>
  authority.roster.find((member) => member.identity === identity)?.name ?? identity

export const abortedHere = (): QuorateError =>
  new QuorateError(
    'E_ABORTED',
    'this site left this ceremony',
    'plan a new definition; this one is never run again here',
  )

/** Others may finish with what this site sent: no abort can tell it that nothing was made. */
const isBound = ({ kind, log, seat, authority }: Ceremony): boolean =>
  kind.boundBy(log, seat.name, authority.definition) !== undefined

/** Throws E_NOT_ALLOWED where this site's operator can leave no more. */
export const refuseBound = ({ kind, log, seat, authority }: Ceremony): void => {
  const bound = kind.boundBy(log, seat.name, authority.definition)
  if (bound === undefined) return
  throw new QuorateError('E_NOT_ALLOWED', `this site cannot leave any more: ${bound}`, 'let the join finish')
}

/** Why members left, by name: their own words. */
export const leftOf = ({ store, authority }: Pick<Ceremony, 'store' | 'authority'>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...store.goneIdentities()].map((identity) => [
      nameOf(authority, identity),
      store.aborts.get(identity)?.signed.value.abort ?? '',
    ]),
  )

/** Tells the operator who left and why, at each join anew: whoever goes on is to know of it. */
export const tellLeft = (ceremony: Ceremony): void => {
  for (const [site, reason] of Object.entries(leftOf(ceremony)))
    ceremony.options.progress({ phase: 'left', site, reason })
}

/** The error of a ceremony in which too few are left; undefined while it may still go on. */
const leftBy = (ceremony: Ceremony): QuorateError | undefined => {
  const { store, authority } = ceremony
  if (authority.possibleWithout(store.goneIdentities())) return undefined
  const names = [...store.goneIdentities()].map((id) => nameOf(authority, id))
  return new QuorateError(
    'E_ABORTED',
    `${names.join(', ')} left this ceremony`,
    isBound(ceremony)
      ? 'the others may have finished: run join again to ask them. Plan a new definition when all agree'
      : 'plan a new definition when all agree; nothing was made',
    { left: names, reasons: leftOf(ceremony) },
  )
}

/**
 * True where others show after all what was to be made, where an error says that too many left, or that one is proven
 * guilty. A site that is bound asks at each join, for one proposal's time; a site that is not bound has nothing to ask for.
 */
export const settledElsewhere = async ({ ceremony, work }: Run, error: unknown): Promise<boolean> => {
  const stopped = error instanceof BlameError || (error instanceof QuorateError && error.code === 'E_ABORTED')
  if (!stopped || !isBound(ceremony)) return false
  const { store, authority, options } = ceremony
  const ms = authority.terms.deadlines.proposal * 1000
  return (await store.until(() => work.isSettled() || undefined, ms, options.signal)) === true
}

/** Nobody waits in a session for a site that left, where nothing can come of it. Once this site is bound, something may. */
export const stopSession = (ceremony: Ceremony, peers: Pick<Peers, 'failSession'>): void => {
  const left = leftBy(ceremony)
  if (left === undefined || isBound(ceremony)) return
  for (const member of ceremony.authority.roster)
    if (ceremony.store.goneIdentities().has(member.identity)) peers.failSession(left, member.name)
}

/** Throws where the ceremony cannot go on whatever this site does. */
export const refuseStopped = (run: Run): void => {
  const { store, authority } = run.ceremony
  const left = leftBy(run.ceremony)
  if (left !== undefined) throw left
  if (!authority.fixed) return
  for (const [hash, { value }] of store.blames)
    if (isCandidate(run, value.accused) && isProven(run, value, hash)) throw new BlameError(value)
}

/** This site's own abort: in its log and ledger, and in its note. From here on it promises nothing more. */
export const abortHere = (ceremony: Ceremony, peers: Peers, reason: string): Promise<void> =>
  ceremony.abort(async () => {
    const note = await ceremony.writeNote('aborted', reason)
    if (note === undefined) return
    await ceremony.promise('aborted', note)
    peers.broadcast({ is: 'object', name: 'aborted', bytes: note })
    peers.postNote(note)
  })

/**
 * Others' aborts ended the ceremony here. A site that staged a shard and has not voted says so itself before it removes
 * the shard: it never votes after that, whatever it is shown later, and those who voted learn that they wait in vain.
 */
export const endWithOthers = async (ceremony: Ceremony, peers: Peers, left: readonly SiteId[]): Promise<void> => {
  const { seat, store, site, log, authority } = ceremony
  if (store.ready.has(seat.name) || store.replaced.has(seat.name) || !hasStaged(ceremony)) return
  await abortHere(ceremony, peers, `${left.join(', ')} left`)
  await dropStaged(site.shards, log, authority.definition)
}

/** Removes the shards that this site staged before it aborted: a crash may have come between. */
export const dropAfterAbort = async (ceremony: Ceremony): Promise<void> => {
  const { seat, store, site, log, authority } = ceremony
  if (ceremony.aborted && !store.ready.has(seat.name) && !store.replaced.has(seat.name))
    await dropStaged(site.shards, log, authority.definition)
}
