import type { Identity, SiteId } from '../../lib/brand.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import { accuses, type Check, type Finding, fails, holds, names, open } from '../check.ts'
import type { LogFacts } from '../log-facts.ts'
import { eventsOf, faulty } from './faults.ts'

const latest = ({ entries }: LogFacts): number => entries.reduce((end, { at }) => Math.max(end, at), 0)

/** When a site's log ends, by its own clock. */
export const endsOf = ({ logs }: BundleFacts): readonly { readonly site: SiteId; readonly at: number }[] =>
  [...logs.values()].map((log) => ({ site: log.site, at: latest(log) })).sort((a, b) => a.at - b.at)

/**
 * When this ended: a time that fewer than a quorum of lying logs cannot move beyond what some honest log says. 0 where no
 * log is here.
 */
export const endOf = (facts: BundleFacts): number => {
  const ends = endsOf(facts)
  return ends[Math.max(0, ends.length - facts.definition.threshold)]?.at ?? 0
}

/** The times that a site signed without a log: of its hellos, its approval and its abort. */
const signedTimes = ({ held, hellos }: BundleFacts, except: Identity): readonly number[] =>
  [
    ...[...hellos.values()].map(({ author, value }) => ({ author, at: value.clock })),
    ...held('approval').map(({ author, value }) => ({ author, at: value.at })),
    ...held('aborted').map(({ author, value }) => ({ author, at: value.at })),
  ].flatMap(({ author, at }) => (author.identity === except ? [] : at))

/**
 * When this ended, by others than this identity: its own word is worth nothing where it is the one that was revoked.
 * Of their logs, the one that fewer than a quorum of liars, this one among them, can neither put off nor bring forward.
 * Infinity where nobody else says anything.
 */
const endWithout = (facts: BundleFacts, identity: Identity): number => {
  const others = endsOf(facts).filter(({ site }) => facts.seat(site)?.identity !== identity)
  if (others.length > 0) return others[Math.min(facts.definition.threshold - 2, others.length - 1)]?.at ?? 0
  const times = signedTimes(facts, identity)
  return times.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...times)
}

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
  const revoked = all.filter(({ identity }) => {
    const at = trust.revoked(identity)
    return typeof at === 'number' && at <= endWithout(facts, identity)
  })
  if (revoked.length > 0) return fails(`revoked before this ended: ${names(revoked.map(({ name }) => name))}`)
  return holds(`${all.length} of ${all.length} in the trust file`)
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
