import { toEnvelope } from '../../identity/dsse.ts'
import type { Hash, SiteId } from '../../lib/brand.ts'
import { utf8 } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import { type Attempt, attemptCodec } from '../../records/attempt.ts'
import { recordHash } from '../../records/signed.ts'
import type { Member } from '../definition/authority.ts'
import type { Peers } from '../peers/peers.ts'
import { BlameError } from '../session/endings.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { hasLeft } from '../store/left-attempt.ts'
import type { HeldAttempt } from '../store/record-store.ts'
import { gatherFailed, spent } from './gather-failed.ts'
import { type AttemptTerms, isRunnable, keyOf } from './runnable.ts'
import type { SeatHistory } from './seat-history.ts'
import { inLine, mayFollow, nextLook, seatsToPropose } from './seating.ts'
import { madeWithout } from './so-far.ts'
import { crossedBy } from './turns.ts'

/** Looks for a reason not to run: somebody holds what this ceremony was to make, or nobody may run it. */
type Found = () => 'settled' | undefined

/** Proposal deadlines for which a site that comes too late waits for somebody who has what was made. */
const SHOWING = 2

type Step =
  | { readonly is: 'settled' }
  | { readonly is: 'sign'; readonly attempt: HeldAttempt }
  | { readonly is: 'propose'; readonly sites: readonly Member[] }

/**
 * Gathers sites and agrees on one attempt: resolves when this site holds the signatures of all its participants, or where
 * `found` says that no attempt is needed. Throws what ends the gathering. Each proposal is signed after a
 * barrier, one at a time, and at most `attempts` of them for ever.
 */
export const agreeAttempt = async (
  ceremony: Ceremony,
  peers: Peers,
  terms: AttemptTerms,
  history: SeatHistory,
  found: Found,
  newHello: () => Promise<void>,
): Promise<HeldAttempt | 'settled'> => {
  const { store, authority, site, options } = ceremony
  const { clock } = site.machine
  const began = clock.monotonic()
  await newHello()
  for (;;) {
    // A spare waits as long as others try.
    const since = Math.max(began, history.lastAttempt)
    const left = since + authority.terms.deadlines.gather * 1000 - clock.monotonic()
    if (left <= 0) throw gatherFailed(ceremony, peers, history.facts())
    // Whoever has finished and is here shows at once what it made; another may be asked to come.
    const showing = began + SHOWING * authority.terms.deadlines.proposal * 1000 - clock.monotonic()
    const without = madeWithout(ceremony, peers.bySite.values())
    if (without !== undefined && showing <= 0) throw without
    const step = await store.until<Step>(
      () => nextStep(ceremony, peers, terms, history, found),
      Math.max(1, Math.min(left, nextLook(history.facts()), showing > 0 ? showing : left)),
      options.signal,
    )
    if (step === undefined) continue
    if (step.is === 'settled') return 'settled'
    insideWindow(ceremony)
    if (ceremony.attempts.length >= authority.terms.attempts) throw spent(ceremony, [])
    const proposed = step.is === 'sign' ? step.attempt.value : propose(ceremony, peers, step.sites, terms.base)
    const attempt = await signAttempt(ceremony, peers, proposed)
    const outcome = await awaitSignatures(ceremony, terms, attempt, found).catch((error: unknown) => {
      // No share of this site leaves in it any more: it is not bound by it.
      if (error instanceof BlameError) ceremony.note('failed', undefined, null, attempt.hash)
      throw error
    })
    if (outcome === 'started') {
      ceremony.note('started', undefined, null, attempt.hash)
      return attempt
    }
    ceremony.note('failed', undefined, null, attempt.hash)
    if (outcome === 'settled') return 'settled'
    history.failed(attempt, lacking(ceremony, terms, attempt))
    options.progress({
      phase: 'attempt-failed',
      number: attempt.value.number,
      of: authority.terms.attempts,
      reason: whyNotStarted(ceremony, terms, attempt),
    })
    await newHello()
  }
}

