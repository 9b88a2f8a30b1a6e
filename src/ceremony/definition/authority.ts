import type { Hash, Identity, Index, SiteId } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { roleIn } from '../../records/admission.ts'
import { isAsked, missingApprovals, wantedApprovals } from '../../records/approval-rule.ts'
import { ceremonyId, type Definition, recordKind } from '../../records/definition.ts'
import type { ProtocolId, SiteEntry } from '../../records/definition-fields.ts'
import type { Approval } from '../../records/identity.ts'
import type { Kind } from '../../records/kinds/index.ts'
import type { Topic } from '../../records/kinds/kind.ts'

export interface Member {
  readonly name: SiteId
  readonly index: Index
  readonly identity: Identity
  readonly entry: SiteEntry
}

/** When, how often and by which way. Times of deadlines are seconds. */
type Terms = Pick<Definition, 'window' | 'deadlines' | 'attempts' | 'relays'>

/** The decision of people: a definition today, a standing mandate later. Each run is an attempt under it. */
export interface Authority {
  readonly hash: Hash
  readonly kind: Kind
  readonly topic: Topic
  /** A label for people. */
  readonly name: string
  readonly protocol: ProtocolId
  readonly threshold: number
  readonly terms: Terms
  /** The document itself, for what keeps, shows or judges it; the rules that follow from it are read above and below. */
  readonly definition: Definition
  /** All sites, those that hold a share in the end first; a member's index is its place, from 1. */
  readonly roster: readonly Member[]
  /** Members that hold a share of the epoch that this makes, or uses: they vote for it, and give receipts. */
  readonly receivers: readonly Member[]
  /** Members that hold a share of the epoch that is replaced; none where none is. */
  readonly holders: readonly Member[]
  member(site: SiteId): Member | undefined
  /** How many sit in an attempt, and whether they are fixed beforehand. */
  readonly seats: number
  readonly fixed: boolean
  /** Sites that may take a seat. */
  readonly candidates: readonly Member[]
  /** True where an identity's own approval counts; a candidate without one takes part all the same. */
  asks(identity: Identity): boolean
  /** Identities whose approval is still wanted; empty: may run. */
  missing(approved: ReadonlySet<Identity>): readonly Identity[]
  /** True where the ceremony could still run without these. */
  possibleWithout(gone: ReadonlySet<Identity>): boolean
}

/** The role of a home's own identity; throws E_NOT_ALLOWED for a stranger. */
export const ownRole = (definition: Definition, identity: Identity): Approval['role'] => {
  const role = roleIn(definition, identity)
  if (role !== undefined) return role
  throw new QuorateError(
    'E_NOT_ALLOWED',
    'this identity is neither a site nor an approver of the definition',
    'check that this is the right file and the right home, or ask the planner to add this card',
  )
}

export const definitionAuthority = (definition: Definition): Authority => {
  const roster = definition.sites.map((entry, at) => ({
    name: entry.name,
    index: (at + 1) as Index,
    identity: entry.identity,
    entry,
  }))
  const row = recordKind(definition)
  const { candidates: named, count: seats } = row.seats(definition)
  const called = (names: readonly SiteId[]): readonly Member[] => roster.filter((member) => names.includes(member.name))
  const candidates = called(named)
  const { kind, name, protocol, threshold, window, deadlines, attempts, relays } = definition
  return {
    hash: ceremonyId(definition),
    kind,
    topic: row.topic,
    name,
    protocol,
    threshold,
    terms: { window, deadlines, attempts, relays },
    definition,
    roster,
    receivers: called(row.receivers(definition)),
    holders: called(row.replaces(definition)?.sites ?? []),
    member: (site) => roster.find((member) => member.name === site),
    seats,
    fixed: seats === candidates.length,
    candidates,
    asks: (identity) => !candidates.some((one) => one.identity === identity) || isAsked(definition, identity),
    missing: (approved) => missingApprovals(definition, approved),
    possibleWithout: (gone) =>
      missingApprovals(
        definition,
        new Set([...roster.map((m) => m.identity), ...definition.approvers].filter((id) => !gone.has(id))),
      ).length === 0,
  }
}

/** Approvals that are still wanted, for people; those who left are not asked. */
export const wantedInWords = (
  { definition }: Authority,
  approved: ReadonlySet<Identity>,
  nameOf: (identity: Identity) => string,
  gone: ReadonlySet<Identity> = new Set(),
): string => {
  const { all, some, quorum } = wantedApprovals(definition, approved)
  const named = (ids: readonly Identity[]): string =>
    ids
      .filter((id) => !gone.has(id))
      .map(nameOf)
      .join(', ')
  const few = quorum < some.filter((id) => !gone.has(id)).length
  return [named(all), few ? `${quorum} of ${named(some)}` : named(some)].filter((part) => part !== '').join(', ')
}

/** The member that a site's own identity is; throws E_NOT_ALLOWED for a stranger. */
export const ownSeat = (authority: Authority, identity: Identity): Member => {
  const member = authority.roster.find((one) => one.identity === identity)
  if (member === undefined)
    throw new QuorateError(
      'E_NOT_ALLOWED',
      'this site has no seat in the definition',
      'check that you joined the right ceremony, or ask the planner to add this site’s card',
    )
  return member
}
