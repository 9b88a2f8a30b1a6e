import type { Hash, Identity, KeyHex, SiteId } from '../lib/brand.ts'
import type { Attempt, Hello } from './attempt.ts'
import { type Definition, fenceIn, recordKind } from './definition.ts'
import type { Approval, Certificate } from './identity.ts'
import type { Note } from './note.ts'
import type { Fenced, Installed, Ready, Retired, SignResult, TestSignature } from './outcome.ts'
import type { Readmitted, Rebound } from './readmission.ts'
import type { Author, RecordFacts, RecordRow, Terms } from './record-row.ts'
import type { Release } from './release.ts'
import type { Replaced, Rewrapped, Witnessed } from './rewrap.ts'
import { coordinatorsOf } from './seats.ts'
import type { Signed } from './signed.ts'

/**
 * Conditions for a record to be admitted. The record store and `audit verify` both call these, by way of the record
 * table, and so does the judge of a proof: a site logs nothing that a stranger would refuse.
 */

export const identityOfSite = (definition: Definition, site: SiteId): Identity | undefined =>
  definition.sites.find(({ name }) => name === site)?.identity

/** Sites and approvers: everybody whose records count here. */
export const everyone = (definition: Definition): readonly Identity[] => [
  ...definition.sites.map(({ identity }) => identity),
  ...definition.approvers,
]

export const roleIn = (definition: Definition, identity: Identity): Approval['role'] | undefined => {
  if (definition.sites.some((site) => site.identity === identity)) return 'site'
  return definition.approvers.includes(identity) ? 'approver' : undefined
}

/** The seat that a key has in an attempt. */
export const seatUnder = (attempt: Attempt, key: KeyHex): Attempt['participants'][number] | undefined =>
  attempt.participants.find((one) => one.key === key)

export const ownCertificate = (
  { identity, purpose, authority, expires }: Certificate,
  author: Author,
  { definition, ceremony, identityKey }: Terms,
): string | undefined => {
  if (identityKey(identity) !== author.key || !everyone(definition).includes(identity)) return 'of another identity'
  // A join's keys are certified for one ceremony and until a time; the keys of a home for neither.
  const joins = purpose === 'channel' || purpose === 'message'
  const fits = joins ? authority === ceremony && expires !== null : authority === null && expires === null
  return fits ? undefined : 'for another ceremony, or of a purpose that does not fit'
}

export const ownApproval = (
  { ceremony, identity, role }: Approval,
  author: Author,
  terms: Terms,
): string | undefined => {
  if (ceremony !== terms.ceremony) return 'of another ceremony'
  if (terms.identityKey(identity) !== author.key) return 'signed by another identity'
  return roleIn(terms.definition, identity) === role ? undefined : 'in another role'
}

export const ownAbort = ({ ceremony, abort }: Note, _author: Author, terms: Terms): string | undefined =>
  ceremony === terms.ceremony && abort !== null ? undefined : 'not an abort of this ceremony by its author'

/** A record of a message key that names its ceremony, its site and, where it has one, the site's index. */
export const ownRecord = (
  value: { readonly ceremony: Hash; readonly site?: SiteId | null; readonly index?: number },
  { site, index }: Author,
  { ceremony }: Terms,
): string | undefined => {
  if (value.ceremony !== ceremony) return 'of another ceremony'
  if (value.site != null && value.site !== site) return 'of another site'
  return value.index === undefined || value.index === index ? undefined : 'of another index'
}

export const ownHello = (value: Hello, author: Author, terms: Terms): string | undefined =>
  ownRecord(value, author, terms) ??
  (author.certificates.some(({ hash }) => hash === value.certificate) ? undefined : 'under another certificate')

export const ownAttempt = (value: Attempt, author: Author, terms: Terms): string | undefined => {
  if (value.ceremony !== terms.ceremony) return 'of another ceremony'
  return seatUnder(value, author.key)?.site === author.site ? undefined : 'signed by no participant'
}

/** A signature may use a newer epoch than the one that the definition names; everything else uses that record alone. */
const buildsOnBase = ({ base }: Attempt, definition: Definition): boolean => {
  const { makes, buildsOn } = recordKind(definition)
  return makes === 'signature' ? (base === null) === (buildsOn === 'nothing') : base === definition.base
}

