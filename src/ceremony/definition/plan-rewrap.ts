import type { SiteId } from '../../lib/brand.ts'
import type { Random } from '../../lib/ports.ts'
import type { Card } from '../../records/identity.ts'
import type { RewrapDefinition } from '../../records/kinds/rewrap.ts'
import { lint } from './lint.ts'
import { lintGiven } from './lint-key.ts'
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
 * Seals the share of the site of `card` under the KMS keys of that card, under the key's own name. `old`: what it lies in now.
 * `witnesses`: those that cosign; empty: all other sites. Throws E_CARD for a card of a stranger, and E_USAGE for a name that
 * no site of the key has.
 */
export const planRewrap = (
  wanted: Omit<Common, 'name'> &
    OfKey & { readonly card: Card; readonly old: RewrapDefinition['old']; readonly witnesses: readonly SiteId[] },
  random: Random,
  now?: number,
): Planned<RewrapDefinition> => {
  const { card, old, key } = wanted
  const { definition: made, publicKey, verifyingShares } = key
  const sites = sitesOf(wanted).map((site) => (site.identity === card.identity ? card : site))
  refuseNoSite(wanted.witnesses, sites, key)
  const others = sites.map(({ name }) => name).filter((name) => name !== card.name)
  const witnesses = wanted.witnesses.length === 0 ? others : others.filter((name) => wanted.witnesses.includes(name))
  const definition: RewrapDefinition = {
    kind: 'rewrap',
    ...shared({ ...wanted, name: made.name }, witnesses.length + 1, made.threshold, random),
    ...sharedWithKey(wanted, sites),
    threshold: made.threshold,
    of: { publicKey, verifyingShares: [...verifyingShares] },
    site: card.name,
    old: { envelope: old.envelope, kms: [...old.kms] },
    witnesses,
  }
  return planned(definition, [...lintGiven(definition, key), ...lint(definition, now)])
}
