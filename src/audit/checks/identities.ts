import type { BundleFacts } from '../bundle-facts.ts'
import { type Check, type Finding, fails, holds, names, open } from '../check.ts'
import { faulty } from './faults.ts'

/** Latest time that any log states. */
export const endOf = ({ logs }: BundleFacts): number =>
  [...logs.values()].reduce((end, log) => log.entries.reduce((latest, { at }) => Math.max(latest, at), end), 0)

const trusted = (facts: BundleFacts): Finding => {
  const { trust, roster, definition } = facts
  const all = [
    ...roster.map(({ name, identity }) => ({ name: String(name), identity })),
    ...definition.approvers.map((identity) => ({ name: identity.slice(0, 16), identity })),
  ]
  if (trust === undefined) return open(`${all.length} identities that nobody vouches for: no trust file was given`)
  if (trust === 'stated') return holds(`${all.length} identities, believed as the bundle states them`)
  const strangers = all.filter(({ identity }) => trust.revoked(identity) === undefined)
  if (strangers.length > 0) return fails(`not in the trust file: ${names(strangers.map(({ name }) => name))}`)
  const end = endOf(facts)
  const revoked = all.filter(({ identity }) => (trust.revoked(identity) ?? Number.POSITIVE_INFINITY) <= end)
  if (revoked.length > 0) return fails(`revoked before this ended: ${names(revoked.map(({ name }) => name))}`)
  return holds(`${all.length} of ${all.length} in the trust file`)
}

/**
 * One key for two purposes could carry a signature from one place to another. That a second identity certified a key is
 * no more than a question: whoever sees a key can certify it, and each record names its author.
 */
const separate = ({ certificates, roster }: BundleFacts): Finding => {
  const uses = new Map<string, Map<string, Set<string>>>()
  for (const { value } of certificates) {
    const owners = uses.get(value.key) ?? new Map<string, Set<string>>()
    uses.set(value.key, owners.set(value.identity, (owners.get(value.identity) ?? new Set()).add(value.purpose)))
  }
  const all = [...uses.values()]
  const twice = all.filter((owners) => [...owners.values()].some((purposes) => purposes.size > 1))
  if (twice.length > 0) return fails(`${twice.length} keys serve more than one purpose`)
  const claimed = all.filter((owners) => owners.size > 1).flatMap((owners) => [...owners.keys()])
  const by = roster.filter(({ identity }) => claimed.includes(identity)).map(({ name }) => name)
  return claimed.length === 0
    ? holds('no key serves two purposes or two identities')
    : open(`one key certified by more than one of ${names(by)}`)
}

export const identityChecks = [
  { id: 'identities.trusted', run: trusted },
  {
    id: 'identities.certificates',
    run: (facts) => faulty(facts, ['joined', 'certificate'], 'every key is certified by its identity for one purpose'),
  },
  { id: 'identities.separate', run: separate },
] as const satisfies readonly Check[]
