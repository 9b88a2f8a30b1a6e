import { equal } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Secret } from '../../lib/secret.ts'
import type { Scalar } from '../group/group.ts'
import type { Suite } from './suite.ts'

/** This site's share as a scalar. A damaged one is refused: it would make this site look guilty to the others. */
export const openOwnShare = ({ group }: Suite, secret: Secret, verifyingShare: Uint8Array): Scalar => {
  const share = group.field.decode(secret.reveal())
  if (share !== undefined && !group.field.isZero(share)) {
    if (equal(group.encode(group.timesBase(share)), verifyingShare)) return share
    group.field.wipe(share)
  }
  throw new QuorateError(
    'E_SHARD',
    'this site’s share is not the one that its verifying share names',
    'do not go on here: put back the files of this share alone, from a backup; without one this share is lost',
  )
}
