import type { Hash } from '../../lib/brand.ts'
import type { Definition } from '../../records/definition.ts'
import type { SignDefinition } from '../../records/kinds/sign.ts'
import { error, type Finding } from './finding.ts'

/** A key as its keygen made it, and the record that is newest. */
export interface KeyBase {
  /** The one that made it. */
  readonly definition: Definition
  /** Hash of the keygen outcome. */
  readonly key: Hash
  readonly record: Hash
}

/** Where a definition that uses a key says otherwise than the key: places are indices, so the order counts. */
export const lintAgainst = (definition: SignDefinition, base: KeyBase): readonly Finding[] => {
  const { sites, threshold, protocol } = base.definition
  const roster = sites.length === definition.sites.length
  return [
    ...(definition.key === base.key ? [] : [error('key', 'key', 'another key')]),
    ...(definition.base === base.record ? [] : [error('base', 'base', 'not the newest record of this key')]),
    ...(definition.protocol === protocol ? [] : [error('key-protocol', 'protocol', `the key is for ${protocol}`)]),
    ...(definition.threshold === threshold ? [] : [error('key-threshold', 'threshold', `the key needs ${threshold}`)]),
    ...(roster ? [] : [error('roster', 'sites', `the key has ${sites.length} sites`)]),
    ...sites.flatMap((site, n) =>
      roster && definition.sites[n]?.identity !== site.identity
        ? [error('roster', `sites[${n}].identity`, 'not the site that holds this share')]
        : [],
    ),
  ]
}