/** Seats those, under a coordinator of theirs, builds on that, and gives as much time for a round as the definition says. */
export const fitsTerms = (attempt: Attempt, definition: Definition): boolean => {
  const row = recordKind(definition)
  const seats = row.seats(definition)
  const { candidates, count } = seats
  const places = attempt.participants.map(({ site }) => candidates.indexOf(site))
  return (
    places.length === count &&
    places.every((place, at) => place >= 0 && (at === 0 || place > (places[at - 1] as number))) &&
    coordinatorsOf(seats).includes(attempt.coordinator) &&
    attempt.participants.some(({ site }) => site === attempt.coordinator) &&
    buildsOnBase(attempt, definition) &&
    attempt.round === definition.deadlines.round
  )
}

export const inWindow = ({ at }: Attempt, { window }: Definition): boolean =>
  at >= Date.parse(window.opens) && at <= Date.parse(window.closes)

/** True where some certificate of a key still held when an attempt began. */
export const inTime = ({ at }: Pick<Attempt, 'at'>, certificates: Author['certificates']): boolean =>
  certificates.some(({ value }) => (value.expires ?? 0) >= at)

/** One of the sets that a record is tested by, with its author in it. */
export const ownTestSignature = (value: TestSignature, author: Author, terms: Terms): string | undefined => {
  const set = terms.testSets.find((members) => members.join() === value.signers.join())
  return (
    ofReceiver(value, author, terms) ??
    (set?.some((index) => index === author.index) === true ? undefined : 'of a set that is none of its author’s')
  )
}

/** True where a vote builds on the definition's base. A keygen builds on nothing. */
export const votesOnBase = ({ base }: Ready, definition: Definition): boolean => base === definition.base

/** A record of a site that holds a share of the epoch that is made: nobody else seals, proves or votes. */
export const ofReceiver = (
  value: Parameters<typeof ownRecord>[0],
  author: Author,
  terms: Terms,
): string | undefined => {
  const { definition } = terms
  const receives = author.site !== null && recordKind(definition).receivers(definition).includes(author.site)
  return ownRecord(value, author, terms) ?? (receives ? undefined : 'of a site that receives no share')
}

/** A record of a site that holds a share of the epoch that is replaced. */
export const ofHolder = (value: Retired, author: Author, terms: Terms): string | undefined => {
  const { definition } = terms
  const old = recordKind(definition).replaces(definition)?.sites ?? []
  const holds = author.site !== null && old.includes(author.site)
  return ownRecord(value, author, terms) ?? (holds ? undefined : 'of a site whose share is not replaced')
}

/** A promise of a site that holds a share of the key that is fenced: its identity counts, whatever the site is called now. */
export const ofFenced = (value: Fenced, author: Author, terms: Terms): string | undefined => {
  const fence = fenceIn(terms.definition)
  const holds = fence?.holders.some(({ identity }) => identity === author.identity) === true
  const other = value.key === fence?.key ? undefined : 'of another key than the one that is fenced'
  return ownRecord(value, author, terms) ?? (holds ? other : 'of a site that holds no share of a key that is fenced')
}

const notVoted = 'of a record that its site did not vote for'

export const afterVote = ({ record }: Installed, { site }: Author, { voted }: RecordFacts): string | undefined =>
  site !== null && voted(site, record) ? undefined : notVoted

/** A site that receives no new share has no vote: it destroys the old one for a record that all receivers voted for. */
export const afterReadySet = (
  { record }: Retired,
  { site }: Author,
  { voted, definition }: RecordFacts,
): string | undefined => {
  const receivers = recordKind(definition).receivers(definition)
  if (site !== null && receivers.includes(site)) return voted(site, record) ? undefined : notVoted
  return receivers.every((one) => voted(one, record)) ? undefined : 'of a record that not all receivers voted for'
}

const notStarted = 'of an attempt that not all signed'

/** A shard is staged by a participant of an attempt that all had signed, under the key that it names. */
export const stagedInAttempt = (
  { attempt }: { readonly attempt: Hash },
  { key, site }: Author,
  { started }: RecordFacts,
): string | undefined => {
  const value = started(attempt)
  if (value === undefined) return notStarted
  return seatUnder(value, key)?.site === site ? undefined : 'by none of its attempt'
}

