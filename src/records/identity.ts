import * as v from 'valibot'
import { type Codec, jsonCodec, readAs, withOlder } from './codec.ts'
import { siteEntry } from './definition-fields.ts'
import { hash, identity, instant, keyHex, line } from './fields.ts'

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

/** Why a member left: one line that every terminal can show. */
export const abortReason = line(280)

const noteFields = {
  ceremony: hash,
  identity,
  /** Readers keep the highest and never go back. */
  counter: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  at: instant,
  phase: line(32),
  /** DSSE envelopes of approvals that this member gave or carries, base64. */
  approvals: v.pipe(v.array(v.string()), v.maxLength(48)),
  /** Envelopes of ready votes seen, base64: a vote shown to one site reaches the rest this way too. */
  votes: v.pipe(v.array(v.string()), v.maxLength(32)),
  /** Blame records that prove a fault, base64. */
  evidence: v.pipe(v.array(v.string()), v.maxLength(4)),
  /** Takes its sender out of this definition, for good. */
  abort: v.nullable(abortReason),
}
const noteSchema = v.strictObject({
  ...noteFields,
  /**
   * Envelopes of the certificates of the message keys that signed these votes, base64: a reader may never have met a
   * voter that came back with a new key. A note of version 1 has none.
   */
  certificates: v.pipe(v.array(v.string()), v.maxLength(32)),
})
export type Note = v.InferOutput<typeof noteSchema>
const NOTE_LIMIT = 262_144
export const noteCodec: Codec<Note> = withOlder(
  jsonCodec('note/v2', noteSchema, NOTE_LIMIT),
  readAs(jsonCodec('note/v1', v.strictObject(noteFields), NOTE_LIMIT), (old) => ({ ...old, certificates: [] })),
)
