import * as v from 'valibot'
import type { Hash, Index } from '../lib/brand.ts'
import { fromHex, toHex } from '../lib/bytes.ts'
import { tupleHash } from '../lib/hash.ts'
import { type Codec, jsonCodec } from './codec.ts'
import { hash, hexOf, index, siteId } from './fields.ts'
import type { RewrapDefinition } from './kinds/rewrap.ts'
import type { ProofRules } from './proofs.ts'

const rewrappedSchema = v.strictObject({
  ceremony: hash,
  attempt: hash,
  site: siteId,
  index,
  /** Hash of the new envelope, which lies beside the old one. */
  envelope: hash,
  /** Schnorr proof by the share that was opened from it through the new KMS key. */
  proof: hexOf(64, 256),
})
/** "My share lies in this envelope too, and I opened it from there." */
export type Rewrapped = v.InferOutput<typeof rewrappedSchema>
export const rewrappedCodec: Codec<Rewrapped> = jsonCodec('rewrapped/v1', rewrappedSchema)

const witnessedSchema = v.strictObject({
  ceremony: hash,
  site: siteId,
  /** Hash of the record that was checked. */
  rewrapped: hash,
  envelope: hash,
})
/** "I have checked that proof against the share that this site is known by." */
export type Witnessed = v.InferOutput<typeof witnessedSchema>
export const witnessedCodec: Codec<Witnessed> = jsonCodec('witnessed/v1', witnessedSchema)

const replacedSchema = v.strictObject({ ceremony: hash, site: siteId, envelope: hash })
/** "Enough have cosigned: from here on this envelope alone opens my share, and the old one is destroyed." */
export type Replaced = v.InferOutput<typeof replacedSchema>
export const replacedCodec: Codec<Replaced> = jsonCodec('replaced/v1', replacedSchema)

/** The bytes that a rewrap's proof is made over: it counts for this envelope, in this attempt, and for nothing else. */
export const rewrapContext = ({ ceremony, attempt, envelope }: Omit<Rewrapped, 'proof' | 'site' | 'index'>): Hash =>
  toHex(tupleHash('quorate rewrap v1', fromHex(ceremony), fromHex(attempt), fromHex(envelope))) as Hash

/** True where the proof holds for the share that the definition names. Its row has let it in, so the index is its author's. */
export const rewrapHolds = (
  value: Rewrapped,
  { of }: RewrapDefinition,
  { verifyPossession }: Pick<ProofRules, 'verifyPossession'>,
): boolean => {
  const share = of.verifyingShares[value.index - 1]
  return (
    share !== undefined &&
    verifyPossession(fromHex(share), value.index as Index, rewrapContext(value), fromHex(value.proof))
  )
}
