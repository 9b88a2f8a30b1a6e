import { receiversIn } from '../../records/definition.ts'
import type { EmergencyDefinition } from '../../records/kinds/emergency.ts'
import { error, type Finding } from './finding.ts'
import type { KeyBase } from './lint-key.ts'

/** Where a definition says otherwise than the key that it fences: of the key itself, and of who holds its shares. */
export const lintHolders = ({ fences }: EmergencyDefinition, base: KeyBase): readonly Finding[] => {
  const { threshold } = base.definition
  const held = receiversIn(base.definition).map(({ identity }) => identity)
  return [
    ...(fences.key === base.key ? [] : [error('key', 'fences.key', 'another key')]),
    ...(fences.threshold === threshold
      ? []
      : [error('key-threshold', 'fences.threshold', `the key needs ${threshold}`)]),
    ...(fences.holders.map(({ identity }) => identity).join() === held.join()
      ? []
      : [error('roster', 'fences.holders', 'not the sites that hold the shares of this key, in their order')]),
  ]
}

/** The same, and the record: people approve what is fenced as it stands. A rotation may end while they gather. */
export const lintFence = (definition: EmergencyDefinition, base: KeyBase): readonly Finding[] => [
  ...lintHolders(definition, base),
  ...(definition.fences.base === base.record
    ? []
    : [error('base', 'fences.base', 'not the newest record of this key that this home holds')]),
]
