import { equal } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Element, Scalar } from '../group/group.ts'
import type { KeygenPublic, RefreshContext } from '../scheme.ts'
import { indicesUpTo, interpolate } from './base.ts'
import { evaluateCommitment } from './polynomial.ts'
import { hasOddY, type Suite, taggedHash, xOnly } from './suite.ts'

/**
 * Names of what the sum of all dealings may not be. Every dealer has committed to its own before it sees another one, and
 * an honest dealer's is uniform: nobody chooses the sum, so none of these is anybody's fault. Each has the chance of one in
 * the group's order (the tweak: 2^-127).
 */
type Degenerate =
  | 'sum-identity'
  | 'tweak-range'
  | 'key-identity'
  | 'verifying-share-identity'
  | 'threshold-lower'
  | 'repair-sum-identity'

const words: Readonly<Record<Degenerate, string>> = {
  'sum-identity': 'the sum of all commitments has a coefficient that is the identity',
  'tweak-range': 'the BIP-341 tweak of the key is out of range',
  'key-identity': 'the tweaked key is the identity',
  'verifying-share-identity': 'a verifying share is the identity',
  'threshold-lower': 'one share less than the threshold asks for is enough for the key',
  'repair-sum-identity': 'the parts for one helper have a sum that is the identity',
}

/** Error for the operator where chance, and nobody, made a value that no key may have. */
export const degenerateError = (name: Degenerate): QuorateError =>
  new QuorateError(
    'E_DEGENERATE',
    `${words[name]}: the dealings make no key`,
    'nobody is at fault and nothing was made; run join again. If it happens twice, keep the logs and report it',
    { check: name },
  )

/** BIP-341's tweak for a key without scripts: what noble and frost-secp256k1-tr apply to every generated key. */
const emptyRootTweak = ({ group }: Suite, publicKey: Uint8Array): Scalar | undefined =>
  group.field.decode(taggedHash('TapTweak', xOnly(publicKey)))

/** The commitment to the polynomial behind the shares: the sum, and for BIP-340 its even form, tweaked. */
const tweakedTotal = (suite: Suite, total: readonly Element[]): readonly Element[] | Degenerate => {
  const { group, evenY } = suite
  if (total.some((element) => group.isIdentity(element))) return 'sum-identity'
  if (!evenY) return total
  const key = group.encode(total[0] as Element)
  const tweak = emptyRootTweak(suite, key)
  if (tweak === undefined) return 'tweak-range'
  const even = hasOddY(key) ? total.map((element) => group.negate(element)) : total
  const [first, ...rest] = even as [Element, ...Element[]]
  const tweaked = group.add(first, group.combine(tweak, [], []))
  return group.isIdentity(tweaked) ? 'key-identity' : [tweaked, ...rest]
}

/** Key and verifying shares of the polynomial with this commitment. */
const publicOf = ({ group }: Suite, commitment: readonly Element[], parties: number): KeygenPublic | Degenerate => {
  const shares = indicesUpTo(parties).map((index) => evaluateCommitment(group, commitment, index))
  if (shares.some((element) => group.isIdentity(element))) return 'verifying-share-identity'
  return {
    publicKey: group.encode(commitment[0] as Element),
    verifyingShares: shares.map((element) => group.encode(element)),
  }
}

/** The key and the verifying shares that the sum of all commitments gives, tweaked for BIP-340; or why it gives none. */
export const publicFrom = (suite: Suite, total: readonly Element[], parties: number): KeygenPublic | Degenerate => {
  const tweaked = tweakedTotal(suite, total)
  return typeof tweaked === 'string' ? tweaked : publicOf(suite, tweaked, parties)
}

/** The share that goes with `publicFrom`, encoded, from the sum of all shares that a party got. The sum gives a key: `publicFrom` said so. */
export const shareFrom = (suite: Suite, total: readonly Element[], sum: Scalar): Uint8Array => {
  const { field } = suite.group
  if (!suite.evenY) return field.encode(sum)
  const key = suite.group.encode(total[0] as Element)
  const even = hasOddY(key) ? field.subtract(field.fromNumber(0), sum) : sum
  const share = field.add(even, emptyRootTweak(suite, key) as Scalar)
  const encoded = field.encode(share)
  if (even !== sum) field.wipe(even)
  field.wipe(share)
  return encoded
}

/**
 * The epoch that a refresh makes of its base and the sum of all commitments to g; or why it makes none. Without its top
 * coefficient the new polynomial would be one of a lower threshold, through the same key.
 */
export const refreshedFrom = (
  { group }: Suite,
  { publicKey, threshold, parties }: RefreshContext,
  base: readonly Element[],
  total: readonly Element[],
): KeygenPublic | Degenerate => {
  if (total.some((element) => group.isIdentity(element))) return 'sum-identity'
  const shares = indicesUpTo(parties).map((index) =>
    group.add(base[index - 1] as Element, group.timesSmall(index, evaluateCommitment(group, total, index))),
  )
  if (shares.some((element) => group.isIdentity(element))) return 'verifying-share-identity'
  const fewer = interpolate(group, indicesUpTo(threshold - 1), shares.slice(0, threshold - 1))
  if (!group.isIdentity(fewer) && equal(group.encode(fewer), publicKey)) return 'threshold-lower'
  return { publicKey, verifyingShares: shares.map((element) => group.encode(element)) }
}

/**
 * The epoch that the sum of all commitments of a resharing gives. The key is the base's: every constant term was
 * checked.
 */
export const resharedFrom = (suite: Suite, total: readonly Element[], parties: number): KeygenPublic | Degenerate =>
  total.some((element) => suite.group.isIdentity(element)) ? 'sum-identity' : publicOf(suite, total, parties)
