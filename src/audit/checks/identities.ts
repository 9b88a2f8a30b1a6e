import type { SiteId } from '../../lib/brand.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import { accuses, type Check, type Finding, fails, holds, names, open } from '../check.ts'
import { standing } from '../times.ts'
import { isStarted } from './attempts.ts'
import { eventsOf, faulty } from './faults.ts'

/** Sites by name, and approvers, who have none, by the beginning of their identity. */
const parties = ({ roster, definition }: BundleFacts) => [
  ...roster.map(({ name, identity }) => ({ site: name as SiteId | undefined, name: String(name), identity })),
  ...definition.approvers.map((identity) => ({ site: undefined, name: identity.slice(0, 16), identity })),
]

const trusted = (facts: BundleFacts): Finding => {
  const { trust } = facts
  const all = parties(facts)
  if (trust === undefined) return open(`${all.length} identities that nobody vouches for: no trust file was given`)
  if (trust === 'stated') return holds(`${all.length} identities, believed as the bundle states them`)
  const strangers = all.filter(({ identity }) => trust.revoked(identity) === undefined)
  if (strangers.length > 0) return fails(`not in the trust file: ${names(strangers.map(({ name }) => name))}`)
  return holds(`${all.length} of ${all.length} in the trust file`)
}

/** A revocation holds from its time on: its own word never makes a party's deed older than that. */
const unrevoked = (facts: BundleFacts): Finding => {
  const { trust, words, definition } = facts
  if (trust === undefined || trust === 'stated') return holds('no trust file says that anybody here was revoked')
  // A signature of each participant stands under the window: none of them began before it.
  const began = [...facts.attempts.values()].some(isStarted) ? Date.parse(definition.window.opens) : undefined
  const revoked = parties(facts).flatMap(({ name, site, identity }) => {
    const at = trust.revoked(identity)
    if (typeof at !== 'number') return []
    return [{ name, is: standing(at, words, { site, threshold: definition.threshold }, began) }]
  })
  const those = (is: ReturnType<typeof standing>): readonly string[] =>
    revoked.flatMap((one) => (one.is === is ? one.name : []))
  if (those('after').length > 0) return fails(`revoked before this ended: ${names(those('after'))}`)
  if (those('unknown').length > 0)
    return open(`revoked, and too few others say here that this had ended before: ${names(those('unknown'))}`)
  return holds(revoked.length === 0 ? 'nobody here was revoked' : `revoked only later: ${names(those('before'))}`)
}

/**
 * One key for two purposes could carry a signature from one place to another. That a second identity certified a key is
 * no more than a question: whoever sees a key can certify it, and each record names its author.
 */
const separate = (facts: BundleFacts): Finding => {
  const { roster } = facts
  const uses = new Map<string, Map<string, Set<string>>>()
  for (const { value } of facts.held('certificate')) {
    const owners = uses.get(value.key) ?? new Map<string, Set<string>>()
    uses.set(value.key, owners.set(value.identity, (owners.get(value.identity) ?? new Set()).add(value.purpose)))
  }
  const all = [...uses.values()]
  const nameOf = (identity: string): string =>
    roster.find((one) => one.identity === identity)?.name ?? identity.slice(0, 16)
  const twice = all.flatMap((owners) =>
    [...owners].flatMap(([identity, purposes]) => (purposes.size > 1 ? nameOf(identity) : [])),
  )
  if (twice.length > 0) return accuses(facts, twice, `one key serves more than one purpose of ${names(twice)}`)
  const claimed = all.filter((owners) => owners.size > 1).flatMap((owners) => [...owners.keys()])
  const by = roster.filter(({ identity }) => claimed.includes(identity)).map(({ name }) => name)
  return claimed.length === 0
    ? holds('no key serves two purposes or two identities')
    : open(`one key certified by more than one of ${names(by)}`)
}

export const identityChecks = [
  { id: 'identities.trusted', run: trusted },
  { id: 'identities.unrevoked', completes: true, run: unrevoked },
  {
    id: 'identities.certificates',
    run: (facts) =>
      faulty(
        facts,
        ['joined', ...eventsOf('identities.certificates')],
        'every key is certified by its identity for one purpose',
      ),
  },
  { id: 'identities.separate', run: separate },
] as const satisfies readonly Check[]
