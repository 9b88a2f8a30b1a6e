import type { LogView } from '../../audit/disk-log.ts'
import type { SiteId } from '../../lib/brand.ts'
import { recipientFault } from '../../recipients/fault.ts'
import type { Recipient, ReconstructDefinition } from '../../records/kinds/reconstruct.ts'
import { recipientId } from '../../records/recipient-id.ts'
import type { AnyRules } from '../blame/judge.ts'
import { error, type Finding, refuseErrors, warning } from '../definition/finding.ts'
import { lintChosen } from '../definition/lint-chosen.ts'
import { lintGiven } from '../definition/lint-key.ts'
import { lifecycleOf } from '../lifecycle.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { CeremonyKind, CeremonyResult } from './kind.ts'

/** Sites say nothing to each other but their signed records: a session without rounds. */
const rules: AnyRules = { id: 'release/v1', checks: {}, rounds: {}, judge: () => 'refuted' }

const result = ({ authority, store, seat }: Ceremony): CeremonyResult | undefined => {
  if (!store.releases.has(seat.name)) return undefined
  const { protocol, key: id, of } = authority.definition as ReconstructDefinition
  return {
    key: { id, protocol, publicKey: of.publicKey },
    signature: null,
    signers: [],
    sites: authority.candidates.map(({ name }) => name),
  }
}

const boundBy = (log: LogView, site: SiteId): string | undefined =>
  [...log.replay()].some((event) => event.what === 'release' && event.site === site)
    ? 'it has given its share'
    : undefined

/** The key that an X.509 certificate or an age recipient has stands there once; so does each name. */
const lintRecipients = (recipients: readonly Recipient[]): readonly Finding[] =>
  recipients.flatMap((to, n) => {
    const fault = recipientFault(to)
    const before = recipients.slice(0, n)
    return [
      ...(fault === undefined ? [] : [error('recipient', `recipients[${n}]`, fault)]),
      ...(before.some(({ name }) => name === to.name)
        ? [error('recipient-name', `recipients[${n}].name`, 'the name of another recipient')]
        : []),
      ...(before.some((one) => recipientId(one) === recipientId(to))
        ? [error('recipient-again', `recipients[${n}]`, 'the same recipient again')]
        : []),
    ]
  })

const lint = ({ sites, givers, threshold, of, recipients }: ReconstructDefinition): readonly Finding[] => {
  const spare = givers.length - threshold
  return [
    ...lintChosen(sites, givers, {
      rule: 'giver',
      place: 'givers',
      order: 'those who give stand in the order of the sites, each once',
    }),
    ...(spare < 0 ? [error('givers', 'givers', `${givers.length} give, and the key needs ${threshold}`)] : []),
    ...(spare === 0 && givers.length < sites.length
      ? [
          warning(
            'no-spare-giver',
            'givers',
            'one false share among them, and nobody gets the key: let all give who can',
          ),
        ]
      : []),
    ...(of.verifyingShares.length === sites.length
      ? []
      : [error('key-shares', 'of.verifyingShares', 'one for each site')]),
    ...lintRecipients(recipients),
    warning('whole-key', 'recipients', 'each of them will hold the whole key: it is kept apart no more'),
  ]
}

/** Break glass: sites give their shares, sealed to recipients outside. No site, no relay and no log sees the key. */
export const reconstruct: CeremonyKind<ReconstructDefinition> = {
  lifecycle: lifecycleOf({
    drafted: ['approved', 'aborted'],
    approved: ['gathering', 'aborted'],
    gathering: ['running', 'done', 'aborted'],
    running: ['gathering', 'done', 'aborted'],
    done: ['closed'],
    aborted: ['closed'],
  }),
  protocols: () => [rules],
  context: () => ({ context: {} }),
  prepare: async (...given) => (await import('./reconstruct-run.ts')).prepareReconstruct(...given),
  result,
  boundBy,
  lint,
  refuseUnfit(definition, { base }) {
    if (base !== undefined) refuseErrors(lintGiven(definition, base))
  },
}
