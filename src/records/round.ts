import * as v from 'valibot'
import { type Codec, cborCodec, jsonCodec } from './codec.ts'
import { bytes, hash, index, line, party, siteId, whole } from './fields.ts'

/** 32 raw bytes: session ids, payload hashes and keys, as CBOR carries them. */
const raw32 = bytes(32, 32)
const signature = bytes(64, 64)
const roundName = v.custom<string>(
  (x) => typeof x === 'string' && /^[a-z0-9:-]{1,64}$/.test(x),
  'expected a round name',
)

/** The header that a message key signs for each protocol message; `to` is 0 in a broadcast. */
const headerSchema = v.strictTuple([line(64), raw32, roundName, party, whole(0, 255), whole(0, 2 ** 31), raw32])
/** protocol, session, round, from, to, length, H(payload) (salted in private ones). */
export type RoundHeader = v.InferOutput<typeof headerSchema>
export const headerCodec: Codec<RoundHeader> = cborCodec('round-header/v1', headerSchema, 512)

/** header bytes, signature, payload, salt (empty in a broadcast). */
const messageSchema = v.strictTuple([bytes(1, 512), signature, bytes(0, 2 ** 20), bytes(0, 32)])
type RoundMessage = v.InferOutput<typeof messageSchema>
export const messageCodec: Codec<RoundMessage> = cborCodec('round-message/v1', messageSchema, 2 ** 20 + 1024)

/**
 * A broadcast round as one site received it, own message included, in party order: header bytes and its sender's
 * signature.
 */
const echoSchema = v.pipe(v.array(v.strictTuple([bytes(1, 512), signature])), v.maxLength(255))
export type EchoVector = v.InferOutput<typeof echoSchema>
export const echoCodec: Codec<EchoVector> = cborCodec('echo-vector/v1', echoSchema, 2 ** 18)

/**
 * A claim that one participant broke a named check, and the signed messages that show it. Strings are base64 of
 * RoundMessage bytes; of a check over records outside rounds, of certificates, DSSE envelopes and what else that check
 * says. A private message of the accused is opened here, and only after its check failed.
 */
const blameSchema = v.strictObject({
  ceremony: hash,
  /** Of a claim that no attempt is needed for: the ceremony's. */
  attempt: hash,
  /** The session in which it happened: the attempt's id, or a sub-session's. */
  session: hash,
  protocol: line(64),
  /** Label and members (indices) of the sub-session; null in the attempt's own session. */
  within: v.nullable(v.strictObject({ label: line(160), members: v.pipe(v.array(index), v.maxLength(32)) })),
  accused: siteId,
  party,
  accuser: siteId,
  check: line(64),
  /** A staged outcome of 32 sites takes 101: three broadcasts of each, two echoes, a certificate, an envelope. Half is room for rounds to come. */
  messages: v.pipe(v.array(v.string()), v.maxLength(256)),
})
export type Blame = v.InferOutput<typeof blameSchema>
export const blameCodec: Codec<Blame> = jsonCodec('blame/v1', blameSchema, 2 ** 22)

/**
 * Answer of `judge`. A claim's own messages never change, so `refuted` is final: they prove no such fault. `undecidable`:
 * a fact of the ceremony that the claim rests on is not here (an attempt, a record, the message to be signed). More facts
 * turn it into one of the other two, and never turn these.
 */
export type Verdict = 'proven' | 'refuted' | 'undecidable'
