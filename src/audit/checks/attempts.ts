import type { Hash, SiteId } from '../../lib/brand.ts'
import { fitsTerms, inTime, inWindow } from '../../records/admission.ts'
import type { Certified } from '../../records/record-row.ts'
import { type BundleFacts, baseUnseen } from '../bundle-facts.ts'
import { accuses, type Check, type Finding, failsUnlessMissing, holds, names, open } from '../check.ts'
import { resultOf } from '../kinds/index.ts'
import type { HeldAttempt } from '../record-facts.ts'
import { eventsOf, faulty } from './faults.ts'

export const isStarted = ({ value, signers }: HeldAttempt): boolean =>
  value.participants.every(({ site }) => signers.has(site))

const list = ({ attempts }: BundleFacts): readonly HeldAttempt[] => [...attempts.values()]
const hashes = (facts: BundleFacts): readonly Hash[] => [...facts.attempts.keys()]

/** Sites that answer for an attempt: they signed it, or say in their own log that they did. */
const signersOf = (facts: BundleFacts, { hash, signers }: HeldAttempt): readonly SiteId[] => [
  ...signers,
  ...facts.namedBy(['attempt'], hash),
]

/** A fault of attempts: those of them that have it, laid at the door of who signed them. */
const faultOf = (
  facts: BundleFacts,
  isFaulty: (attempt: HeldAttempt) => boolean,
  reason: (attempt: HeldAttempt) => string,
): Finding | undefined => {
  const bad = list(facts).filter(isFaulty)
  const [first] = bad
  if (first === undefined) return undefined
  const by = bad.flatMap((attempt) => signersOf(facts, attempt))
  return accuses(facts, by, `${reason(first)}, signed by ${names(by)}`, bad.map(({ hash }) => hash).slice(0, 16))
}

/** Every attempt that a log says it started bears the signatures of all its participants. */
const started = (facts: BundleFacts): Finding => {
  const made = resultOf(facts)
  if (made !== undefined && !isStarted(made.attempt))
    return failsUnlessMissing(
      facts,
      ['attempt-signature'],
      'what was made names an attempt that not all its participants signed',
      [made.attempt.hash],
    )
  const begun = new Set<Hash>()
  const untrue = new Map<SiteId, Hash>()
  for (const log of facts.logs.values())
    for (const { what, object } of log.entries) {
      if (object === null) continue
      const attempt = facts.attempts.get(object)
      if (what === 'started') begun.add(object)
      if (what === 'started' && (attempt === undefined || !isStarted(attempt))) untrue.set(log.site, object)
      if (what === 'failed' && attempt === undefined) untrue.set(log.site, object)
    }
  if (untrue.size > 0)
    return accuses(
      facts,
      untrue.keys(),
      `the log of ${names(untrue.keys())} says of an attempt that it began, or failed, which not all signed`,
      [...untrue.values()],
    )
  const unbegun = facts.attempts.size - begun.size
  return holds(
    `${begun.size} begun, each signed by all its participants${unbegun > 0 ? `; ${unbegun} never begun` : ''}`,
    hashes(facts),
  )
}

/** The attempts that a site signed, each naming the one before: null, then each of them once, none left out. */
const isChain = (signed: readonly HeldAttempt[], site: SiteId): boolean => {
  const before = (attempt: HeldAttempt): Hash | null | undefined =>
    attempt.value.participants.find((one) => one.site === site)?.last
  const known = new Set<Hash | null>([null, ...signed.map(({ hash }) => hash)])
  const named = signed.map(before)
  return new Set(named).size === named.length && named.every((last) => last !== undefined && known.has(last))
}

const chained = (facts: BundleFacts): Finding => {
  const broken = facts.roster
    .map(({ name }) => name)
    .filter((site) => {
      const own = facts.logs
        .get(site)
        ?.entries.flatMap((e) => (e.what === 'attempt' && e.object !== null ? e.object : []))
      const signed = list(facts).filter(({ hash, signers }) => signers.has(site) || own?.includes(hash) === true)
      return !isChain(signed, site)
    })
  return broken.length === 0
    ? holds('each site’s attempts form one chain, none left out', hashes(facts))
    : accuses(facts, broken, `an attempt of ${names(broken)} is left out`, hashes(facts))
}

/** True where an attempt agrees with its participants' hellos, as far as they are here. */
const fitsHellos = (facts: BundleFacts, { value }: HeldAttempt): boolean => {
  const held = value.participants.map(({ hello }) => facts.hellos.get(hello))
  const same = value.participants.every(({ site, key, last }, at) => {
    const one = held[at]
    return (
      one === undefined || (one.site === site && one.key === key && one.value.lastAttempt === last && !one.value.check)
    )
  })
  const counts = held.flatMap((one) => one?.value.attempts ?? [])
  return same && (counts.length < held.length || value.number === 1 + Math.max(...counts))
}

