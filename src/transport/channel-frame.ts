import type { Hash } from '../lib/brand.ts'
import { fromHex, toHex } from '../lib/bytes.ts'
import { ID_LENGTH } from './handshake.ts'

/** Bytes of one channel frame, and of what a sealed one holds. Fixed binary, big-endian; one encoding a value. */

/** Longest frame that a channel hands to its wire. */
export const FRAME_LIMIT = 49_152
/** Data bytes of one segment: the rest of a frame is headers and tag. */
export const SEGMENT_DATA = FRAME_LIMIT - 128
/** Longest message. */
export const MESSAGE_LIMIT = 8_388_608
/** Segments after the acknowledged ones that one acknowledgement can name. */
export const ACK_BITS = 128

const KINDS = ['first', 'second', 'third', 'sealed', 'unknown'] as const
const HEADER = 1 + ID_LENGTH
const NUMBER = 6
const ACK = NUMBER + ACK_BITS / 8
const FIRST = 1
const LAST = 2

export interface ChannelFrame {
  /** Messages 1 to 3 of a handshake; a sealed packet; "I know no handshake of this id" (zeros: I have none with you). */
  readonly kind: (typeof KINDS)[number]
  /** Of the handshake, hex. */
  readonly id: string
  readonly body: Uint8Array
}

export const encodeFrame = ({ kind, id, body }: ChannelFrame): Uint8Array => {
  const out = new Uint8Array(HEADER + body.length)
  out[0] = KINDS.indexOf(kind) + 1
  out.set(fromHex(id), 1)
  out.set(body, HEADER)
  return out
}

export const decodeFrame = (bytes: Uint8Array): ChannelFrame | undefined => {
  const kind = KINDS[(bytes[0] ?? 0) - 1]
  if (kind === undefined || bytes.length < HEADER || bytes.length > FRAME_LIMIT) return undefined
  const body = bytes.subarray(HEADER)
  if (kind === 'unknown' && body.length > 0) return undefined
  return { kind, id: toHex(bytes.subarray(1, HEADER)), body }
}

/** The body of a sealed frame: its number, which is the AEAD's nonce, and the ciphertext. */
export const encodeSealed = (number: number, ciphertext: Uint8Array): Uint8Array => {
  const out = Buffer.allocUnsafe(NUMBER + ciphertext.length)
  out.writeUIntBE(number, 0, NUMBER)
  out.set(ciphertext, NUMBER)
  return new Uint8Array(out.buffer, out.byteOffset, out.length)
}

export const decodeSealed = (body: Uint8Array): { number: number; ciphertext: Uint8Array } | undefined => {
  if (body.length <= NUMBER) return undefined
  return { number: readNumber(body, 0), ciphertext: body.subarray(NUMBER) }
}

const readNumber = (bytes: Uint8Array, at: number): number =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readUIntBE(at, NUMBER)

/** A piece of one message. Segments are numbered from 0 over the whole life of two processes' link. */
export interface Segment {
  readonly number: number
  /** Set in a message's first segment. */
  readonly head: { readonly topic: Hash; readonly total: number } | undefined
  readonly last: boolean
  readonly data: Uint8Array
}

/** Segments that have come: every one below `next`, and of those after it the ones whose bit is set. */
export interface Ack {
  readonly next: number
  readonly bits: Uint8Array
}

export interface Content {
  readonly ack: Ack
  readonly segment: Segment | undefined
}

export const encodeContent = ({ ack, segment }: Content): Uint8Array => {
  const head = segment?.head === undefined ? 0 : 36
  const size = segment === undefined ? 0 : NUMBER + 1 + head + segment.data.length
  const out = Buffer.alloc(ACK + size)
  out.writeUIntBE(ack.next, 0, NUMBER)
  out.set(ack.bits, NUMBER)
  if (segment !== undefined) {
    out.writeUIntBE(segment.number, ACK, NUMBER)
    out[ACK + NUMBER] = (segment.head === undefined ? 0 : FIRST) | (segment.last ? LAST : 0)
    if (segment.head !== undefined) {
      out.set(fromHex(segment.head.topic), ACK + NUMBER + 1)
      out.writeUInt32BE(segment.head.total, ACK + NUMBER + 33)
    }
    out.set(segment.data, ACK + NUMBER + 1 + head)
  }
  return new Uint8Array(out.buffer, out.byteOffset, out.length)
}

export const decodeContent = (bytes: Uint8Array): Content | undefined => {
  if (bytes.length < ACK) return undefined
  const ack = { next: readNumber(bytes, 0), bits: bytes.slice(NUMBER, ACK) }
  if (bytes.length === ACK) return { ack, segment: undefined }
  const flags = bytes[ACK + NUMBER]
  if (flags === undefined || flags > (FIRST | LAST)) return undefined
  const number = readNumber(bytes, ACK)
  const last = (flags & LAST) !== 0
  const rest = bytes.subarray(ACK + NUMBER + 1)
  if ((flags & FIRST) === 0)
    return rest.length === 0 || rest.length > SEGMENT_DATA
      ? undefined
      : { ack, segment: { number, head: undefined, last, data: rest } }
  if (rest.length < 36 || rest.length - 36 > SEGMENT_DATA) return undefined
  const total = Buffer.from(rest.buffer, rest.byteOffset, rest.length).readUInt32BE(32)
  const data = rest.subarray(36)
  if (total > MESSAGE_LIMIT || data.length > total || last !== (data.length === total)) return undefined
  return { ack, segment: { number, head: { topic: toHex(rest.subarray(0, 32)) as Hash, total }, last, data } }
}
