import type { LogView } from '../../audit/disk-log.ts'
import type { Hash } from '../../lib/brand.ts'
import type { Disk } from '../../lib/ports.ts'
import { ceremonyId, type Definition, recordKind, type Successor } from '../../records/definition.ts'
import type { Topic } from '../../records/kinds/kind.ts'
import { dealtIn, recordHashOf, refuseRival, renewalFound, rivalFound, supersededIn } from '../../shards/rival.ts'
import type { ShardStore } from '../../shards/store.ts'
import { definitionAt } from '../definition/definition-at.ts'
import type { Site } from '../ports.ts'
import { hasDealtAway, mayHaveDealt } from './dealt.ts'

/** The part of a home that shows what it voted for; nothing of it is written. */
export interface Votes {
  readonly home: { readonly disk: Pick<Disk, 'read'> }
  readonly ledger: Pick<LogView, 'replay'>
  readonly shards: Pick<ShardStore, 'ofKey'>
  ceremonyLog(ceremony: Hash): Promise<Pick<LogView, 'body'>>
}

/** The part of it that shows what it dealt, too. */
interface Parts extends Votes {
  readonly home: Votes['home'] & Pick<Site['home'], 'identity'>
  ceremonyLog(ceremony: Hash): Promise<LogView>
}

/** A record that this site voted for, and of which it never saw all votes. */
export interface UndecidedVote {
  readonly ceremony: Hash
  /** The commands that run it. */
  readonly topic: Topic
  readonly record: Hash
  /** Its ceremony makes new shares. */
  readonly renews: boolean
  /** Records that its own definition names. */
  readonly supersedes: readonly Hash[]
}

const epochsOf = async ({ shards }: Pick<Votes, 'shards'>, key: Hash) => {
  const { whole, damaged } = await shards.ofKey(key)
  return [...whole, ...damaged]
}

/**
 * Successors of a key's records that this site voted for and that are undecided here: it uses none of them, and nothing
 * that supersedes them. A vote is known by the ledger too, should the share that it was for be gone from the disk.
 */
export const undecidedVotes = async (site: Votes, key: Hash): Promise<readonly UndecidedVote[]> => {
  const epochs = await epochsOf(site, key)
  const decided = new Set<Hash | null | undefined>(supersededIn(epochs))
  const voted = new Map<Hash, Hash>()
  for (const one of epochs) {
    const record = recordHashOf(one)
    if (!('state' in one) || record === undefined) continue
    if (one.state === 'staged') voted.set(record, one.made.ceremony)
    else decided.add(record)
  }
  for (const { what, ceremony, object } of site.ledger.replay()) {
    if (what === 'installed') decided.add(object)
    if (what === 'ready' && ceremony !== null && object !== null) voted.set(object, ceremony)
  }
  const found: UndecidedVote[] = []
  for (const [record, ceremony] of voted) {
    const definition = decided.has(record) ? undefined : await definitionAt(site, ceremony)
    if (definition === undefined || recordKind(definition).key(definition) !== key) continue
    const names = 'supersedes' in definition ? definition.supersedes : []
    const { topic, keepsShares } = recordKind(definition)
    found.push({
      ceremony,
      topic,
      renews: keepsShares !== true,
      record,
      supersedes: names.filter((one) => !decided.has(one)),
    })
  }
  return found
}

/**
 * Records that a new definition must name for this site to vote for it, and those that the undecided ones name themselves:
 * other sites may have voted for these.
 */
export const recordsToName = async (site: Votes, key: Hash): Promise<readonly Hash[]> => {
  const votes = await undecidedVotes(site, key)
  return [...new Set(votes.flatMap(({ record, supersedes }) => [record, ...supersedes]))].sort()
}

/**
 * Throws E_NOT_FINISHED where this site voted for a record that the definition does not name, or has a part in another
 * ceremony that replaces the same record: before others are troubled, who may else bind themselves to what this site will
 * never vote for.
 */
const refuseRivals = async (site: Votes, definition: Successor): Promise<void> => {
  const { key, base, supersedes, kind } = definition
  refuseRival(await epochsOf(site, key), { base, kind, ceremony: ceremonyId(definition) }, supersedes)
  refuseUnnamed(definition, await undecidedVotes(site, key))
}

/** Throws E_NOT_FINISHED for the first vote, of another ceremony, that the definition does not name, or may not replace. */
export const refuseUnnamed = (definition: Successor, votes: readonly UndecidedVote[]): void => {
  const own = ceremonyId(definition)
  const keeps = recordKind(definition).keepsShares === true
  for (const vote of votes.filter(({ ceremony }) => ceremony !== own)) {
    if (!definition.supersedes.includes(vote.record)) throw rivalFound(vote, vote.record)
    if (keeps && vote.renews) throw renewalFound(vote.ceremony)
  }
}

/** Throws E_NOT_FINISHED where this site dealt its share away in another ceremony that replaces the same record. */
const refuseDealt = async (site: Parts, definition: Successor): Promise<void> => {
  const signed = new Map<Hash, Set<Hash>>()
  for (const { what, ceremony, object } of site.ledger.replay())
    if (what === 'attempt-signed' && ceremony !== null && object !== null)
      signed.set(ceremony, (signed.get(ceremony) ?? new Set()).add(object))
  for (const [ceremony, attempts] of signed) {
    const other = ceremony === ceremonyId(definition) ? undefined : await definitionAt(site, ceremony)
    const name = other?.sites.find(({ identity }) => identity === site.home.identity)?.name
    if (other?.base !== definition.base || name === undefined) continue
    const log = await site.ceremonyLog(ceremony)
    if (hasDealtAway(log, name, other) || mayHaveDealt(log, name, other, attempts))
      throw dealtIn({ ceremony, topic: recordKind(other).topic }, other.threshold)
  }
}

/**
 * Throws E_NOT_FINISHED where this site has a part in another ceremony that replaces the same record: by its vote, by its
 * shares, or by what it dealt. A first epoch replaces nothing.
 */
export const refuseOtherParts = async (site: Parts, definition: Definition): Promise<void> => {
  if (definition.base === null || !('supersedes' in definition)) return
  await refuseRivals(site, definition)
  await refuseDealt(site, definition)
}
