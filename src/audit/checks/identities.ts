import { type Check, type Finding, fails, holds, names, open } from '../check.ts'
import type { World } from '../world.ts'
import { faulty } from './faults.ts'

/** Latest time that any log states. */
export const endOf = ({ logs }: World): number =>
  [...logs.values()].reduce((end, log) => log.entries.reduce((latest, { at }) => Math.max(latest, at), end), 0)

const trusted = (world: World): Finding => {
  const { trust, roster, definition } = world
  const all = [
    ...roster.map(({ name, identity }) => ({ name: String(name), identity })),
    ...definition.approvers.map((identity) => ({ name: identity.slice(0, 16), identity })),
  ]
  if (trust === undefined) return open(`${all.length} identities that nobody vouches for: no trust file was given`)
  if (trust === 'stated') return holds(`${all.length} identities, believed as the bundle states them`)
  const strangers = all.filter(({ identity }) => trust.revoked(identity) === undefined)
  if (strangers.length > 0) return fails(`not in the trust file: ${names(strangers.map(({ name }) => name))}`)
  const end = endOf(world)
  const revoked = all.filter(({ identity }) => (trust.revoked(identity) ?? Number.POSITIVE_INFINITY) <= end)
  if (revoked.length > 0) return fails(`revoked before this ended: ${names(revoked.map(({ name }) => name))}`)
  return holds(`${all.length} of ${all.length} in the trust file`)
}

/** One key for two purposes or two owners could carry a signature from one place to another. */
const separate = ({ certificates }: World): Finding => {
  const uses = new Map<string, Set<string>>()
  for (const { value } of certificates) {
    const use = uses.get(value.key) ?? new Set()
    uses.set(value.key, use.add(`${value.identity} ${value.purpose}`))
  }
  const shared = [...uses.values()].filter((use) => use.size > 1)
  return shared.length === 0
    ? holds('no key serves two purposes or two identities')
    : fails(`${shared.length} keys serve more than one purpose or identity`)
}

export const identityChecks: readonly Check[] = [
  { id: 'identities.trusted', run: trusted },
  {
    id: 'identities.certificates',
    run: (world) => faulty(world, ['joined', 'certificate'], 'every key is certified by its identity for one purpose'),
  },
  { id: 'identities.separate', run: separate },
]
