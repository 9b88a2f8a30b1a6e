import type { SiteId } from '../../lib/brand.ts'
import { ceremonyId, recordKind } from '../../records/definition.ts'
import type { ReshareDefinition } from '../../records/kinds/reshare.ts'
import type { SessionContext } from '../blame/judge.ts'
import type { PublicFacts } from '../blame/judge-context.ts'
import { error, type Finding, refuseErrors, warning } from '../definition/finding.ts'
import { lintOldRoster } from '../definition/lint-key.ts'
import { hasDealtAway } from '../epoch/dealt.ts'
import { boundByVote, epochResult } from '../epoch/epoch-result.ts'
import { refuseUnnamed } from '../epoch/rivals.ts'
import { lifecycleOf } from '../lifecycle.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { CeremonyKind, CeremonyResult } from './kind.ts'
import { reshareContext } from './reshare-context.ts'

const context = ({ definition, attempt }: PublicFacts): SessionContext =>
  attempt === undefined ? 'unknown' : { context: reshareContext(definition as ReshareDefinition, attempt) }

/** True where the names of `some` stand in `all`, in the same order, each once. */
export const inOrder = (some: readonly SiteId[], all: readonly SiteId[]): boolean =>
  some.every((name, at) => all.indexOf(name) > (at === 0 ? -1 : all.indexOf(some[at - 1] as SiteId)))

const lint = ({ sites, receivers, from }: ReshareDefinition): readonly Finding[] => {
  const old = from.sites
  const named = new Set(sites.map(({ name }) => name))
  const quorums = Math.ceil((old.length + from.threshold) / 2)
  const idle = sites.findIndex(({ name }, at) => at >= receivers && !old.includes(name))
  const unknown = old.findIndex((name) => !named.has(name))
  return [
    ...(receivers > sites.length
      ? [error('receivers', 'receivers', `${receivers} sites receive a share, and ${sites.length} are named`)]
      : []),
    ...(idle < 0 ? [] : [error('idle-site', `sites[${idle}]`, 'neither holds a share nor receives one')]),
    ...(unknown < 0 ? [] : [error('old-site', `from.sites[${unknown}]`, 'no site of this name')]),
    ...(inOrder(old, old) ? [] : [error('old-site', 'from.sites', 'a site holds one share')]),
    ...(from.threshold > old.length
      ? [error('old-threshold', 'from.threshold', `${from.threshold} of ${old.length} sites can never sign`)]
      : []),
    ...(from.verifyingShares.length === old.length
      ? []
      : [error('key-shares', 'from.verifyingShares', 'one for each of the old sites')]),
    ...(inOrder(from.dealers, old)
      ? []
      : [error('dealer', 'from.dealers', 'dealers stand in the order of the old sites, each once')]),
    ...(from.dealers.length < from.threshold
      ? [error('dealers', 'from.dealers', `${from.dealers.length} deal, and the key needs ${from.threshold}`)]
      : []),
    ...(from.dealers.length < quorums && from.dealers.length < old.length
      ? [
          warning(
            'few-dealers',
            'from.dealers',
            `with fewer than ${quorums} of ${old.length} dealers a lying one could deal in a second reshare as well`,
          ),
        ]
      : []),
  ]
}

/**
 * A site that receives a share is bound by its vote; one that only deals, by what it dealt: others may finish without it. So
 * they may from the start, where it does neither.
 */
const boundBy: CeremonyKind<ReshareDefinition>['boundBy'] = (log, site, definition) => {
  const seats = recordKind(definition).seats(definition)
  if (!seats.candidates.includes(site)) return 'the others make the key’s next shares without it'
  return boundByVote(log, site) ?? (hasDealtAway(log, site, definition) ? 'it has dealt its share' : undefined)
}

/** A site that receives no share has its part done once its old one is destroyed. */
const leaverResult = ({ authority, store, seat }: Ceremony): CeremonyResult | undefined => {
  if (!store.retired.has(seat.name)) return undefined
  const { key: id, protocol, from } = authority.definition as ReshareDefinition
  return {
    key: { id, protocol, publicKey: from.publicKey },
    signature: null,
    signers: [],
    sites: authority.candidates.map(({ name }) => name),
  }
}

/** New shares of the same key for other sites, or another quorum; the old ones are destroyed. */
export const reshare: CeremonyKind<ReshareDefinition> = {
  lifecycle: lifecycleOf({
    drafted: ['approved', 'aborted'],
    approved: ['gathering', 'aborted'],
    gathering: ['running', 'ready', 'retired', 'aborted'],
    running: ['gathering', 'staged', 'retired', 'aborted'],
    staged: ['gathering', 'ready', 'aborted'],
    ready: ['installed'],
    installed: ['retired', 'closed'],
    retired: ['closed'],
    aborted: ['closed'],
  }),
  protocols: ({ reshare: today }) => [today],
  context,
  prepare: async (...given) => (await import('./reshare-run.ts')).prepareReshare(...given),
  result: (ceremony) => epochResult(ceremony) ?? leaverResult(ceremony),
  lint,
  refuseUnfit(definition, { base, undecided }) {
    if (base === undefined || ceremonyId(base.definition) === ceremonyId(definition)) return
    refuseErrors(lintOldRoster(definition, base))
    refuseUnnamed(definition, undecided ?? [])
  },
  boundBy,
}
