import type { Hash, SiteId } from '../../lib/brand.ts'
import { fitsTerms, inTime, inWindow } from '../../records/admission.ts'
import type { Attempt, Hello } from '../../records/attempt.ts'
import { recordHash } from '../../records/signed.ts'
import type { Member } from '../definition/authority.ts'
import type { Peers } from '../peers/peers.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { HeldAttempt } from '../store/record-store.ts'
import type { Held } from '../store/shelf.ts'
import { isInStep, isTimely } from './clocks.ts'
import { isUsed } from './turns.ts'

export interface AttemptTerms {
  /** Record of the epoch that would be used; null in a keygen. */
  readonly base: Hash | null
  /** Sites that a stranger would convict. */
  guilty(): ReadonlySet<SiteId>
}

export const keyOf = (ceremony: Ceremony, site: SiteId) =>
  ceremony.store.hellos.get(site)?.signed.key as Attempt['participants'][number]['key']

/** Takes no seat any more, whoever proposes. */
export const isOut = ({ store, authority }: Ceremony, peers: Peers, terms: AttemptTerms, member: Member): boolean => {
  const hello = peers.hello(member.name)?.value
  return (
    terms.guilty().has(member.name) ||
    store.aborts.has(member.identity) ||
    (!authority.fixed && !store.approved().has(member.identity)) ||
    hello?.check === true ||
    (hello?.attempts ?? 0) >= authority.terms.attempts
  )
}

/** May be proposed by this site: here, on its newest hello, unused (`but` by this attempt), its ledger proven to this site, its key in time, its clock within bounds. */
export const isFree = (
  ceremony: Ceremony,
  peers: Peers,
  terms: AttemptTerms,
  member: Member,
  but?: HeldAttempt,
): boolean => {
  const { store, site, seat } = ceremony
  const hello = store.hellos.get(member.name)
  if (hello === undefined || isOut(ceremony, peers, terms, member)) return false
  if (!isUsable(ceremony, terms, hello, site.machine.clock.now(), but)) return false
  return (
    member.name === seat.name ||
    (isInStep(ceremony, peers, member.name) && peers.isHere(member.name) && peers.ledgers.proven(member.name))
  )
}

/**
 * True where an attempt may name this hello: unused `but` by it, on the same epoch, with its site's attempts before it
 * shown here.
 */
const isUsable = (
  ceremony: Ceremony,
  terms: AttemptTerms,
  hello: Held<Hello>,
  at: number,
  but?: HeldAttempt,
): boolean => {
  const { value } = hello.signed
  const certificate = ceremony.store.certificateOf(hello)
  return (
    certificate !== undefined &&
    inTime({ at }, [certificate]) &&
    !value.check &&
    value.epoch === terms.base &&
    value.attempts < ceremony.authority.terms.attempts &&
    showsChain(ceremony, hello.site, value) &&
    !isTaken(ceremony, hello.site, recordHash(hello.signed), but)
  )
}

/**
 * True where another attempt that its site signed names this hello. In a fixed roster, any attempt of this site: the
 * missing signature may be on its way, and nobody else could be asked.
 */
const isTaken = ({ store, authority, attempts }: Ceremony, site: SiteId, hello: Hash, but?: HeldAttempt): boolean => {
  const others = [...store.attempts.values()].filter((one) => one !== but)
  const own = others.filter(({ hash }) => authority.fixed && attempts.includes(hash))
  return isUsed(others, site, hello) || own.some(({ value }) => value.participants.some((one) => one.hello === hello))
}

/** True where the attempts that a hello says its site has signed are all here, signed by it. */
const showsChain = ({ store }: Ceremony, site: SiteId, hello: Hello): boolean => {
  let last = hello.lastAttempt
  for (let n = hello.attempts; n > 0; n--) {
    const attempt = last === null ? undefined : store.attempts.get(last)
    if (attempt?.signatures.has(site) !== true) return false
    last = attempt.value.participants.find((one) => one.site === site)?.last ?? null
  }
  return last === null
}

/**
 * True where this site signs another's proposal: its own newest hello in it, and nothing in it that a stranger would
 * not accept. Where seats are chosen, the coordinator alone must be connected to all: it passes on what they say, and
 * nothing may speak against its own ledger here.
 */
export const isRunnable = (ceremony: Ceremony, peers: Peers, terms: AttemptTerms, held: HeldAttempt): boolean => {
  const attempt = held.value
  const { authority, store, seat } = ceremony
  const own = peers.hello(seat.name)
  const mine = attempt.participants.find((one) => one.site === seat.name)
  if (own === undefined || mine?.hello !== own.hash || mine.last !== (ceremony.attempts.at(-1) ?? null)) return false
  if (!fitsTerms(attempt, authority.definition) || attempt.base !== terms.base) return false
  if (authority.missing(store.approved()).length > 0) return false
  if (!inWindow(attempt, authority.definition) || !isTimely(ceremony, attempt)) return false
  const hellos = attempt.participants.map((one) => store.hellosByHash.get(one.hello))
  const most = Math.max(...hellos.map((held) => held?.signed.value.attempts ?? 0))
  if (attempt.number !== most + 1) return false
  return attempt.participants.every((one, at) => {
    const hello = hellos[at]
    const member = authority.member(one.site)
    if (hello === undefined || member === undefined || isOut(ceremony, peers, terms, member)) return false
    const { value, key } = hello.signed
    if (hello.site !== one.site || key !== one.key || value.lastAttempt !== one.last) return false
    if (authority.fixed)
      return isFree(ceremony, peers, terms, member, held) && peers.hello(one.site)?.hash === one.hello
    // The coordinator vouches for the others' ledgers, not for its own.
    const forked = peers.bySite.get(one.site)?.rolledBack !== undefined
    const doubted = one.site === attempt.coordinator && peers.ledgers.doubts(one.site, value.ledger)
    return !forked && !doubted && isUsable(ceremony, terms, hello, attempt.at, held)
  })
}
