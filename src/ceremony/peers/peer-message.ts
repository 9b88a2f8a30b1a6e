import * as v from 'valibot'
import { packEvents, packedLogSchema, unpackEvents } from '../../audit/packed-log.ts'
import { type Codec, cborCodec } from '../../records/codec.ts'
import { bytes, instant, siteId, whole } from '../../records/fields.ts'
import { recordNames } from '../../records/record-table.ts'

/** Messages between sites outside sessions, under the authority's topic. Everything of weight is signed within. */
const raw32 = bytes(32, 32)
const note = bytes(1, 4096)
/** In one message: an honest site says the rest in the next. */
export const MOST_HASHES = 4096
const hashes = v.pipe(v.array(raw32), v.minLength(1), v.maxLength(MOST_HASHES))
const peerMessageSchema = v.variant('is', [
  /** A signed record in its envelope (blame: its bytes). */
  v.strictObject({ is: v.literal('object'), name: v.picklist(recordNames), bytes: bytes(1, 2 ** 22) }),
  /** Records of others that I hold, by the hash of their envelopes, in an order in which each can be verified by those before it. */
  v.strictObject({ is: v.literal('have'), objects: hashes }),
  /** Those of them that I lack: each is answered by `object`, or by `gone`. */
  v.strictObject({ is: v.literal('ask'), objects: hashes }),
  v.strictObject({ is: v.literal('gone'), objects: hashes }),
  /** The last head of your ledger that I remember; empty: none. */
  v.strictObject({ is: v.literal('remember'), note: bytes(0, 4096) }),
  /** The head of my ledger that my hello names, and the proof that it extends what you remember, or lies before that. */
  v.strictObject({
    is: v.literal('ledger'),
    note,
    from: whole(0, 2 ** 40),
    proof: v.pipe(v.array(raw32), v.maxLength(128)),
  }),
  /** My closed ceremony log, its checkpoint, and the ledger's word on it. */
  v.strictObject({ is: v.literal('log'), events: packedLogSchema, checkpoint: note, ledger: bytes(1, 2 ** 22) }),
  /** My clock, as this channel opened: a hello may have waited long for it. */
  v.strictObject({ is: v.literal('clock'), at: instant }),
  v.strictObject({ is: v.literal('want'), objects: hashes }),
  v.strictObject({ is: v.literal('body'), bytes: bytes(1, 2 ** 22) }),
  /** My cosignature line over that site's closing checkpoint. */
  v.strictObject({ is: v.literal('cosignature'), of: siteId, line: bytes(1, 1024) }),
  /** My identity's signature over the manifest that both of us make of the same parts. */
  v.strictObject({ is: v.literal('manifest'), signature: bytes(64, 64) }),
])
type Sent = v.InferOutput<typeof peerMessageSchema>
type SentLog = Extract<Sent, { is: 'log' }>
/** A log's events as their text, which is what everybody but the wire works with. */
type Log = Omit<SentLog, 'events'> & { readonly events: Uint8Array }
export type PeerMessage = Exclude<Sent, SentLog> | Log

const sent = cborCodec('talk/v2', peerMessageSchema, 2 ** 23)
export const peerMessageCodec: Codec<PeerMessage> = {
  type: sent.type,
  limit: sent.limit,
  encode: (message) => sent.encode(message.is === 'log' ? { ...message, events: packEvents(message.events) } : message),
  decode: (bytes) => {
    const message = sent.decode(bytes)
    return message.is === 'log' ? { ...message, events: unpackEvents(message.events) } : message
  },
}
