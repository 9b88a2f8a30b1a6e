import * as v from 'valibot'
import type { Hash } from '../lib/brand.ts'
import { equal, fromHex, toHex, utf8 } from '../lib/bytes.ts'
import { DecodeError } from '../records/codec.ts'
import { eventCodec, eventSchema, eventText, type LogEvent } from '../records/event.ts'
import { bytes } from '../records/fields.ts'

/**
 * Events of a log as sites send them to each other: the same events, at a fifth of their bytes. Places are counted and not
 * said, hashes are bytes, and the ceremony that nearly all of them are about is said once.
 */
const raw32 = bytes(32, 32)
const SAME = 0
const { at, what, site } = eventSchema.entries
export const packedLogSchema = v.strictObject({
  ceremony: raw32,
  /** Time, name, ceremony (0: the one above), site, object. */
  events: v.pipe(
    v.array(v.strictTuple([at, what, v.nullable(v.union([v.literal(SAME), raw32])), site, v.nullable(raw32)])),
    v.maxLength(2 ** 16),
  ),
})
type PackedLog = v.InferOutput<typeof packedLogSchema>

const NEWLINE = 0x0a
const hashIn = (raw: Uint8Array | null): Hash | null => raw && (toHex(raw) as Hash)

/** The text of a log's events, as a bundle has it. Throws DecodeError where it is not that of a log. */
export const packEvents = (text: Uint8Array): PackedLog => {
  const events: LogEvent[] = []
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf(NEWLINE, from)
    if (end === -1) throw new DecodeError('log: no newline at the end')
    const event = eventCodec.decode(text.subarray(from, end))
    if (event.seq !== events.length) throw new DecodeError('log: events out of order')
    events.push(event)
    from = end + 1
  }
  const common = events.find(({ ceremony }) => ceremony !== null)?.ceremony ?? ('00'.repeat(32) as Hash)
  const raw = (hash: Hash | null): Uint8Array | null => hash && fromHex(hash)
  return {
    ceremony: fromHex(common),
    events: events.map((one) => [
      one.at,
      one.what,
      one.ceremony === common ? SAME : raw(one.ceremony),
      one.site,
      raw(one.object),
    ]),
  }
}

/** The text of packed events. Throws DecodeError where the same text is packed otherwise. */
export const unpackEvents = (packed: PackedLog): Uint8Array => {
  const common = hashIn(packed.ceremony)
  const first = packed.events.find(([, , ceremony]) => ceremony !== null)?.[2]
  if (first === undefined ? packed.ceremony.some((byte) => byte !== 0) : first !== SAME)
    throw new DecodeError('log: its ceremony is not that of its first event')
  const lines = packed.events.map(([time, name, ceremony, author, object], seq) => {
    if (ceremony instanceof Uint8Array && equal(ceremony, packed.ceremony))
      throw new DecodeError('log: its ceremony said twice')
    const event = {
      seq,
      at: time,
      what: name,
      ceremony: ceremony === SAME ? common : hashIn(ceremony),
      site: author,
      object: hashIn(object),
    }
    return `${eventText(event)}\n`
  })
  return utf8(lines.join(''))
}
