import type { Hash } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { recordKind } from '../../records/definition.ts'
import type { Outcome } from '../../records/outcome.ts'
import { definitionAt } from './definition-at.ts'
import type { KeyBase } from './lint-key.ts'
import { entriesSince, type RewrapsKnown, rewrapsInUse } from './rewraps.ts'

/**
 * Returns this site's own facts of an epoch, to hold a definition that uses it against: the definition that made it, and
 * entries that are newer.
 * Throws E_NOT_FOUND where neither has it.
 */
export const keyBaseOf = async (
  site: RewrapsKnown,
  epoch: {
    readonly key: Hash
    readonly hash: Hash
    readonly number: number
    readonly outcome: Pick<Outcome, 'ceremony' | 'publicKey' | 'verifyingShares'>
  },
): Promise<KeyBase> => {
  const { ceremony, publicKey, verifyingShares } = epoch.outcome
  const definition = await definitionAt(site, ceremony)
  if (definition === undefined || recordKind(definition).makes !== 'key')
    throw new QuorateError(
      'E_NOT_FOUND',
      'this home does not hold the definition that made the key',
      'put it back from another site or a backup: ceremonies/ID/definition.json in this home',
    )
  const rewrapped = entriesSince(await rewrapsInUse(site, epoch.hash))
  return { definition, key: epoch.key, record: epoch.hash, epoch: epoch.number, publicKey, verifyingShares, rewrapped }
}