/** A share is given to those whom the definition names, to each of them one piece, and by nobody who was not asked. */
export const ownRelease = (value: Release, author: Author, terms: Terms): string | undefined => {
  const why = ownRecord(value, author, terms)
  if (why !== undefined) return why
  const { definition } = terms
  if (!('recipients' in definition)) return 'of a ceremony that gives no share away'
  if (author.site === null || !definition.givers.includes(author.site)) return 'of a site that is to give no share'
  return value.sealed.length === definition.recipients.length ? undefined : 'not sealed to each recipient'
}

/** Said by one that the definition asks to take the site back. */
export const ownReadmitted = (value: Readmitted, author: Author, terms: Terms): string | undefined => {
  const why = ownRecord(value, author, terms)
  if (why !== undefined) return why
  const { definition } = terms
  if (!('returning' in definition)) return 'of a ceremony that takes no site back'
  return author.site !== null && definition.helpers.includes(author.site)
    ? undefined
    : 'of a site that is not asked to take it back'
}

export const ownRebound = (value: Rebound, author: Author, terms: Terms): string | undefined => {
  const why = ownRecord(value, author, terms)
  if (why !== undefined) return why
  const { definition } = terms
  if (!('returning' in definition)) return 'of a ceremony that takes no site back'
  return author.site === definition.returning ? undefined : 'of a site that does not return'
}

/**
 * Said in an attempt that all had signed, its site among them: under whatever key of its own, since a site that was
 * stopped in it says it later.
 */
export const inItsAttempt = (
  { attempt }: { readonly attempt: Hash },
  { site }: Author,
  { started }: RecordFacts,
): string | undefined => {
  const value = started(attempt)
  if (value === undefined) return notStarted
  return value.participants.some((one) => one.site === site) ? undefined : 'by none of its attempt'
}

/** The word of the site whose share is sealed anew. */
export const ofRewrapped = (value: Rewrapped | Replaced, author: Author, terms: Terms): string | undefined => {
  const { definition } = terms
  const own = 'witnesses' in definition && author.site === definition.site
  return ownRecord(value, author, terms) ?? (own ? undefined : 'of a site whose share is not sealed anew')
}

/** The word of a site that the definition names for it: nobody cosigns for himself. */
export const ofWitness = (value: Witnessed, author: Author, terms: Terms): string | undefined => {
  const { definition } = terms
  const asked = 'witnesses' in definition && author.site !== null && definition.witnesses.includes(author.site)
  return ownRecord(value, author, terms) ?? (asked ? undefined : 'of a site that is no witness')
}

/**
 * A signature comes of an attempt that all its participants had signed. A site that only waited may state it too, without
 * a transcript: it heard none.
 */
export const afterStart = (
  { attempt, site, transcript }: SignResult,
  { key }: Author,
  { started }: RecordFacts,
): string | undefined => {
  const value = started(attempt)
  if (value === undefined) return notStarted
  const seated = site === null || seatUnder(value, key)?.site === site
  return seated || transcript === null ? undefined : 'with a transcript of an attempt in which its key had no seat'
}

/**
 * A result says whose it is. In version 1 it does not: its author has the seat of its key, or certified the key. No site
 * writes that version any more, so nobody's newer result is taken for one of another who certified its key.
 */
export const authorOfResult = (
  { attempt, site }: SignResult,
  key: KeyHex,
  facts: RecordFacts,
): Identity | undefined => {
  if (site !== null) return identityOfSite(facts.definition, site)
  const value = facts.started(attempt)
  const seated = value && seatUnder(value, key)?.site
  return seated === undefined ? facts.owners(key)[0] : identityOfSite(facts.definition, seated)
}

/**
 * Why a record is refused, and the fault that it is by itself, where it is one: the one predicate. Undefined where it is
 * admitted.
 */
export const refusal = <T>(
  row: RecordRow<T>,
  { value }: Signed<T>,
  author: Author,
  facts: RecordFacts,
): { readonly why: string; readonly check?: string } | undefined => {
  const why = row.own(value, author, facts)
  if (why !== undefined) return { why }
  const fault = row.faults.find(({ broken }) => broken(value, author, facts))
  if (fault !== undefined) return { why: fault.why, check: fault.check }
  const lacks = row.rests(value, author, facts)
  return lacks === undefined ? undefined : { why: lacks }
}
