import type { LogView } from '../../audit/disk-log.ts'
import type { SiteId } from '../../lib/brand.ts'
import type { RewrapDefinition } from '../../records/kinds/rewrap.ts'
import type { AnyRules } from '../blame/judge.ts'
import { error, type Finding, refuseErrors } from '../definition/finding.ts'
import { lintChosen } from '../definition/lint-chosen.ts'
import { lintGiven } from '../definition/lint-key.ts'
import { lifecycleOf } from '../lifecycle.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { CeremonyKind, CeremonyResult } from './kind.ts'

/** Sites say nothing to each other but their signed records: a session without rounds. */
const rules: AnyRules = { id: 'rewrap/v1', checks: {}, rounds: {}, judge: () => 'refuted' }

const result = ({ authority, store, seat }: Ceremony): CeremonyResult | undefined => {
  if (!store.replaced.has(seat.name) && !store.witnessed.has(seat.name)) return undefined
  const { protocol, key: id, of } = authority.definition as RewrapDefinition
  return {
    key: { id, protocol, publicKey: of.publicKey },
    signature: null,
    signers: [],
    sites: authority.candidates.map(({ name }) => name),
  }
}

/** A site whose new envelope is not in use yet may leave: the old one still opens its share. */
const boundBy = (log: LogView, site: SiteId): string | undefined => {
  const said = new Set([...log.replay()].flatMap((event) => (event.site === site ? event.what : [])))
  if (said.has('replaced')) return 'its new envelope is in use'
  return said.has('witnessed') ? 'it has cosigned' : undefined
}

const lint = ({ sites, site, witnesses, threshold, of }: RewrapDefinition): readonly Finding[] => [
  ...(sites.some(({ name }) => name === site) ? [] : [error('rewrapped-site', 'site', 'no site of this name')]),
  ...lintChosen(sites, witnesses, {
    rule: 'witness',
    place: 'witnesses',
    order: 'witnesses stand in the order of the sites, each once',
    never: [site, 'nobody cosigns for himself'],
  }),
  ...(witnesses.length < threshold - 1
    ? [error('witnesses', 'witnesses', `${witnesses.length} cosign, and ${threshold - 1} have to`)]
    : []),
  ...(of.verifyingShares.length === sites.length
    ? []
    : [error('key-shares', 'of.verifyingShares', 'one for each site')]),
]

/** One site's share under another KMS key, or another version of it; others cosign that it still opens there. */
export const rewrap: CeremonyKind<RewrapDefinition> = {
  lifecycle: lifecycleOf({
    drafted: ['approved', 'gathering', 'aborted'],
    approved: ['gathering', 'aborted'],
    gathering: ['running', 'staged', 'done', 'aborted'],
    running: ['gathering', 'staged', 'done', 'aborted'],
    staged: ['gathering', 'done', 'aborted'],
    done: ['closed'],
    aborted: ['closed'],
  }),
  protocols: () => [rules],
  context: () => ({ context: {} }),
  prepare: async (...given) => (await import('./rewrap-run.ts')).prepareRewrap(...given),
  result,
  boundBy,
  lint,
  refuseUnfit(definition, { base }) {
    if (base !== undefined) refuseErrors(lintGiven(definition, base))
  },
}
