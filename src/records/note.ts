import * as v from 'valibot'
import { fromBase64, toBase64 } from '../lib/bytes.ts'
import { type Codec, jsonCodec, parsed, readAs, withOlder } from './codec.ts'
import { hash, identity, instant, line } from './fields.ts'
import { packEnvelopes, unpackEnvelopes } from './packed-envelopes.ts'

/** Why a member left: one line that every terminal can show. */
export const abortReason = line(280)

const fields = {
  ceremony: hash,
  identity,
  /** Readers keep the highest and never go back. */
  counter: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  at: instant,
  phase: line(32),
  /** Blame records that prove a fault, base64. */
  evidence: v.pipe(v.array(v.string()), v.maxLength(4)),
  /** Takes its sender out of this definition, for good. */
  abort: v.nullable(abortReason),
}
const envelopes = {
  /** DSSE envelopes of approvals that this member gave or carries, base64. */
  approvals: v.pipe(v.array(v.string()), v.maxLength(48)),
  /** Envelopes of ready votes seen, base64: a vote shown to one site reaches the rest this way too. */
  votes: v.pipe(v.array(v.string()), v.maxLength(32)),
}
const noteV2 = v.strictObject({
  ...fields,
  ...envelopes,
  /**
   * Envelopes of the certificates of the message keys that signed these votes, base64: a reader may never have met a
   * voter that came back with a new key. A note of version 1 has none.
   */
  certificates: v.pipe(v.array(v.string()), v.maxLength(32)),
})
export type Note = v.InferOutput<typeof noteV2>
const LIMIT = 262_144

/** The three lists in one: base64 of packed-envelopes.ts. */
const packed = jsonCodec('note/v3', v.strictObject({ ...fields, records: v.string() }), LIMIT)
const newest: Codec<Note> = {
  type: packed.type,
  limit: packed.limit,
  encode: ({ approvals, votes, certificates, ...rest }) =>
    packed.encode({ ...rest, records: toBase64(packEnvelopes(rest.ceremony, { approvals, votes, certificates })) }),
  decode: (bytes) => {
    const { records, ...rest } = packed.decode(bytes)
    const lists = unpackEnvelopes(
      rest.ceremony,
      parsed('note', 'base64', () => fromBase64(records)),
    )
    return {
      ...rest,
      approvals: [...lists.approvals],
      votes: [...lists.votes],
      certificates: [...lists.certificates],
    }
  },
}
export const noteCodec: Codec<Note> = withOlder(
  newest,
  jsonCodec('note/v2', noteV2, LIMIT),
  readAs(jsonCodec('note/v1', v.strictObject({ ...fields, ...envelopes }), LIMIT), (old) => ({
    ...old,
    certificates: [],
  })),
)
