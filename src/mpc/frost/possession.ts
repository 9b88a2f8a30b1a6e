import type { Hash, Index } from '../../lib/brand.ts'
import { fromHex, u32 } from '../../lib/bytes.ts'
import type { Random } from '../../lib/ports.ts'
import type { Secret } from '../../lib/secret.ts'
import { prove, proves } from './proof.ts'
import { type SuiteId, suiteOf } from './suite.ts'

const POSSESSION = 'quorate possession proof v1'

const bound = (verifyingShare: Uint8Array, index: Index, context: Hash): readonly Uint8Array[] => [
  fromHex(context),
  u32(index),
  verifyingShare,
]

/** Proves, for one context (a record's hash), that whoever runs this holds the share of `index`. Throws RangeError for what is no share. */
export const provePossession = (
  id: SuiteId,
  share: Secret,
  index: Index,
  context: Hash,
  random: Random,
): Uint8Array => {
  const suite = suiteOf(id)
  const { group } = suite
  const secret = group.field.decode(share.reveal())
  if (secret === undefined || group.field.isZero(secret)) throw new RangeError('not a share of this curve')
  try {
    const verifyingShare = group.encode(group.timesBase(secret))
    return prove(suite, POSSESSION, bound(verifyingShare, index, context), secret, random)
  } finally {
    group.field.wipe(secret)
  }
}

/** Never throws: what does not decode proves nothing. */
export const verifyPossession = (
  id: SuiteId,
  verifyingShare: Uint8Array,
  index: Index,
  context: Hash,
  proof: Uint8Array,
): boolean => {
  const suite = suiteOf(id)
  const element = suite.group.decode(verifyingShare)
  return element !== undefined && proves(suite, POSSESSION, bound(verifyingShare, index, context), element, proof)
}
