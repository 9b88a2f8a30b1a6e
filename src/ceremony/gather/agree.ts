import { toEnvelope } from '../../identity/dsse.ts'
import type { Hash, SiteId } from '../../lib/brand.ts'
import { utf8 } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import { fitsTerms, inTime, inWindow } from '../../records/admission.ts'
import { type Attempt, attemptCodec, type Hello } from '../../records/attempt.ts'
import { shortId } from '../../records/short-id.ts'
import { recordHash } from '../../records/signed.ts'
import { type Member, wantedInWords } from '../definition/authority.ts'
import type { Peers } from '../peers/peers.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { HeldAttempt } from '../store/record-store.ts'

/** What a gather may find instead of a need to run: somebody holds what this ceremony was to make, or nobody may run it. */
type Found = () => 'settled' | undefined

export interface AttemptFacts {
  /** Record of the epoch that would be used; null in a keygen. */
  readonly base: Hash | null
  /** Sites that a stranger would convict. */
  guilty(): ReadonlySet<SiteId>
  /** Those that were missing: last time, or where they were to propose or to sign. They are seated last. */
  readonly silent: Set<SiteId>
}

type Step =
  | { readonly is: 'settled' }
  | { readonly is: 'sign'; readonly attempt: HeldAttempt }
  | { readonly is: 'propose'; readonly sites: readonly Member[] }

/**
 * Gathers sites and agrees on one attempt: resolves when this site holds the signatures of all its participants, or with
 * undefined where `found` says that no attempt is needed. Throws what ends the gathering. Each proposal is signed after a
 * barrier, one at a time, and at most `attempts` of them for ever.
 */
export const agreeAttempt = async (
  ceremony: Ceremony,
  peers: Peers,
  facts: AttemptFacts,
  found: Found,
  newHello: () => Promise<void>,
): Promise<HeldAttempt | undefined> => {
  const { store, authority, site, options } = ceremony
  const { clock } = site.machine
  const { deadlines } = authority.definition
  const until = clock.monotonic() + deadlines.gather * 1000
  await newHello()
  let awaited: SiteId | undefined
  for (;;) {
    const left = Math.max(1, until - clock.monotonic())
    const step = await store.until<Step>(
      () => nextStep(ceremony, peers, facts, found),
      authority.fixed ? left : Math.min(left, deadlines.proposal * 1000),
      options.signal,
    )
    if (step === undefined && clock.monotonic() >= until) throw gatherFailed(ceremony, peers, facts)
    if (step === undefined) {
      // Whose turn it was at two looks in a row, and who proposed nothing, is passed over.
      const proposer = choose(ceremony, peers, facts)?.[0]?.name
      if (proposer !== undefined && proposer === awaited) facts.silent.add(proposer)
      awaited = proposer
      continue
    }
    awaited = undefined
    if (step.is === 'settled') return undefined
    insideWindow(ceremony)
    if (ceremony.attempts.length >= authority.definition.attempts) throw spent(ceremony, [])
    const proposed = step.is === 'sign' ? step.attempt.value : propose(ceremony, peers, step.sites, facts.base)
    const attempt = await signAttempt(ceremony, peers, proposed)
    const started = await store.until(
      () => found() ?? (unsigned(attempt).length === 0 ? 'started' : undefined),
      deadlines.proposal * 1000,
      options.signal,
    )
    if (started === 'started') {
      ceremony.note('started', undefined, null, attempt.hash)
      return attempt
    }
    ceremony.note('failed', undefined, null, attempt.hash)
    if (started === 'settled') return undefined
    if (!authority.fixed) for (const site of unsigned(attempt)) facts.silent.add(site)
    options.progress({
      phase: 'attempt-failed',
      number: attempt.value.number,
      of: authority.definition.attempts,
      reason: `not signed by ${unsigned(attempt).join(', ')}`,
    })
    await newHello()
  }
}

const unsigned = (attempt: HeldAttempt): readonly SiteId[] =>
  attempt.value.participants.map(({ site }) => site).filter((site) => !attempt.signatures.has(site))

