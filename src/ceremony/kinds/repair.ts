import type { SiteId } from '../../lib/brand.ts'
import { ceremonyId } from '../../records/definition.ts'
import type { RepairDefinition } from '../../records/kinds/repair.ts'
import { error, type Finding, refuseErrors } from '../definition/finding.ts'
import { lintLostSite } from '../definition/lint-key.ts'
import { boundByVote, epochResult } from '../epoch/epoch-result.ts'
import { refuseUnnamed } from '../epoch/rivals.ts'
import type { CeremonyKind } from './kind.ts'
import { refresh } from './refresh.ts'
import { repairContext } from './repair-context.ts'
import { inOrder } from './reshare.ts'

const lint = ({ sites, threshold, from }: RepairDefinition): readonly Finding[] => {
  const old = from.sites
  const names: readonly SiteId[] = sites.map(({ name }) => name)
  const fits = old.length === names.length && inOrder(old, old)
  const others = fits ? names.flatMap((name, at) => (name === old[at] ? [] : [at])) : []
  const moved = others.find((at) => old.includes(names[at] as SiteId) || names.includes(old[at] as SiteId))
  const idle = from.helpers.findIndex((name) => !names.includes(name))
  return [
    ...(fits ? [] : [error('old-site', 'from.sites', 'as many as there are sites, each once')]),
    ...(!fits || others.length === 1
      ? []
      : [error('mended-site', 'sites', 'exactly one site is another than in from.sites: the one that is mended')]),
    ...(moved === undefined
      ? []
      : [error('mended-site', `sites[${moved}]`, 'a site keeps its place, and the mended one has a name of its own')]),
    ...(from.verifyingShares.length === old.length
      ? []
      : [error('key-shares', 'from.verifyingShares', 'one for each of the old sites')]),
    ...(inOrder(from.helpers, old) && idle < 0
      ? []
      : [
          error(
            'helper',
            'from.helpers',
            'helpers are old sites that still hold their share, in their order, each once',
          ),
        ]),
    ...(from.helpers.length === threshold
      ? []
      : [error('helpers', 'from.helpers', `${from.helpers.length} help, and the key needs exactly ${threshold}`)]),
  ]
}

/** The share of a site that lost it, made again for another machine. All others keep theirs, and vote for the new roster. */
export const repair: CeremonyKind<RepairDefinition> = {
  // The mended site has no old share that it could retire.
  lifecycle: { ...refresh.lifecycle, installed: ['retired', 'closed'] },
  protocols: ({ repair: today }) => [today],
  context: ({ definition }) => ({ context: repairContext(definition as RepairDefinition) }),
  prepare: async (...given) => (await import('./repair-run.ts')).prepareRepair(...given),
  result: epochResult,
  lint,
  refuseUnfit(definition, { base, undecided }) {
    if (base === undefined || ceremonyId(base.definition) === ceremonyId(definition)) return
    refuseErrors(lintLostSite(definition, base))
    refuseUnnamed(definition, undecided ?? [])
  },
  boundBy: boundByVote,
}
