import * as v from 'valibot'
import { type Codec, cborCodec, jsonCodec } from './codec.ts'
import { protocolIds } from './definition-fields.ts'
import { base64, bytes, hash, index, label, siteId } from './fields.ts'

/** Most bytes of a share that is sealed to one recipient, in any form that a recipient may have. */
const MOST_SEALED = 8192

const schema = v.strictObject({
  ceremony: hash,
  attempt: hash,
  site: siteId,
  index,
  /** Its share, sealed to each recipient of the definition, in their order. */
  sealed: v.pipe(v.array(base64(MOST_SEALED)), v.minLength(1), v.maxLength(8)),
})
/** A site's share as it gives it to those who get the whole key. Nobody else can tell what is in it. */
export type Release = v.InferOutput<typeof schema>
export const releaseCodec: Codec<Release> = jsonCodec('release/v1', schema, 131_072)

const givenSchema = v.strictObject({
  ceremony: hash,
  attempt: hash,
  key: hash,
  base: hash,
  protocol: v.picklist(protocolIds, 'expected a protocol'),
  site: siteId,
  index,
  recipient: label,
  /** Encoded scalar. */
  share: bytes(32, 57),
})
/** The bytes that are sealed: a share, and all that it is given for, so that no piece passes for another. */
export type ReleasedShare = v.InferOutput<typeof givenSchema>
/** Deterministic CBOR, whose buffers can be wiped. */
export const releasedShareCodec: Codec<ReleasedShare> = cborCodec('released-share/v1', givenSchema, 2048)