const nextStep = (ceremony: Ceremony, peers: Peers, facts: AttemptFacts, found: Found): Step | undefined => {
  const { store, seat } = ceremony
  refuseRollback(ceremony, peers)
  if (found() === 'settled') return { is: 'settled' }
  const chosen = choose(ceremony, peers, facts)
  // Who let an attempt fail may propose itself again and again, and each time costs an attempt of those that it names:
  // it is followed only where this site would seat it too.
  const avoided = (proposer: SiteId): boolean =>
    facts.silent.has(proposer) && chosen !== undefined && !chosen.some((member) => member.name === proposer)
  for (const attempt of store.attempts.values()) {
    const proposer = attempt.value.coordinator
    if (proposer === seat.name || !attempt.signatures.has(proposer)) continue
    if (avoided(proposer)) continue
    if (!ceremony.attempts.includes(attempt.hash) && isRunnable(ceremony, peers, facts, attempt.value))
      return { is: 'sign', attempt }
  }
  return chosen !== undefined && chosen[0]?.name === seat.name ? { is: 'propose', sites: chosen } : undefined
}

/** A ledger that went back: this site's own ends the join; a peer's, where its seat cannot go to another. */
const refuseRollback = (ceremony: Ceremony, peers: Peers): void => {
  const own = peers.ledgers.ownRollback
  if (own !== undefined)
    throw new QuorateError(
      'E_SITE_ROLLED_BACK',
      `the ledger of ${ceremony.seat.name} is older than the one that it showed before`,
      'this home was restored or cloned: do not use it; the other sites must readmit or repair this site',
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
      `${rolled.member.name} must not run from this home; it is to be readmitted or repaired by the others`,
      { site: rolled.member.name, ...rolled.rolledBack },
    )
}

/** A peer may sit in an attempt: here, on the newest hello, unused, its ledger proven, its key in time, and not only checking. */
const isSeatable = (ceremony: Ceremony, peers: Peers, facts: AttemptFacts, member: Member): boolean => {
  const { store, seat, authority } = ceremony
  if (facts.guilty().has(member.name) || store.aborts.has(member.identity)) return false
  if (!authority.fixed && !store.approved().has(member.identity)) return false
  const hello = peers.hello(member.name)
  if (hello === undefined || hello.value.check || hello.value.epoch !== facts.base) return false
  if (!showsChain(ceremony, member.name, hello.value)) return false
  const certificate = store.certificate(member.name, keyOf(ceremony, member.name))
  if (certificate === undefined || (certificate.value.expires ?? 0) < ceremony.site.machine.clock.now()) return false
  const used = ceremony.attempts.some((hash) =>
    store.attempts.get(hash)?.value.participants.some((one) => one.hello === hello.hash),
  )
  if (used || hello.value.attempts >= authority.definition.attempts) return false
  return (
    member.name === seat.name ||
    (peers.bySite.get(member.name)?.connected === true && peers.ledgers.proven(member.name))
  )
}

/** Whether the attempts that a hello says its site has signed are all here, signed by it. */
const showsChain = ({ store }: Ceremony, site: SiteId, hello: Hello): boolean => {
  let last = hello.lastAttempt
  for (let n = hello.attempts; n > 0; n--) {
    const attempt = last === null ? undefined : store.attempts.get(last)
    if (attempt?.signatures.has(site) !== true) return false
    last = attempt.value.participants.find((one) => one.site === site)?.last ?? null
  }
  return last === null
}

const keyOf = (ceremony: Ceremony, site: SiteId) =>
  ceremony.store.hellos.get(site)?.signed.key as Attempt['participants'][number]['key']

/** Who would sit: all of a fixed roster; else the first in roster order, those who were missing last time last. */
const choose = (ceremony: Ceremony, peers: Peers, facts: AttemptFacts): readonly Member[] | undefined => {
  const { authority, store } = ceremony
  if (authority.missing(store.approved()).length > 0) return undefined
  const here = authority.candidates.filter((member) => isSeatable(ceremony, peers, facts, member))
  if (here.length < authority.seats) return undefined
  const late = (member: Member): number => (facts.silent.has(member.name) ? 1 : 0)
  const first = [...here].sort((a, b) => late(a) - late(b) || a.index - b.index).slice(0, authority.seats)
  return first.sort((a, b) => a.index - b.index)
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
    round: authority.definition.deadlines.round,
    // The window may close between the look at it and here.
    at: Math.min(site.machine.clock.now(), Date.parse(authority.definition.window.closes)),
    coordinator: ceremony.seat.name,
  }
  for (const { member, hello } of hellos) {
    const held = store.hellosByHash.get(hello.hash)
    for (const { member: to } of hellos)
      if (held !== undefined && to.name !== member.name && to.name !== ceremony.seat.name)
        peers.send(to.name, { is: 'object', name: 'hello', bytes: held.envelope })
  }
  return value
}

