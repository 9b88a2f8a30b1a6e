import { fencedIn } from '../../records/definition.ts'
import type { EmergencyDefinition } from '../../records/kinds/emergency.ts'
import { error, type Finding, refuseErrors, warning } from '../definition/finding.ts'
import { lintFence } from '../definition/lint-fence.ts'
import { freshKeyKind } from './keygen.ts'
import type { CeremonyKind } from './kind.ts'

const lint = (definition: EmergencyDefinition): readonly Finding[] => {
  const { fences } = definition
  const { holders, threshold } = fences
  const left = holders.length - fencedIn(definition).length
  return [
    ...(threshold > holders.length
      ? [error('fenced-threshold', 'fences.threshold', `${threshold} of ${holders.length} sites can never sign`)]
      : []),
    ...(new Set(holders.map(({ identity }) => identity)).size === holders.length
      ? []
      : [error('fenced-holder', 'fences.holders', 'a site holds one share')]),
    ...(left >= threshold
      ? [
          warning(
            'few-fenced',
            'sites',
            `${left} holders of the old key take no part, and ${threshold} sign: they could still use it`,
          ),
        ]
      : []),
    ...(Date.parse(fences.sweep) < Date.parse(definition.window.opens)
      ? [error('sweep', 'fences.sweep', 'before anybody can join')]
      : []),
  ]
}

/** A fresh key by the protocol of a key generation; its sites that hold a share of the old one use that no more. */
export const emergency: CeremonyKind<EmergencyDefinition> = {
  ...freshKeyKind,
  prepare: async (...given) => (await import('./emergency-run.ts')).prepareEmergency(...given),
  lint,
  refuseUnfit(definition, { base }) {
    if (base !== undefined) refuseErrors(lintFence(definition, base))
  },
}
