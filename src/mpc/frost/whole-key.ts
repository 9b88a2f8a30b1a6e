import type { Index } from '../../lib/brand.ts'
import { equal } from '../../lib/bytes.ts'
import { Secret } from '../../lib/secret.ts'
import { lagrange, plusProduct } from './polynomial.ts'
import { Scratch } from './scratch.ts'
import { type SuiteId, suiteOf } from './suite.ts'

/** True where a share is the one that this verifying share names. Never throws. */
export const isShareOf = (id: SuiteId, secret: Secret, verifyingShare: Uint8Array): boolean => {
  const { group } = suiteOf(id)
  const share = group.field.decode(secret.reveal())
  if (share === undefined || group.field.isZero(share)) return false
  try {
    return equal(group.encode(group.timesBase(share)), verifyingShare)
  } finally {
    group.field.wipe(share)
  }
}

/** f(0), by Lagrange's interpolation at 0 (RFC 9591 appendix C.1.2). Throws RangeError where the shares give another key. */
export const wholeKey = (id: SuiteId, shares: ReadonlyMap<Index, Secret>, publicKey: Uint8Array): Secret => {
  const { group } = suiteOf(id)
  const { field } = group
  const members = [...shares.keys()]
  const scratch = new Scratch(field)
  try {
    let sum = scratch.scalar(field.fromNumber(0))
    for (const [index, secret] of shares) {
      const share = field.decode(secret.reveal())
      if (share === undefined) throw new RangeError('not a share of this curve')
      scratch.scalar(share)
      sum = scratch.scalar(plusProduct(field, sum, share, lagrange(field, index, members)))
    }
    if (field.isZero(sum) || !equal(group.encode(group.timesBase(sum)), publicKey))
      throw new RangeError('shares of another key, or too few of this one')
    return new Secret(field.encode(sum))
  } finally {
    scratch.wipe()
  }
}
