import type { Hash, SiteId } from '../../lib/brand.ts'
import { fitsTerms } from '../../records/admission.ts'
import type { BundleFacts, HeldAttempt } from '../bundle-facts.ts'
import { type Check, type Finding, fails, holds, names, open } from '../check.ts'
import { resultOf } from '../kinds/index.ts'
import { faulty } from './faults.ts'

export const isStarted = ({ value, signers }: HeldAttempt): boolean =>
  value.participants.every(({ site }) => signers.has(site))

const list = ({ attempts }: BundleFacts): readonly HeldAttempt[] => [...attempts.values()]
const hashes = (facts: BundleFacts): readonly Hash[] => [...facts.attempts.keys()]

/** Every attempt that a log says it started bears the signatures of all its participants. */
const started = (facts: BundleFacts): Finding => {
  const begun = new Set<Hash>()
  for (const log of facts.logs.values())
    for (const { what, object } of log.entries) {
      if (what === 'started' && object !== null) begun.add(object)
      if (what === 'failed' && object !== null && !facts.attempts.has(object))
        return fails(`${log.site} says that an attempt failed which nobody signed`, [object])
    }
  const unsigned = [...begun].filter((hash) => {
    const attempt = facts.attempts.get(hash)
    return attempt === undefined || !isStarted(attempt)
  })
  if (unsigned.length > 0) return fails(`${unsigned.length} attempts began that not all had signed`, unsigned)
  const made = resultOf(facts)
  if (made !== undefined && !isStarted(made.attempt))
    return fails('what was made names an attempt that not all its participants signed', [made.attempt.hash])
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
    : fails(`an attempt of ${names(broken)} is left out`, hashes(facts))
}

const greeted = (facts: BundleFacts): Finding => {
  let unknown = 0
  for (const { hash, value } of list(facts)) {
    const counts: number[] = []
    for (const { site, key, hello, last } of value.participants) {
      const held = facts.hellos.get(hello)
      if (held === undefined) {
        unknown++
        continue
      }
      const same = held.site === site && held.key === key && held.value.lastAttempt === last && !held.value.check
      const identity = facts.seat(site)?.identity
      const certificate = facts.certificates.find(
        ({ value: one }) => one.identity === identity && one.key === key && one.purpose === 'message',
      )
      if (!same || certificate?.hash !== held.value.certificate)
        return fails(`attempt ${value.number} and the hello of ${site} disagree`, [hash, hello])
      counts.push(held.value.attempts)
    }
    if (counts.length === value.participants.length && value.number !== 1 + Math.max(...counts))
      return fails(`attempt ${value.number} does not bear the next number`, [hash])
  }
  return unknown === 0
    ? holds('each attempt names a fresh hello of each participant', hashes(facts))
    : open(`${unknown} hellos that attempts name are not here`, hashes(facts))
}

/**
 * A hello is made for one attempt: its nonce makes the session new for the site that sent it. Two may propose with it at
 * once; its site signs one.
 */
const fresh = (facts: BundleFacts): Finding => {
  const used = list(facts).flatMap(({ value, signers }) =>
    value.participants.filter(({ site }) => signers.has(site)).map(({ hello }) => hello),
  )
  const nonces = [...facts.hellos.values()].map(({ site, value }) => `${site} ${value.nonce}`)
  return new Set(used).size === used.length && new Set(nonces).size === nonces.length
    ? holds('no hello and no nonce of one was used twice', hashes(facts))
    : fails('a hello or its nonce was used twice', hashes(facts))
}

const seated = (facts: BundleFacts): Finding => {
  const { definition, records } = facts
  for (const { hash, value } of list(facts)) {
    if (!fitsTerms(value, definition))
      return fails(`attempt ${value.number} does not seat whom the definition wants, as it wants it`, [hash])
    if (value.base !== null && !records.has(value.base))
      return fails(`attempt ${value.number} builds on a record that is not here`, [hash])
  }
  return holds('each attempt seats those, and builds on that, which the definition names', hashes(facts))
}

const limited = (facts: BundleFacts): Finding => {
  const { definition, roster } = facts
  const over = roster.filter(
    ({ name }) => list(facts).filter(({ signers }) => signers.has(name)).length > definition.attempts,
  )
  return over.length === 0
    ? holds(`no site signed more than ${definition.attempts} attempts`, hashes(facts))
    : fails(`more than ${definition.attempts} attempts signed by ${names(over.map(({ name }) => name))}`, hashes(facts))
}

/** A key of a join is certified until a time after which no attempt begins under it. */
const unexpired = (facts: BundleFacts): Finding => {
  for (const { hash, value } of list(facts))
    for (const { site, key } of value.participants) {
      const identity = facts.seat(site)?.identity
      const certificate = facts.certificates.find(
        (one) => one.value.identity === identity && one.value.purpose === 'message' && one.value.key === key,
      )
      if (certificate === undefined)
        return fails(`attempt ${value.number} seats a key that ${site} did not certify`, [hash])
      if ((certificate.value.expires ?? 0) < value.at)
        return fails(`attempt ${value.number} began after the key of ${site} had expired`, [hash])
    }
  return holds('each participant’s message key was certified and in time', hashes(facts))
}

const inWindow = (facts: BundleFacts): Finding => {
  const { opens, closes } = facts.definition.window
  const outside = list(facts).filter(({ value }) => value.at < Date.parse(opens) || value.at > Date.parse(closes))
  return outside.length === 0
    ? holds('each attempt began inside the window, by its proposer’s clock', hashes(facts))
    : fails(
        `${outside.length} attempts began outside the window`,
        outside.map(({ hash }) => hash),
      )
}

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
      faulty(facts, ['hello', 'attempt', 'attempt-signature'], 'every hello and attempt is its site’s own'),
  },
  { id: 'attempts.chained', run: chained },
  { id: 'attempts.greeted', run: greeted },
  { id: 'attempts.fresh', run: fresh },
  { id: 'attempts.seated', run: seated },
  { id: 'attempts.limited', run: limited },
  { id: 'attempts.certified', run: unexpired },
  { id: 'attempts.in-window', run: inWindow },
  { id: 'attempts.ended', run: ended },
] as const satisfies readonly Check[]
