import type { Hash } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { hashOf } from '../lib/hash.ts'
import { type Definition, recordKind } from '../records/definition.ts'
import type { Topic } from '../records/kinds/kind.ts'
import { type EpochRecord, type Outcome, recordCodec } from '../records/outcome.ts'
import { shortId } from '../records/short-id.ts'

/** An epoch as its files show it; `state` is undefined where one of them is damaged. */
interface Held {
  readonly state?: 'staged' | 'installed' | 'retired'
  readonly core?: { readonly kind: Definition['kind'] }
  readonly made: Outcome | undefined
  readonly record: EpochRecord | undefined
  readonly supersedes: readonly Hash[]
}

export const recordHashOf = ({ record }: Pick<Held, 'record'>): Hash | undefined =>
  record === undefined ? undefined : hashOf(recordCodec.encode(record))

const isUsed = ({ state }: Held): boolean => state === 'installed' || state === 'retired'

/** Records that come before one that this site has used: it votes for none of them any more, and installs none. */
export const supersededIn = (epochs: readonly Held[]): ReadonlySet<Hash> =>
  new Set(epochs.flatMap((one) => (isUsed(one) ? one.supersedes : [])))

/** A ceremony that makes no new share: what it seals is the share of the epoch before. */
const keepsShares = (kind: Definition['kind'] | undefined): boolean =>
  kind !== undefined && recordKind({ kind }).keepsShares === true

/**
 * True of an epoch whose ceremony makes other shares than those before it, as far as is known. One that keeps them never
 * takes its place: should both come true, shares that were said to be destroyed would be back.
 */
const renews = ({ core }: Held): boolean => core === undefined || !keepsShares(core.kind)

interface Successor extends Pick<Outcome, 'base' | 'ceremony'> {
  /** undefined where its share is not here, or damaged. */
  readonly kind: Definition['kind'] | undefined
}

/** One that this site has used leaves its base for good; one that it only voted for stands aside where it is named. */
const isRival = (
  one: Held,
  { base, kind }: Successor,
  names: ReadonlySet<Hash>,
  superseded: ReadonlySet<Hash>,
): boolean => {
  const record = recordHashOf(one)
  if (one.state === 'staged' && record !== undefined)
    return !superseded.has(record) && (!names.has(record) || (keepsShares(kind) && renews(one)))
  return one.made?.base === base && (one.state !== undefined || record === undefined || !names.has(record))
}

/**
 * Throws where a share of another ceremony is here that the new one must not lie beside: one of a record that this site
 * voted for and that the new one does not name, and any successor of the same record that it did not vote for. All sites
 * hold a share before any votes: while each holds shares of one ceremony, or of those that name the ones before, votes
 * cannot part them. A site that leaves a ceremony drops its shares. One that keeps the shares takes the place of no new ones.
 */
export const refuseRival = (epochs: readonly Held[], made: Successor, supersedes: readonly Hash[]): void => {
  const { base, ceremony } = made
  if (base === null) return
  const [names, superseded] = [new Set(supersedes), supersededIn(epochs)]
  const others = epochs.filter(({ made }) => made !== undefined && made.ceremony !== ceremony)
  const rival = others.find((one) => isRival(one, made, names, superseded))
  if (rival?.made === undefined) return
  const voted = isUsed(rival) ? undefined : recordHashOf(rival)
  if (voted !== undefined && names.has(voted)) throw renewalFound(rival.made.ceremony)
  throw rivalFound({ ceremony: rival.made.ceremony, topic: topicOf(rival) }, voted)
}

/** The commands that run the ceremony which made an epoch; of a damaged one, those that nearly every one is run by. */
export const topicOf = ({ core }: Pick<Held, 'core'>): Topic => (core === undefined ? 'rotate' : recordKind(core).topic)

/** A ceremony in which this site dealt its share away; `free`: how many of its new sites must leave before it is free. */
export const dealtIn = ({ ceremony, topic }: { readonly ceremony: Hash; readonly topic: Topic }, free: number) => {
  const id = shortId(ceremony)
  return new QuorateError(
    'E_NOT_FINISHED',
    `this site dealt its share in ceremony ${id}, which replaces the same record`,
    `finish that one first: quorate ${topic} join --ceremony ${id}. Where it cannot be finished, this site is free once ${free} of its new sites left: they run quorate ${topic} abort --ceremony ${id}, then join it here once more to hear of that`,
    { ceremony },
  )
}

/** A ceremony that makes new shares, for which this site voted, and whose record a repair names. */
export const renewalFound = (ceremony: Hash): QuorateError => {
  const id = shortId(ceremony)
  return new QuorateError(
    'E_NOT_FINISHED',
    `this site voted for new shares in ceremony ${id}, and a repair would keep the old ones`,
    `finish that one first: quorate rotate join --ceremony ${id}. Where it cannot be finished, plan new shares that name it, at this site: quorate rotate plan, with --to and --without where a site is lost`,
    { ceremony },
  )
}

/** `voted`: the record of it that this site voted for. */
export const rivalFound = (
  { ceremony, topic }: { readonly ceremony: Hash; readonly topic: Topic },
  voted: Hash | undefined,
): QuorateError => {
  const id = shortId(ceremony)
  const finish = `finish that one first: quorate ${topic} join --ceremony ${id}`
  if (voted === undefined)
    return new QuorateError(
      'E_NOT_FINISHED',
      `this site has a part in ceremony ${id}, which replaces the same record`,
      `${finish}. Where it cannot be finished, and this site has not voted in it, leave it: quorate ${topic} abort --ceremony ${id}`,
      { ceremony },
    )
  return new QuorateError(
    'E_NOT_FINISHED',
    `this site voted for record ${voted.slice(0, 16)} in ceremony ${id}, and the definition does not name it`,
    `${finish}. Where it cannot be finished, plan one that names it, at this site: quorate ${topic} plan`,
    { ceremony, record: voted },
  )
}

/** The record of an epoch that came true was superseded by one that this site uses: no site ever goes back. */
export const superseded = (): QuorateError =>
  new QuorateError(
    'E_CONSUMED',
    'this site uses a record that supersedes the one of this ceremony',
    'nothing is left to do here: the sites of the newer ceremony go on with it',
  )