const unsigned = (attempt: HeldAttempt): readonly SiteId[] =>
  attempt.value.participants.map(({ site }) => site).filter((site) => !attempt.signatures.has(site))

/**
 * Waits for all signatures. Others than the coordinator wait longer than it does: a signature that reaches it at the last
 * moment reaches them after it. Undefined: the attempt will not start.
 */
const awaitSignatures = async (
  { store, seat, authority, options }: Ceremony,
  terms: AttemptTerms,
  attempt: HeldAttempt,
  found: Found,
): Promise<'started' | 'settled' | undefined> => {
  const { coordinator } = attempt.value
  const isOver = (): boolean =>
    hasLeft(store, attempt, coordinator) ||
    crossedBy(attempt, store.attempts.values()) !== undefined ||
    unsigned(attempt).some((site) => hasLeft(store, attempt, site) || terms.guilty().has(site))
  const outcome = await store.until(
    () => found() ?? (unsigned(attempt).length === 0 ? 'started' : isOver() ? 'over' : undefined),
    authority.terms.deadlines.proposal * (coordinator === seat.name || authority.fixed ? 1000 : 1500),
    options.signal,
  )
  return outcome === 'over' ? undefined : outcome
}

/** Of those whose signature is not here, whoever left ends the attempt: the others' may be on its way. */
const lacking = ({ store }: Ceremony, terms: AttemptTerms, attempt: HeldAttempt): readonly SiteId[] => {
  const missing = unsigned(attempt)
  const left = missing.filter((site) => hasLeft(store, attempt, site) || terms.guilty().has(site))
  return left.length > 0 ? left : missing
}

const whyNotStarted = (ceremony: Ceremony, terms: AttemptTerms, attempt: HeldAttempt): string => {
  const { store } = ceremony
  const other = crossedBy(attempt, store.attempts.values())
  if (other === undefined) {
    if (hasLeft(store, attempt, attempt.value.coordinator)) return `given up by ${attempt.value.coordinator}`
    return `not signed by ${lacking(ceremony, terms, attempt).join(', ')}`
  }
  const elsewhere = unsigned(attempt).filter((site) => other.signatures.has(site))
  return `${elsewhere.join(', ')} took part in another attempt`
}

const nextStep = (
  ceremony: Ceremony,
  peers: Peers,
  terms: AttemptTerms,
  history: SeatHistory,
  found: Found,
): Step | undefined => {
  const { store, seat, authority } = ceremony
  refuseRollback(ceremony, peers)
  if (found() === 'settled') return { is: 'settled' }
  const seating = history.facts()
  for (const coordinator of inLine(seating)) {
    if (coordinator === seat.name || !mayFollow(seating, coordinator)) continue
    for (const attempt of store.attempts.values()) {
      if (attempt.value.coordinator !== coordinator || !attempt.signatures.has(coordinator)) continue
      if (ceremony.attempts.includes(attempt.hash) || hasLeft(store, attempt, coordinator)) continue
      if (isRunnable(ceremony, peers, terms, attempt)) return { is: 'sign', attempt }
    }
  }
  if (authority.missing(store.approved()).length > 0) return undefined
  const sites = seatsToPropose(seating)
  return sites && { is: 'propose', sites: authority.candidates.filter(({ name }) => sites.includes(name)) }
}

/** A ledger that went back: this site's own ends the join; a peer's, where its seat cannot go to another. */
const refuseRollback = (ceremony: Ceremony, peers: Peers): void => {
  const own = peers.ledgers.ownRollback
  if (own !== undefined)
    throw new QuorateError(
      'E_SITE_ROLLED_BACK',
      `the ledger of ${ceremony.seat.name} does not go on from one that it showed before`,
      'this home was restored or cloned, or the others took another copy of it back. Where no other home of this site is left, and it holds a share, `quorate recover readmit` here asks the others to take it back; without a share make a new home (quorate identity create); else keep it as evidence: they sign on, and mend this site on another machine (recover plan --lost)',
      { site: ceremony.seat.name, remembered: own.remembered },
    )
  const rolled = [...peers.bySite.values()].find((peer) => peer.rolledBack !== undefined)
  if (
    rolled?.rolledBack !== undefined &&
    ceremony.authority.fixed &&
    ceremony.authority.candidates.includes(rolled.member)
  )
    throw new QuorateError(
      'E_SITE_ROLLED_BACK',
      `${rolled.member.name} shows a ledger that is older than, or forked from, the one that it showed before`,
      `plan with signers that are not ${rolled.member.name}, until the others take it back (\`quorate recover readmit\` there) or mend it on another machine (recover plan --lost ${rolled.member.name})`,
      { site: rolled.member.name, ...rolled.rolledBack },
    )
}

