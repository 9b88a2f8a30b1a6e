import type { Hash } from '../../lib/brand.ts'
import type { ReconstructDefinition } from '../../records/kinds/reconstruct.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import { accuses, type Check, type Finding, failsUnlessMissing, holds, names, open } from '../check.ts'
import { resultOf } from '../kinds/index.ts'
import { eventsOf, faulty } from './faults.ts'
import { otherKey } from './given-key.ts'

const gives = ({ definition }: BundleFacts): ReconstructDefinition | undefined =>
  'recipients' in definition ? definition : undefined

const objects = (list: readonly { readonly object: Hash }[]): readonly Hash[] => list.map(({ object }) => object)

/** Each site gave once, and none that gave says that it left. */
const given = (facts: BundleFacts): Finding | undefined => {
  const definition = gives(facts)
  if (definition === undefined || resultOf(facts) === undefined) return undefined
  const { givers, threshold, recipients } = definition
  const releases = facts.held('release')
  const inputs = objects(releases)
  const sites = givers.filter((name) => releases.some(({ site }) => site === name))
  const silent = givers.filter((name) => !sites.includes(name))
  const twice = sites.filter(
    (name) => new Set(releases.filter(({ site }) => site === name).map(({ hash }) => hash)).size > 1,
  )
  if (twice.length > 0) return accuses(facts, twice, `${names(twice)} gave its share twice`, inputs)
  const left = facts.aborts.flatMap(({ site }) => (sites.includes(site) ? site : []))
  if (left.length > 0)
    return accuses(facts, left, `${names(left)} gave its share and left, or a thief of its note key says so`, inputs)
  const to = names(recipients.map(({ name }) => name))
  if (sites.length < threshold)
    return open(`${sites.length} of ${threshold} shares are given to ${to}; waiting: ${names(silent)}`, inputs)
  const all = `the whole key was given to ${to}, by ${names(sites)}`
  return silent.length === 0 ? holds(all, inputs) : open(`${all}; not by ${names(silent)}`, inputs)
}

/** The key, its shares and its quorum are those of the record that the definition names. */
const keyed = (facts: BundleFacts): Finding | undefined => {
  const definition = gives(facts)
  const made = resultOf(facts)
  if (definition === undefined || made === undefined) return undefined
  const { base, key } = definition
  if (made.outcome === undefined || made.outcomeHash === undefined)
    return failsUnlessMissing(facts, ['record', 'outcome'], 'the epoch whose shares were given is not in any log', [
      base,
    ])
  return (
    otherKey(definition, made) ??
    holds('the shares are those of the key and record that the definition names', [key, base])
  )
}

/** Sites that gave their share of this key before say so at the beginning of their log. */
const known = (facts: BundleFacts): Finding => {
  const bad = faulty(facts, ['reconstructed'], '')
  if (bad.verdict !== 'holds') return bad
  const [first] = facts.reconstructed
  if (first === undefined) return holds('no site says that it gave its share of this key away before')
  const who = facts.reconstructed.flatMap(({ by }) => by)
  const to = facts.reconstructed.flatMap(({ definition }) => definition.recipients.map(({ name }) => name))
  return open(`${names(who)} gave away a share of this key, to ${names(to)}: who has enough of them signs alone`)
}

export const releaseChecks = [
  { id: 'release.shares', needs: 'result', run: given },
  { id: 'release.key', needs: 'result', run: keyed },
  {
    id: 'release.records',
    needs: 'releases',
    run: (facts) => faulty(facts, eventsOf('release.records'), 'every share is given by its own site'),
  },
  { id: 'release.known', needs: 'reconstructed', run: known },
] as const satisfies readonly Check[]
