import type { LogView } from '../../audit/disk-log.ts'
import type { SiteId } from '../../lib/brand.ts'
import type { ReadmitDefinition } from '../../records/kinds/readmit.ts'
import type { AnyRules } from '../blame/judge.ts'
import { error, type Finding, refuseErrors, warning } from '../definition/finding.ts'
import { lintChosen } from '../definition/lint-chosen.ts'
import { lintReadmitted } from '../definition/lint-key.ts'
import { lifecycleOf } from '../lifecycle.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { CeremonyKind, CeremonyResult } from './kind.ts'

/** Sites say nothing to each other but their signed records: a session without rounds. */
const rules: AnyRules = { id: 'readmit/v1', checks: {}, rounds: {}, judge: () => 'refuted' }

const result = ({ authority, store }: Ceremony): CeremonyResult | undefined => {
  const { returning } = authority.definition as ReadmitDefinition
  if (!store.rebound.has(returning)) return undefined
  return { key: null, signature: null, signers: [], sites: authority.candidates.map(({ name }) => name) }
}

const boundBy = (log: LogView, site: SiteId): string | undefined => {
  const said = [...log.replay()].filter((event) => event.site === site).map(({ what }) => what)
  if (said.includes('rebound')) return 'it said that it is bound again'
  return said.includes('readmitted') ? 'it has taken the other site back' : undefined
}

const lint = ({ sites, returning, helpers, threshold }: ReadmitDefinition): readonly Finding[] => {
  const spare = helpers.length - threshold
  return [
    ...(sites.some(({ name }) => name === returning) ? [] : [error('returning', 'returning', 'no site of this name')]),
    ...lintChosen(sites, helpers, {
      rule: 'helper',
      place: 'helpers',
      order: 'those who take it back stand in the order of the sites, each once',
      never: [returning, 'the site that returns takes nobody back'],
    }),
    ...(spare < 0
      ? [error('helpers', 'helpers', `${helpers.length} take it back, and ${threshold} besides itself have to`)]
      : []),
    ...(spare >= 0 && helpers.length < sites.length - 1
      ? [
          warning(
            'unasked',
            'helpers',
            'what the site promised to those left out alone it is not bound to again; they go on refusing it until they join',
          ),
        ]
      : []),
  ]
}

/** A site whose ledger went back takes part again, bound by what the others prove that it promised. */
export const readmit: CeremonyKind<ReadmitDefinition> = {
  lifecycle: lifecycleOf({
    drafted: ['approved', 'aborted'],
    approved: ['gathering', 'aborted'],
    gathering: ['running', 'ready', 'done', 'aborted', 'closed'],
    running: ['gathering', 'ready', 'done', 'aborted'],
    ready: ['done', 'closed'],
    done: ['closed'],
    aborted: ['closed'],
  }),
  protocols: () => [rules],
  context: () => ({ context: {} }),
  prepare: async (...given) => (await import('./readmit-run.ts')).prepareReadmit(...given),
  result,
  boundBy,
  lint,
  refuseUnfit(definition, { base }) {
    if (base !== undefined) refuseErrors(lintReadmitted(definition, base))
  },
}
