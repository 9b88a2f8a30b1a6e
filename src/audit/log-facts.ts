import type { Hash, Identity, KeyHex, SiteId } from '../lib/brand.ts'
import { fromHex, toHex } from '../lib/bytes.ts'
import { hashOf } from '../lib/hash.ts'
import { DecodeError } from '../records/codec.ts'
import { eventCodec, type LogEvent } from '../records/event.ts'
import { type LedgerExcerpt, ledgerExcerptCodec } from '../records/ledger-excerpt.ts'
import type { BundleReader } from './bundle.ts'
import { OrderWatch } from './event-order.ts'
import { auditKind } from './kinds/index.ts'
import { Frontier, leafHash, verifyInclusion } from './merkle.ts'
import { ceremonyOrigin, ledgerOrigin, openCheckpoint, parseCheckpoint, type TreeHead } from './note.ts'

/** The first event of one name about one object and site in a log. */
export interface Entry {
  readonly what: LogEvent['what']
  readonly seq: number
  readonly at: number
  readonly site: SiteId | null
  readonly object: Hash | null
}

/** A log as its events alone give it, before any key is known. */
export interface LogEntries {
  readonly site: SiteId
  readonly size: number
  readonly root: Hash
  /** In order; repetitions of one name about one object and site are left out. */
  readonly entries: readonly Entry[]
  readonly last: Entry | undefined
  /** The first event that stands where it may not. */
  readonly orderFault: string | undefined
  /** The log is not a list of events: it ends where it could not be read. */
  readonly readFault: string | undefined
}

export interface LogFacts extends LogEntries {
  readonly checkpoint: TreeHead | undefined
  /** Its checkpoint is signed by a key that its identity certified for logs. */
  readonly signed: boolean
}

export interface LedgerFacts {
  readonly part: LedgerExcerpt
  readonly head: TreeHead | undefined
  readonly signed: boolean
}

/** Something that logs name under a name that it does not deserve. */
export interface Fault {
  readonly what: LogEvent['what']
  readonly object: Hash
  /** Every log that names it so. */
  readonly logs: readonly SiteId[]
  readonly why: string
}

/** The message of an error that bytes from outside cause; throws any other. */
export const whyUnreadable = (error: unknown): string => {
  if (error instanceof DecodeError || error instanceof RangeError) return error.message
  throw error
}

/** undefined where the bytes are not what they should be. */
const attempt = <T>(work: () => T): T | undefined => {
  try {
    return work()
  } catch (error) {
    whyUnreadable(error)
    return undefined
  }
}

/** Nothing that all events of a log share: there may be a million of them. */
const entryOf = ({ what, seq, at, site, object }: LogEvent): Entry => ({ what, seq, at, site, object })

/** By sets of the hashes themselves, and not of longer texts. */
const isNew = (seen: Map<string, Set<Hash | null>>, { what, site, object }: LogEvent): boolean => {
  const key = `${what} ${site ?? ''}`
  const objects = seen.get(key) ?? new Set()
  if (objects.has(object)) return false
  seen.set(key, objects.add(object))
  return true
}

export const readLog = async (bundle: BundleReader, site: SiteId): Promise<LogEntries> => {
  const frontier = new Frontier()
  const watch = new OrderWatch(site, auditKind(bundle.definition).order(bundle.definition, site))
  const seen = new Map<string, Set<Hash | null>>()
  const entries: Entry[] = []
  let last: Entry | undefined
  let readFault: string | undefined
  try {
    for await (const batch of bundle.events(site))
      for (const { event, leaf } of batch) {
        frontier.append(leaf)
        watch.see(event)
        if (event.ceremony !== bundle.manifest.ceremony) watch.fault ??= `event ${event.seq}: of another ceremony`
        last = entryOf(event)
        if (isNew(seen, event)) entries.push(entryOf(event))
      }
  } catch (error) {
    readFault = whyUnreadable(error)
  }
  const root = toHex(frontier.root()) as Hash
  return { site, size: frontier.size, root, entries, last, orderFault: watch.fault, readFault }
}

/** True where one of these keys alone signed a checkpoint of that origin. */
export const isSigned = (note: Uint8Array | string, origin: string, keys: readonly KeyHex[]): boolean =>
  keys.some((key) => attempt(() => openCheckpoint(note, origin, key))?.note.signatures.length === 1)

/** True where each event is one about this ceremony, in the ledger's order, and proven to be under the head. */
export const isIncluded = (part: LedgerExcerpt, head: TreeHead, ceremony: Hash): boolean =>
  part.events.every(
    ({ event, proof }, at) =>
      event.ceremony === ceremony &&
      event.seq > (part.events[at - 1]?.event.seq ?? -1) &&
      verifyInclusion(leafHash(eventCodec.encode(event)), event.seq, head.size, head.root, proof.map(fromHex)),
  )

/** A log with its checkpoint, under the log keys of its site's identity. */
export const logFacts = async (
  bundle: BundleReader,
  log: LogEntries,
  identity: Identity,
  keys: readonly KeyHex[],
): Promise<LogFacts> => {
  const note = await bundle.checkpoint(log.site)
  const signed = isSigned(note, ceremonyOrigin(bundle.manifest.ceremony, identity), keys)
  return { ...log, checkpoint: attempt(() => parseCheckpoint(note)), signed }
}

/** The excerpt of a site's ledger, or why it does not decode. */
export const ledgerFacts = async (
  bundle: BundleReader,
  site: SiteId,
  identity: Identity,
  keys: readonly KeyHex[],
): Promise<LedgerFacts | Fault> => {
  const bytes = await bundle.ledger(site)
  try {
    const part = ledgerExcerptCodec.decode(bytes)
    const signed = isSigned(part.head, ledgerOrigin(identity), keys)
    return { part, head: attempt(() => parseCheckpoint(part.head)), signed }
  } catch (error) {
    return { what: 'log-closed', object: hashOf(bytes), logs: [site], why: whyUnreadable(error) }
  }
}
