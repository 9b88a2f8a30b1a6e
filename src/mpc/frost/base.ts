import type { Index } from '../../lib/brand.ts'
import { equal } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Element, Group } from '../group/group.ts'
import { lagrange } from './polynomial.ts'
import type { Suite } from './suite.ts'

/** Public facts of the epoch whose shares a protocol starts from. */
interface Base {
  readonly publicKey: Uint8Array
  /** In index order. */
  readonly verifyingShares: readonly Uint8Array[]
  readonly threshold: number
}

export const indicesUpTo = (n: number): readonly Index[] => Array.from({ length: n }, (_, at) => (at + 1) as Index)

/** f(x)·G from the elements f(i)·G at `members`, as many as f has coefficients. */
export const interpolate = (
  group: Group,
  members: readonly Index[],
  elements: readonly Element[],
  x: Index | 0 = 0,
): Element => {
  const weights = members.map((i) => lagrange(group.field, i, members, x))
  return group.combine(undefined, weights, elements)
}

/**
 * Verifying shares as elements; undefined where they are not those of one polynomial of the threshold's degree through
 * the key: no key generation made such a record, and none of its sites is to be blamed for what follows from it.
 */
export const openBase = (
  { group }: Suite,
  { publicKey, verifyingShares, threshold }: Base,
): readonly Element[] | undefined => {
  const elements = verifyingShares.map((one) => group.decode(one))
  if (!elements.every((one) => one !== undefined)) return undefined
  const members = indicesUpTo(threshold)
  const defining = elements.slice(0, threshold)
  const key = interpolate(group, members, defining)
  if (group.isIdentity(key) || !equal(group.encode(key), publicKey)) return undefined
  const holds = elements
    .slice(threshold)
    .every((one, at) => group.equals(one, interpolate(group, members, defining, (threshold + at + 1) as Index)))
  return holds ? elements : undefined
}

export const contradiction = (): QuorateError =>
  new QuorateError(
    'E_SHARD',
    'the verifying shares of this epoch are not shares of its key: the key’s record contradicts itself',
    'do not go on from this record; verify the bundle of the epoch that it names',
  )
