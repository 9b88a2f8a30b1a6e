import type { Identity, SiteId } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Random } from '../../lib/ports.ts'
import type { ReadmitDefinition } from '../../records/kinds/readmit.ts'
import { lint } from './lint.ts'
import { lintReadmitted } from './lint-key.ts'
import {
  type Common,
  type OfKey,
  type Planned,
  planned,
  refuseNoSite,
  shared,
  sharedWithKey,
  sitesOf,
} from './planned.ts'

/**
 * Takes the site of this identity back into its key, with the head of its ledger as it is now, under the key's own name.
 * `without`: sites that do not take part. Throws E_CARD for a card of a stranger, and E_USAGE for a name or an identity that
 * no site of the key has.
 */
export const planReadmit = (
  wanted: Omit<Common, 'name'> &
    OfKey & {
      readonly identity: Identity
      readonly ledger: ReadmitDefinition['ledger']
      readonly reason: string
      readonly without: readonly SiteId[]
    },
  random: Random,
  now?: number,
): Planned<ReadmitDefinition> => {
  const { definition: made } = wanted.key
  const sites = sitesOf(wanted)
  refuseNoSite(wanted.without, sites, wanted.key)
  const returning = sites.find(({ identity }) => identity === wanted.identity)?.name
  if (returning === undefined)
    throw new QuorateError(
      'E_USAGE',
      'this home is no site of the key as it knows it',
      'plan it at the site whose ledger went back: its head is read there',
    )
  const helpers = sites.map(({ name }) => name).filter((name) => name !== returning && !wanted.without.includes(name))
  const definition: ReadmitDefinition = {
    kind: 'readmit',
    ...shared({ ...wanted, name: made.name }, helpers.length + 1, made.threshold, random),
    ...sharedWithKey(wanted, sites),
    threshold: made.threshold,
    returning,
    ledger: wanted.ledger,
    helpers,
    reason: wanted.reason,
  }
  return planned(definition, [...lintReadmitted(definition, wanted.key), ...lint(definition, now)])
}
