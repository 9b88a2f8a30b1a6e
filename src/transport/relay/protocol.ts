import * as v from 'valibot'
import { fromEnvelope } from '../../identity/dsse.ts'
import { parseIdentity } from '../../identity/identity.ts'
import type { Hash, Identity, KeyHex } from '../../lib/brand.ts'
import { fromBase64 } from '../../lib/bytes.ts'
import { type Codec, jsonCodec } from '../../records/codec.ts'
import { hash, hexOf, identity, line, siteId } from '../../records/fields.ts'
import { certificateCodec } from '../../records/identity.ts'
import { decodeEnvelope } from '../../records/signed.ts'
import { type Member, membersSchema, roomName } from './room.ts'

/** Messages between a client and a relay, as text of canonical JSON; members' frames are binary. */

/** Longest note envelope: base64 of the longest note, and its frame. */
export const NOTE_LIMIT = 360_448
/** Longest text message: a note in base64 with its certificate. */
export const TEXT_LIMIT = 524_288
/** Label of the TLS exporter (RFC 5705) that ties an answer to one connection. */
export const EXPORTER_LABEL = 'EXPORTER-quorate-relay'

const challengeSchema = v.strictObject({
  relay: identity,
  /** Fresh for each connection. */
  nonce: hexOf(32, 32),
  /** True where the relay itself ends TLS: then the answer must name this connection's exporter. */
  exporter: v.boolean(),
})
export type Challenge = v.InferOutput<typeof challengeSchema>
/** Signed by the relay's identity. */
export const challengeCodec: Codec<Challenge> = jsonCodec('relay-challenge/v1', challengeSchema, 1024)

/** Throws where it is not signed by the relay that it names. */
export const openChallenge = (envelope: Uint8Array): Challenge => {
  const claimed = challengeCodec.decode(decodeEnvelope(envelope, challengeCodec.limit).payload)
  const relay = parseIdentity(claimed.relay)
  if (relay?.role !== 'relay') throw new Error('the challenge names no relay identity')
  return fromEnvelope(challengeCodec, envelope, [relay.key]).value
}

const answerSchema = v.strictObject({
  room: hash,
  relay: identity,
  nonce: hexOf(32, 32),
  exporter: v.nullable(hash),
  identity,
})
export type Answer = v.InferOutput<typeof answerSchema>
/** Signed by the member's note key. */
export const answerCodec: Codec<Answer> = jsonCodec('relay-answer/v1', answerSchema, 1024)

const base64 = (limit: number) =>
  v.pipe(
    v.string(),
    v.maxLength(Math.ceil(limit / 3) * 4, 'too long'),
    v.check((text) => {
      try {
        fromBase64(text)
        return true
      } catch {
        return false
      }
    }, 'expected base64'),
  )
const certificate = base64(8192)

const messageSchema = v.variant('what', [
  v.strictObject({ what: v.literal('challenge'), challenge: base64(4096) }),
  v.strictObject({
    what: v.literal('enter'),
    authority: hash,
    members: membersSchema,
    name: siteId,
    certificate,
    answer: base64(4096),
  }),
  v.strictObject({ what: v.literal('admitted') }),
  v.strictObject({ what: v.literal('refused'), reason: line(100) }),
  v.strictObject({ what: v.literal('post'), note: base64(NOTE_LIMIT) }),
  v.strictObject({ what: v.literal('note'), certificate, note: base64(NOTE_LIMIT) }),
])
export type RelayMessage = v.InferOutput<typeof messageSchema>
export type Enter = Extract<RelayMessage, { what: 'enter' }>
export const relayMessageCodec: Codec<RelayMessage> = jsonCodec('relay/v1', messageSchema, TEXT_LIMIT)

/** The note key in a certificate of the home's own keys; undefined where this identity did not sign it for that. */
const noteKey = (envelope: Uint8Array, member: Identity): KeyHex | undefined => {
  const parsed = parseIdentity(member)
  if (parsed === undefined) return undefined
  try {
    const { value } = fromEnvelope(certificateCodec, envelope, [parsed.key])
    const fits = value.identity === member && value.purpose === 'note'
    return fits && value.authority === null && value.expires === null ? value.key : undefined
  } catch {
    return undefined
  }
}

export interface Admission {
  readonly room: Hash
  readonly member: Member
  readonly noteKey: KeyHex
  /** Base64 of its certificate's envelope, as it came. */
  readonly certificate: string
}

/**
 * Whom `enter` admits to the room of the path that was asked for, or why nobody. Cheap checks come first; one
 * identity's key is parsed, the entering member's.
 */
export const admit = (
  enter: Enter,
  asked: { readonly room: string; readonly challenge: Challenge; readonly exporter: Hash | null },
): Admission | string => {
  const room = roomName(enter.authority, enter.members)
  if (room !== asked.room) return 'the room is not that of these members'
  const member = enter.members.find((one) => one.name === enter.name)
  if (member === undefined) return 'not a member of this room'
  if (parseIdentity(member.identity)?.role !== member.role) return 'an identity of another role'
  const key = noteKey(fromBase64(enter.certificate), member.identity)
  if (key === undefined) return 'the note key is not certified'
  try {
    const { value } = fromEnvelope(answerCodec, fromBase64(enter.answer), [key])
    const answers =
      value.room === room &&
      value.relay === asked.challenge.relay &&
      value.nonce === asked.challenge.nonce &&
      value.exporter === asked.exporter &&
      value.identity === member.identity
    return answers
      ? { room, member, noteKey: key, certificate: enter.certificate }
      : 'the answer is to another challenge'
  } catch {
    return 'the answer is not signed by the note key'
  }
}
