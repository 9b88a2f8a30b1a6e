import type { Hash } from '../../lib/brand.ts'
import type { Definition } from '../../records/definition.ts'
import type { RefreshDefinition } from '../../records/kinds/refresh.ts'
import type { SignDefinition } from '../../records/kinds/sign.ts'
import { error, type Finding } from './finding.ts'

/** The newest epoch of a key. */
export interface KeyBase {
  /** The one that made it. */
  readonly definition: Definition
  /** Hash of the keygen outcome. */
  readonly key: Hash
  readonly record: Hash
  /** From 1. */
  readonly epoch: number
}

/** Where a definition that uses a key says otherwise than the key: places are indices, so the order counts. */
export const lintAgainst = (definition: SignDefinition | RefreshDefinition, base: KeyBase): readonly Finding[] => {
  const { sites, threshold, protocol } = base.definition
  const roster = sites.length === definition.sites.length
  return [
    ...(definition.key === base.key ? [] : [error('key', 'key', 'another key')]),
    ...(definition.base === base.record
      ? []
      : [error('base', 'base', 'not the newest record of this key that this home holds')]),
    ...('epoch' in definition && definition.epoch !== base.epoch + 1
      ? [error('epoch', 'epoch', `the key is in epoch ${base.epoch}: the next one is ${base.epoch + 1}`)]
      : []),
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
