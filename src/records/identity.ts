import * as v from 'valibot'
import { type Codec, jsonCodec } from './codec.ts'
import { siteEntry } from './definition-fields.ts'
import { hash, identity, instant, keyHex } from './fields.ts'

/** A site's statement of itself, signed by its identity. */
export const cardCodec: Codec<Card> = jsonCodec('card/v1', siteEntry)
export type Card = v.InferOutput<typeof siteEntry>

/** log: checkpoints. cosign: cosignatures. note: notes and relay challenges. channel: X25519. message: all else in a ceremony. */
const purposes = ['log', 'cosign', 'note', 'channel', 'message'] as const
export type Purpose = (typeof purposes)[number]

const certificateSchema = v.strictObject({
  identity,
  purpose: v.picklist(purposes),
  key: keyHex,
  /** The ceremony that a join made this key for; null for the keys made with the home. */
  authority: v.nullable(hash),
  /** After it no attempt begins under this key; what was signed stays valid. */
  expires: v.nullable(instant),
})
export type Certificate = v.InferOutput<typeof certificateSchema>
export const certificateCodec: Codec<Certificate> = jsonCodec('key-certificate/v1', certificateSchema)

const approvalSchema = v.strictObject({
  ceremony: hash,
  identity,
  /** The identity's role in this definition; an approval given in one role is none in another. */
  role: v.picklist(['site', 'approver']),
  purpose: v.literal('approve'),
  at: instant,
})
export type Approval = v.InferOutput<typeof approvalSchema>
export const approvalCodec: Codec<Approval> = jsonCodec('approval/v1', approvalSchema)