/** Whether this site signs what another proposes: its own newest hello in it, and everything else as it would propose it. */
const isRunnable = (ceremony: Ceremony, peers: Peers, facts: AttemptFacts, attempt: Attempt): boolean => {
  const { authority, store, seat } = ceremony
  const own = peers.hello(seat.name)
  const mine = attempt.participants.find((one) => one.site === seat.name)
  if (own === undefined || mine?.hello !== own.hash || mine.last !== (ceremony.attempts.at(-1) ?? null)) return false
  if (!fitsTerms(attempt, authority.definition) || attempt.base !== facts.base) return false
  if (authority.missing(store.approved()).length > 0) return false
  if (!inWindow(attempt, authority.definition)) return false
  const hellos = attempt.participants.map((one) => store.hellosByHash.get(one.hello))
  const most = Math.max(...hellos.map((held) => held?.signed.value.attempts ?? 0))
  if (attempt.number !== most + 1) return false
  return attempt.participants.every((one, at) => {
    const held = hellos[at]
    const member = authority.member(one.site)
    if (held === undefined || member === undefined) return false
    const certificate = store.certificateOf(held)
    if (certificate === undefined || !inTime(attempt, [certificate])) return false
    const same = held.site === one.site && held.signed.key === one.key && held.signed.value.lastAttempt === one.last
    return same && isSeatable(ceremony, peers, facts, member) && peers.hello(one.site)?.hash === one.hello
  })
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
    ceremony.noteLedger('peer-ledger', null, note, site)
  }
  // A spare is remembered too: it may sit in the next ceremony from a home that was set back.
  for (const { head, member } of peers.bySite.values())
    if (head !== undefined && !value.participants.some((one) => one.site === member.name))
      ceremony.noteLedger('peer-ledger', null, utf8(head.note), member.name)
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
  const { opens, closes } = ceremony.authority.definition.window
  if (now >= Date.parse(opens) && now <= Date.parse(closes)) return
  const early = now < Date.parse(opens)
  throw new QuorateError(
    'E_WINDOW',
    early ? `the window opens at ${opens}` : `the window closed at ${closes}`,
    early ? 'run the same command again then' : 'plan a new definition with a window that is open',
  )
}

/** Of those who were here once: who has said nothing that another attempt could use, or did not propose it. */
const silentNow = (ceremony: Ceremony, peers: Peers, facts: AttemptFacts): readonly SiteId[] => {
  const { authority, seat } = ceremony
  const others = authority.candidates.filter((member) => member.name !== seat.name)
  const mute = others.filter((member) => !isSeatable(ceremony, peers, facts, member))
  const proposer = choose(ceremony, peers, facts)?.[0]
  const named = mute.length > 0 || proposer === undefined || proposer === seat ? mute : [proposer]
  return (named.length > 0 ? named : others).map((member) => member.name)
}

const spent = ({ authority, seat }: Ceremony, by: readonly SiteId[]): QuorateError => {
  const where = by.length === 0 || by.includes(seat.name) ? 'here' : `by ${by.join(', ')}`
  return new QuorateError(
    'E_ATTEMPTS',
    `all ${authority.definition.attempts} attempts of this definition are used ${where}`,
    'find out why they failed (status), then plan a new definition',
  )
}

const gatherFailed = (ceremony: Ceremony, peers: Peers, facts: AttemptFacts): QuorateError => {
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
      `they run \`quorate ${authority.definition.kind} approve\` if they have not, then all run join again; nothing has happened yet`,
      { missing },
    )
  const absent = authority.candidates.filter(
    (member) => member.name !== ceremony.seat.name && peers.bySite.get(member.name)?.connected !== true,
  )
  const command = `quorate ${authority.definition.kind}`
  if (absent.length > 0) {
    const names = absent.map((member) => member.name)
    return new QuorateError(
      'E_QUORUM',
      `not here at the gather deadline: ${names.join(', ')}${left}`,
      `their operators run \`${command} join\` for ${shortId(authority.hash)}; then run the same command again, nothing has happened yet`,
      { absent: names },
    )
  }
  // Who used all its attempts is here and not seated, and another deadline would bring nothing else.
  const used = authority.candidates
    .map((member) => member.name)
    .filter((name) => (peers.hello(name)?.value.attempts ?? 0) >= authority.definition.attempts)
  if (authority.candidates.length - used.length < authority.seats) return spent(ceremony, used)
  const mute = silentNow(ceremony, peers, facts)
  return new QuorateError(
    'E_QUORUM',
    `no attempt could be agreed before the gather deadline; nothing new from ${mute.join(', ')}`,
    `their operators look at \`${command} status\`, then all run join again; what was promised is safe on the disks`,
    { absent: mute },
  )
}
