import { fromHex } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Secret } from '../../lib/secret.ts'
import type { Scheme } from '../../mpc/scheme.ts'
import type { Ceremony } from '../store/ceremony.ts'

/**
 * Throws E_SHARD where an opened share is not the one that others know this site by: what it makes with it would look like a
 * lie of this site. `verifyingShares`: in the order of the seats.
 */
export const refuseFalseShare = (
  { seat }: Pick<Ceremony, 'seat'>,
  { isShareOf }: Pick<Scheme, 'isShareOf'>,
  verifyingShares: readonly string[],
  share: Secret,
): void => {
  const own = verifyingShares[seat.index - 1]
  if (own !== undefined && isShareOf(share, fromHex(own))) return
  throw new QuorateError(
    'E_SHARD',
    'this site’s share is not the one that its verifying share names',
    'do not go on here: put back the files of this share alone, from a backup; without one this share is lost',
  )
}
