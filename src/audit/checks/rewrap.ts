import type { Hash, SiteId } from '../../lib/brand.ts'
import { rewrappedEntry } from '../../records/kinds/rewrap.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import { accuses, type Check, type Finding, failsUnlessMissing, holds, names, open } from '../check.ts'
import { resultOf } from '../kinds/index.ts'
import { madeRewrap, proofIsTrue, rewrapDefinition, witnessesOf } from '../rewrap-shown.ts'
import { eventsOf, faulty } from './faults.ts'
import { otherKey } from './given-key.ts'

const objects = (list: readonly { readonly object: Hash }[]): readonly Hash[] => list.map(({ object }) => object)

const made = (facts: BundleFacts) => {
  const definition = rewrapDefinition(facts)
  const said = resultOf(facts) === undefined ? undefined : madeRewrap(facts)
  return definition === undefined || said === undefined ? undefined : { definition, said }
}

/** The site opened its share from the new envelope, and signed of no other one that it did. */
const proven = (facts: BundleFacts): Finding | undefined => {
  const found = made(facts)
  if (found === undefined) return undefined
  const { site } = found.definition
  const all = facts.held('rewrapped')
  const untrue = all.filter((one) => !proofIsTrue(facts, one))
  if (untrue.length > 0)
    return accuses(facts, [site], `${site} did not prove the share that it sealed anew`, objects(untrue))
  if (new Set(all.map(({ hash }) => hash)).size > 1)
    return accuses(facts, [site], `${site} sealed its share anew in two envelopes`, objects(all))
  const kms = rewrappedEntry(found.definition)?.kms ?? []
  const under = names(kms.map(({ provider, key }) => `${provider}:${key}`))
  return holds(`${site} opened its share from the new envelope, under ${under} by its card`, objects(all))
}

/** As many cosigned as sign together with that site, and none of them what does not hold. */
const witnessed = (facts: BundleFacts): Finding | undefined => {
  const found = made(facts)
  if (found === undefined) return undefined
  const { definition, said } = found
  const all = facts.held('witnessed')
  const inputs = objects(all)
  const twice = new Set<SiteId>()
  for (const one of all) if (all.some(({ site, hash }) => site === one.site && hash !== one.hash)) twice.add(one.site)
  if (twice.size > 0) return accuses(facts, twice, `${names(twice)} cosigned two envelopes`, inputs)
  const by = witnessesOf(facts, said)
  if (by.length > 0 && !proofIsTrue(facts, said))
    return accuses(facts, by, `${names(by)} cosigned a proof that does not hold`, inputs)
  const needed = definition.threshold - 1
  const silent = definition.witnesses.filter((name) => !by.includes(name))
  if (by.length < needed)
    return open(`${by.length} of ${needed} cosigned the new envelope; waiting: ${names(silent)}`, inputs)
  return holds(`${names(by)} cosigned the new envelope, and ${needed} had to`, inputs)
}

/** The key, its shares and its quorum are those of the record that the definition names. */
const keyed = (facts: BundleFacts): Finding | undefined => {
  const found = made(facts)
  const result = resultOf(facts)
  if (found === undefined || result === undefined) return undefined
  const { base, key, old, site, sites } = found.definition
  const record = facts.records.get(base)
  if (result.outcome === undefined || result.outcomeHash === undefined || record === undefined)
    return failsUnlessMissing(facts, ['record', 'outcome'], 'the epoch whose share was sealed anew is not in any log', [
      base,
    ])
  const other = otherKey(found.definition, result)
  if (other !== undefined) return other
  const first = record.envelopes[sites.findIndex(({ name }) => name === site)] === old.envelope
  return holds(
    `the share is one of the record that the definition names, and lay in ${first ? 'the envelope named there' : 'an envelope of a rewrap before'}`,
    [key, base],
  )
}

/** Sites that went over before as many had cosigned, by their own log. */
const isEarly = (facts: BundleFacts, site: SiteId, needed: number): boolean => {
  const entries = facts.logs.get(site)?.entries ?? []
  const own = objects(facts.held('replaced'))
  const at = entries.findIndex(({ what, object }) => what === 'replaced' && object !== null && own.includes(object))
  const cosigned = new Map(facts.held('witnessed').map(({ object, site: by }) => [object, by]))
  const seen = entries.slice(0, Math.max(0, at)).flatMap(({ object }) => (object && cosigned.get(object)) ?? [])
  return at >= 0 && new Set(seen).size < needed
}

/** The new envelope alone is in use: by the site's own word, after the others'. */
const replaced = (facts: BundleFacts): Finding | undefined => {
  const found = made(facts)
  if (found === undefined) return undefined
  const { definition, said } = found
  const { site, threshold } = definition
  const words = facts.held('replaced')
  const inputs = objects(words)
  const left = facts.aborts.some((one) => one.site === site)
  if (words.length === 0)
    return open(
      `${site} ${left ? 'left before its new envelope was in use' : 'did not say that its new envelope is in use'}`,
    )
  const deed =
    new Set(words.map(({ value }) => value.envelope)).size > 1 || words[0]?.value.envelope !== said.value.envelope
      ? 'went over to another envelope than the one that it proved'
      : isEarly(facts, site, threshold - 1)
        ? `went over before ${threshold - 1} had cosigned`
        : left
          ? 'went over and left, or a thief of its note key says so'
          : undefined
  return deed === undefined
    ? holds(`${site} says that its old envelope is destroyed`, inputs)
    : accuses(facts, [site], `${site} ${deed}`, inputs)
}

export const rewrapChecks = [
  { id: 'rewrap.proven', needs: 'result', run: proven },
  { id: 'rewrap.witnessed', needs: 'result', run: witnessed },
  { id: 'rewrap.key', needs: 'result', run: keyed },
  { id: 'rewrap.replaced', needs: 'result', run: replaced },
  {
    id: 'rewrap.records',
    needs: 'rewraps',
    run: (facts) => faulty(facts, eventsOf('rewrap.records'), 'every word on a new envelope is its site’s own'),
  },
] as const satisfies readonly Check[]