const propose = (ceremony: Ceremony, peers: Peers, sites: readonly Member[], base: Hash | null): Attempt => {
  const { store, authority, site } = ceremony
  const hellos = sites.map((member) => {
    const hello = peers.hello(member.name)
    if (hello === undefined) throw new Error('a seat without a hello')
    return { member, hello }
  })
  const value: Attempt = {
    ceremony: authority.hash,
    number: 1 + Math.max(...hellos.map(({ hello }) => hello.value.attempts)),
    participants: hellos.map(({ member, hello }) => ({
      site: member.name,
      key: keyOf(ceremony, member.name),
      hello: hello.hash,
      last: hello.value.lastAttempt,
    })),
    base,
    round: authority.terms.deadlines.round,
    // The window may close between the look at it and here.
    at: Math.min(site.machine.clock.now(), Date.parse(authority.terms.window.closes)),
    coordinator: ceremony.seat.name,
  }
  for (const { member, hello } of hellos) {
    const held = store.hellosByHash.get(hello.hash)
    for (const { member: to } of hellos)
      if (held !== undefined && to.name !== member.name && to.name !== ceremony.seat.name)
        peers.records.offer(to.name, hashOf(held.envelope))
  }
  return value
}

const signAttempt = async (ceremony: Ceremony, peers: Peers, value: Attempt): Promise<HeldAttempt> => {
  const { store, options } = ceremony
  for (const { site, hello } of value.participants) {
    const held = store.hellosByHash.get(hello)
    if (held === undefined) throw new Error('an attempt without its hellos')
    ceremony.note('hello', held.envelope, site)
    const peer = peers.bySite.get(site)
    if (peer?.head === undefined) continue
    const note = utf8(peer.head.note)
    ceremony.note(peer.remembered === undefined ? 'first-contact' : 'peer-ledger', note, site)
    if (peers.ledgers.mayRemember(peer)) ceremony.noteLedger('peer-ledger', null, note, site)
  }
  // A spare is remembered too: it may sit in the next ceremony from a home that was set back.
  for (const peer of peers.bySite.values()) {
    const { head, member } = peer
    if (
      head !== undefined &&
      peers.ledgers.mayRemember(peer) &&
      !value.participants.some((one) => one.site === member.name)
    )
      ceremony.noteLedger('peer-ledger', null, utf8(head.note), member.name)
  }
  const signed = await ceremony.signer.sign(attemptCodec, value)
  const hash = recordHash(signed)
  ceremony.note('attempt', signed.bytes)
  ceremony.attempts.push(hash)
  ceremony.keepAttempt(hash)
  const bytes = toEnvelope(signed)
  await ceremony.promise('attempt', bytes)
  peers.broadcast({ is: 'object', name: 'attempt', bytes })
  options.progress({ phase: 'attempt', number: value.number, sites: value.participants.map(({ site }) => site) })
  return store.attempts.get(hash) as HeldAttempt
}

const insideWindow = (ceremony: Ceremony): void => {
  const now = ceremony.site.machine.clock.now()
  const { opens, closes } = ceremony.authority.terms.window
  if (now >= Date.parse(opens) && now <= Date.parse(closes)) return
  const early = now < Date.parse(opens)
  throw new QuorateError(
    'E_WINDOW',
    early ? `the window opens at ${opens}` : `the window closed at ${closes}`,
    early ? 'run the same command again then' : 'plan a new definition with a window that is open',
  )
}
