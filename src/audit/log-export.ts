import type { Hash, SiteId } from '../lib/brand.ts'
import { utf8 } from '../lib/bytes.ts'
import { DecodeError } from '../records/codec.ts'
import { eventCodec, eventText, type LogEvent } from '../records/event.ts'
import { ledgerExcerptCodec } from '../records/ledger-excerpt.ts'
import type { LogView } from './disk-log.ts'
import { leafHash } from './merkle.ts'

/** A ceremony log as a bundle carries it. */
interface LogExport {
  /** Canonical JSON of each event and a newline, in order. */
  readonly events: Uint8Array
  /** The log's own note over exactly these events. */
  readonly checkpoint: string
}

/** One site's part of a bundle, all of it signed by its own keys. */
export interface SiteExport extends LogExport {
  /** ledgerPartCodec bytes. */
  readonly ledger: Uint8Array
}

const NEWLINE = 0x0a

/** A log up to its last barrier, as a part. Throws RangeError before the first barrier. */
export const exportLog = (log: LogView): LogExport => {
  if (log.head === undefined) throw new RangeError('a log without a barrier')
  const lines: string[] = []
  for (const event of log.replay()) {
    if (event.seq === log.head.size) break
    lines.push(eventText(event), '\n')
  }
  return { events: utf8(lines.join('')), checkpoint: log.head.note }
}

/** A ledger's head at its last barrier, and its events about one ceremony with their proofs. */
export const exportLedger = (ledger: LogView, ceremony: Hash): Uint8Array => {
  const { head } = ledger
  if (head === undefined) throw new RangeError('a ledger without a barrier')
  const events = [...ledger.replay()]
    .filter((event) => event.ceremony === ceremony && event.seq < head.size)
    .map((event) => ({ event, proof: [...ledger.inclusion(event.seq, head.size)] }))
  return ledgerExcerptCodec.encode({ head: head.note, events })
}

export interface LoggedEvent {
  readonly event: LogEvent
  /** RFC 6962 leaf hash of its bytes. */
  readonly leaf: Uint8Array
}

/**
 * The events of a part, in batches as the bytes come. Each line is the event's one encoding, and `seq` counts from 0.
 * Throws DecodeError.
 */
export async function* readEvents(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncIterable<readonly LoggedEvent[]> {
  let rest: Uint8Array = new Uint8Array()
  let next = 0
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : new Uint8Array(Buffer.concat([rest, chunk]))
    const batch: LoggedEvent[] = []
    let from = 0
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
      const line = bytes.subarray(from, end)
      const event = eventCodec.decode(line)
      if (event.seq !== next++) throw new DecodeError('log: events out of order')
      batch.push({ event, leaf: leafHash(line) })
      from = end + 1
    }
    rest = bytes.subarray(from)
    if (rest.length > eventCodec.limit) throw new DecodeError('log: a line too long')
    yield batch
  }
  if (rest.length > 0) throw new DecodeError('log: no newline at the end')
}

/** By the bytes of a part's events, which nobody writes into. */
const objects = new WeakMap<Uint8Array, ReadonlySet<Hash>>()

/** All events of a part. Throws DecodeError. */
export const readPart = async (bytes: Uint8Array): Promise<readonly LoggedEvent[]> => {
  const events: LoggedEvent[] = []
  for await (const batch of readEvents([bytes])) for (const one of batch) events.push(one)
  objects.set(bytes, new Set(events.flatMap(({ event }) => event.object ?? [])))
  return events
}

/** Hashes of the bodies that a part's events name. A part that was read is not read again. Throws DecodeError. */
export const objectsOf = async (events: Uint8Array): Promise<ReadonlySet<Hash>> => {
  if (!objects.has(events)) await readPart(events)
  return objects.get(events) ?? new Set()
}

export type SiteExports = ReadonlyMap<SiteId, SiteExport>
