import type { Hash, SiteId } from '../../lib/brand.ts'
import { fromBase64 } from '../../lib/bytes.ts'
import { DecodeError } from '../../records/codec.ts'
import { type ReadmitDefinition, returningIdentity } from '../../records/kinds/readmit.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import { accuses, type Check, type Finding, fails, failsUnlessMissing, holds, names, open } from '../check.ts'
import { resultOf } from '../kinds/index.ts'
import { ledgerOrigin, openCheckpoint } from '../note.ts'
import { readPromised, returnedHead } from '../readmission.ts'
import { eventsOf, faulty } from './faults.ts'

const takesBack = ({ definition }: BundleFacts): ReadmitDefinition | undefined =>
  'returning' in definition ? definition : undefined

const objects = (list: readonly { readonly object: Hash }[]): readonly Hash[] => list.map(({ object }) => object)

const saidTwice = (list: readonly { readonly site: SiteId; readonly hash: Hash }[]): readonly SiteId[] => {
  const first = new Map<SiteId, Hash>()
  return list.flatMap(({ site, hash }) => {
    const before = first.get(site) ?? hash
    first.set(site, before)
    return before === hash ? [] : [site]
  })
}

/** Each of those who take the site back said so once, and none of them left. */
const taken = (facts: BundleFacts): Finding | undefined => {
  const definition = takesBack(facts)
  if (definition === undefined || resultOf(facts) === undefined) return undefined
  const { helpers, threshold, returning, ledger } = definition
  const words = facts.held('readmitted')
  const inputs = objects(words)
  const twice = saidTwice(words)
  if (twice.length > 0) return accuses(facts, twice, `${names(twice)} took ${returning} back in two ways`, inputs)
  const sites = helpers.filter((name) => words.some(({ site }) => site === name))
  const left = facts.aborts.flatMap(({ site }) => (sites.includes(site) ? site : []))
  if (left.length > 0)
    return accuses(
      facts,
      left,
      `${names(left)} took ${returning} back and left, or a thief of its note key says so`,
      inputs,
    )
  const silent = helpers.filter((name) => !sites.includes(name))
  if (sites.length < threshold)
    return open(`${sites.length} of ${threshold} took ${returning} back; waiting: ${names(silent)}`, inputs)
  const all = `${names(sites)} took ${returning} back, with a ledger of ${ledger.size} events that went back`
  return silent.length === 0 ? holds(all, inputs) : open(`${all}; not ${names(silent)}`, inputs)
}

/** The site that returns says once that it has what as many as sign together showed it, under a head of its own ledger. */
const bound = (facts: BundleFacts): Finding | undefined => {
  const definition = takesBack(facts)
  if (definition === undefined || resultOf(facts) === undefined) return undefined
  const { returning, threshold, helpers } = definition
  const said = facts.held('rebound')
  const [first] = said
  const inputs = objects(said)
  if (first === undefined) return open(`${returning} did not say that it is bound again: nobody takes its new head`)
  if (saidTwice(said).length > 0)
    return accuses(facts, [returning], `${returning} said in two ways that it is bound again`, inputs)
  const identity = returningIdentity(definition)
  const keys = identity === undefined ? [] : facts.keys(identity, 'log')
  if (returnedHead(definition, first.value, keys) === undefined)
    return accuses(facts, [returning], `${returning} shows a head that its ledger does not have`, inputs)
  const words = facts.held('readmitted')
  const isTaken = (name: SiteId): boolean =>
    words.some(({ site, hash }) => site === name && first.value.took.includes(hash))
  const took = helpers.filter(isTaken)
  if (took.length < threshold)
    return failsUnlessMissing(
      facts,
      ['readmitted'],
      `${returning} is bound by the words of ${took.length} sites that are here, and ${threshold} are needed`,
      inputs,
    )
  if (facts.aborts.some(({ site }) => site === returning))
    return accuses(
      facts,
      [returning],
      `${returning} is bound again and left, or a thief of its note key says so`,
      inputs,
    )
  const late = words.map(({ site }) => site).filter((site) => !took.includes(site))
  const all = `${returning} is bound again by what ${names(took)} showed it`
  return late.length === 0 ? holds(all, inputs) : open(`${all}; not by what ${names(late)} showed later`, inputs)
}

/** All that was shown of the site's promises, and of its older ledger, is signed by that site. */
const promises = (facts: BundleFacts): Finding | undefined => {
  const definition = takesBack(facts)
  const identity = definition && returningIdentity(definition)
  if (definition === undefined || identity === undefined || resultOf(facts) === undefined) return undefined
  const words = facts.held('readmitted')
  const liars: SiteId[] = []
  const shown = new Set<string>()
  for (const { site, value } of words)
    try {
      for (const one of value.promises)
        for (const record of readPromised(one, identity).records) shown.add(`${record.name} ${record.envelope}`)
      if (value.remembered !== null) readHead(facts, fromBase64(value.remembered), identity)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      liars.push(site)
    }
  const { returning } = definition
  return liars.length > 0
    ? accuses(facts, liars, `${names(liars)} showed of ${returning} what ${returning} did not sign`, objects(words))
    : holds(
        `${shown.size} records of ${returning} from other ceremonies were shown to it, all signed by it`,
        objects(words),
      )
}

const readHead = (facts: BundleFacts, note: Uint8Array, identity: string): void => {
  const origin = ledgerOrigin(identity as never)
  const keys = facts.keys(identity as never, 'log')
  let last: unknown = new DecodeError('no key')
  for (const key of keys) {
    try {
      openCheckpoint(note, origin, key)
      return
    } catch (error) {
      last = error
    }
  }
  throw last
}

/** The epoch whose quorum decides is the one that the definition names. */
const keyed = (facts: BundleFacts): Finding | undefined => {
  const definition = takesBack(facts)
  const made = resultOf(facts)
  if (definition === undefined || made === undefined) return undefined
  const { base, key, protocol, threshold, sites } = definition
  const { outcome, outcomeHash } = made
  if (outcome === undefined || outcomeHash === undefined)
    return failsUnlessMissing(facts, ['record', 'outcome'], 'the epoch whose sites decide is not in any log', [base])
  const fits =
    outcome.protocol === protocol &&
    outcome.threshold === threshold &&
    outcome.verifyingShares.length === sites.length &&
    (outcome.base !== null || outcomeHash === key)
  return fits
    ? holds('the sites that decide are those of the key and record that the definition names', [key, base])
    : fails('the definition says another key or quorum than the record that it names', [key, base])
}

/** Sites that took one of the key's sites back before say so at the beginning of their log. */
const known = (facts: BundleFacts): Finding => {
  const bad = faulty(facts, ['readmission'], '')
  if (bad.verdict !== 'holds') return bad
  if (facts.readmitted.length === 0) return holds('no site says that a site of this key was taken back before')
  const who = facts.readmitted.map(({ definition }) => definition.returning)
  return open(
    `the ledger of ${names(who)} went back once, and it was taken back: of what it said before some may be missing`,
  )
}

export const readmitChecks = [
  { id: 'readmit.taken', needs: 'result', run: taken },
  { id: 'readmit.bound', needs: 'result', run: bound },
  { id: 'readmit.promises', needs: 'result', run: promises },
  { id: 'readmit.key', needs: 'result', run: keyed },
  {
    id: 'readmit.records',
    needs: 'readmissions',
    run: (facts) => faulty(facts, eventsOf('readmit.records'), 'every word is by its own site'),
  },
  { id: 'readmit.known', needs: 'readmitted', run: known },
] as const satisfies readonly Check[]