const greeted = (facts: BundleFacts): Finding => {
  const bad = faultOf(
    facts,
    (attempt) => !fitsHellos(facts, attempt),
    ({ value }) => `attempt ${value.number} and the hellos that it names disagree`,
  )
  if (bad !== undefined) return bad
  const unknown = list(facts).flatMap(({ value }) => value.participants.filter(({ hello }) => !facts.hellos.has(hello)))
  return unknown.length === 0
    ? holds('each attempt names a fresh hello of each participant', hashes(facts))
    : open(`${unknown.length} hellos that attempts name are not here`, hashes(facts))
}

/** Names that stand twice in a list of pairs of site and thing. */
const twiceBy = (pairs: readonly (readonly [SiteId, string])[]): readonly SiteId[] => {
  const seen = new Set<string>()
  return pairs.flatMap(([site, thing]) => {
    const key = `${site} ${thing}`
    const again = seen.has(key)
    seen.add(key)
    return again ? site : []
  })
}

/**
 * A hello is made for one attempt: its nonce makes the session new for the site that sent it. Two may propose with it at
 * once; its site signs one.
 */
const fresh = (facts: BundleFacts): Finding => {
  const used = list(facts).flatMap(({ value, signers }) =>
    value.participants.filter(({ site }) => signers.has(site)).map(({ site, hello }) => [site, hello] as const),
  )
  const nonces = [...facts.hellos.values()].map(({ site, value }) => [site, value.nonce] as const)
  const twice = [...twiceBy(used), ...twiceBy(nonces)]
  return twice.length === 0
    ? holds('no hello and no nonce of one was used twice', hashes(facts))
    : accuses(facts, twice, `a hello or its nonce was used twice by ${names(twice)}`, hashes(facts))
}

const seated = (facts: BundleFacts): Finding =>
  faultOf(
    facts,
    ({ value }) =>
      !fitsTerms(value, facts.definition) ||
      (value.base !== null && !facts.records.has(value.base) && !baseUnseen(facts)),
    ({ value }) => `attempt ${value.number} seats, builds or waits otherwise than the definition says`,
  ) ?? holds('each attempt seats those, and builds on that, which the definition names', hashes(facts))

const limited = (facts: BundleFacts): Finding => {
  const { definition, roster } = facts
  const over = roster
    .map(({ name }) => name)
    .filter((name) => list(facts).filter(({ signers }) => signers.has(name)).length > definition.attempts)
  return over.length === 0
    ? holds(`no site signed more than ${definition.attempts} attempts`, hashes(facts))
    : accuses(facts, over, `more than ${definition.attempts} attempts signed by ${names(over)}`, hashes(facts))
}

/** A key of a join is certified until a time after which no attempt begins under it. */
const unexpired = (facts: BundleFacts): Finding => {
  const certified = new Map<string, Certified[]>()
  for (const { value, hash } of facts.held('certificate')) {
    const of = `${value.identity} ${value.purpose} ${value.key}`
    certified.set(of, [...(certified.get(of) ?? []), { value, hash }])
  }
  const inTimeAll = ({ value }: HeldAttempt): boolean =>
    value.participants.every(({ site, key }) =>
      inTime(value, certified.get(`${facts.seat(site)?.identity} message ${key}`) ?? []),
    )
  return (
    faultOf(
      facts,
      (attempt) => !inTimeAll(attempt),
      ({ value }) => `attempt ${value.number} seats a key that its site did not certify for that time`,
    ) ?? holds('each participant’s message key was certified and in time', hashes(facts))
  )
}

const windowed = (facts: BundleFacts): Finding =>
  faultOf(
    facts,
    ({ value }) => !inWindow(value, facts.definition),
    ({ value }) => `attempt ${value.number} began outside the window`,
  ) ?? holds('each attempt began inside the window, by its proposer’s clock', hashes(facts))

/** A key-changing attempt that failed with everybody silent leaves nothing; one of many may have ended so. */
const ended = (facts: BundleFacts): Finding => {
  const dead = list(facts).filter(isStarted).length
  const failed = new Set(
    [...facts.logs.values()].flatMap((log) =>
      log.entries.flatMap((e) => (e.what === 'failed' ? (e.object ?? []) : [])),
    ),
  )
  return dead - failed.size <= 1
    ? holds('at most one attempt did not fail', hashes(facts))
    : open(`${dead - failed.size} attempts did neither fail nor lead anywhere`, hashes(facts))
}

export const attemptChecks = [
  { id: 'attempts.started', run: started },
  {
    id: 'attempts.records',
    run: (facts) =>
      faulty(facts, ['attempt', ...eventsOf('attempts.records')], 'every hello and attempt is its site’s own'),
  },
  { id: 'attempts.chained', run: chained },
  { id: 'attempts.greeted', run: greeted },
  { id: 'attempts.fresh', run: fresh },
  { id: 'attempts.seated', run: seated },
  { id: 'attempts.limited', run: limited },
  { id: 'attempts.certified', run: unexpired },
  { id: 'attempts.in-window', run: windowed },
  { id: 'attempts.ended', run: ended },
] as const satisfies readonly Check[]
