import * as v from 'valibot'
import { hash, hexOf, siteId, sorted, whole } from '../fields.ts'

/** The fields of every definition that replaces an epoch of a key. */
export const epochFields = {
  /** The key: hash of its keygen outcome. */
  key: hash,
  /** The record whose shares are replaced; nothing newer may be there. */
  base: hash,
  /** Number of the epoch that is made; that of the keygen is 1. */
  epoch: whole(2, 1_000_000),
  /** Records of this key that some site voted for and that never came true there: the one that is made replaces them too. */
  supersedes: sorted(hash, 32),
}

/** In the curve's own encoding. */
export const point = hexOf(32, 64)

export const siteNames = v.pipe(
  v.array(siteId),
  v.minLength(2, 'expected two sites or more'),
  v.maxLength(32, 'expected at most 32 sites'),
)
