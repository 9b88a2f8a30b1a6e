import type { RawSigner } from '../identity/ed25519.ts'
import type { Hash, KeyHex } from '../lib/brand.ts'
import { fromUtf8, toHex, utf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { hashOf } from '../lib/hash.ts'
import type { Disk } from '../lib/ports.ts'
import { eventCodec, type LogEvent } from '../records/event.ts'
import type { Checkpoint, Log } from './log.ts'
import { encodeRecord, type FileRecord, header, PAYLOAD_LIMIT, recordAt, recordsAfter } from './log-file.ts'
import { leafHash, Tree } from './merkle.ts'
import { openCheckpoint, signCheckpoint } from './note.ts'

/** The part of a log that can be read without its key. */
export type LogView = Omit<Log, 'append' | 'barrier'>

interface Contents {
  readonly events: LogEvent[]
  readonly bodies: Map<Hash, Uint8Array>
  readonly tree: Tree
  readonly head: Checkpoint | undefined
  /** Bytes of the file up to the end of the last barrier. */
  readonly length: number
}

/** To be done with a home whose ledger or log is lost. */
export const KEEP_HOME =
  'keep this home as it is and tell the other sites: what this site promised stands in their logs and bundles'

const damaged = (path: string, what: string): QuorateError =>
  new QuorateError('E_LOG', `the log ${path} is damaged before its last barrier: ${what}`, KEEP_HOME)

/** Throws E_LOG where something else stands in the place of the file. */
const fileOf = async ({ disk, path }: Place): Promise<Uint8Array | undefined> => {
  try {
    return await disk.read(path)
  } catch (error) {
    if (!(error instanceof QuorateError) || error.code !== 'E_FILE') throw error
    throw new QuorateError('E_LOG', `the log ${path} is lost: ${error.message}`, KEEP_HOME, {}, error)
  }
}

const openBarrier = (payload: Uint8Array, origin: string, key: KeyHex): Checkpoint | undefined => {
  try {
    const { size, root } = openCheckpoint(payload, origin, key)
    return { size, root: toHex(root) as Hash, note: fromUtf8(payload) }
  } catch {
    return undefined
  }
}

const decodeEvent = (path: string, payload: Uint8Array): LogEvent => {
  try {
    return eventCodec.decode(payload)
  } catch {
    throw damaged(path, 'a whole record holds no event')
  }
}

/** Whole records from the start of the file, and the offset where they end. */
const wholeRecords = (file: Uint8Array): { readonly records: readonly FileRecord[]; readonly end: number } => {
  const records: FileRecord[] = []
  if (!header.every((byte, i) => file[i] === byte)) return { records, end: 0 }
  let end = header.length
  for (let record = recordAt(file, end); record !== undefined; record = recordAt(file, end)) {
    records.push(record)
    end = record.end
  }
  return { records, end }
}

/**
 * Reads a log file up to its last barrier. Everything after it was promised to nobody and is dropped: a
 * write that a crash cut short, or whole events whose barrier did not make it. So a log always comes back exactly as
 * some barrier left it. Bytes that are damaged *before* a barrier which this key signed are no torn tail: E_LOG.
 * (Damage to the very last barrier itself cannot be told from a torn tail; the peers' memory of the ledger head can.)
 */
const recover = (path: string, file: Uint8Array, origin: string, key: KeyHex): Contents => {
  const { records, end } = wholeRecords(file)
  const events: LogEvent[] = []
  const bodies = new Map<Hash, Uint8Array>()
  const tree = new Tree()
  let head: Checkpoint | undefined
  let length = 0
  for (const { kind, payload, end: after } of records.slice(
    0,
    records.findLastIndex((r) => r.kind === 'barrier') + 1,
  )) {
    if (kind === 'body') bodies.set(hashOf(payload), new Uint8Array(payload))
    else if (kind === 'event') {
      const event = decodeEvent(path, payload)
      if (event.seq !== events.length) throw damaged(path, `event ${event.seq} stands at ${events.length}`)
      events.push(event)
      tree.append(leafHash(payload))
    } else {
      head = openBarrier(payload, origin, key)
      if (head === undefined) throw damaged(path, 'a checkpoint is not signed by this log’s key')
      if (head.size !== events.length || head.root !== toHex(tree.root()))
        throw damaged(path, `its events are not those of the checkpoint of size ${head.size}`)
      length = after
    }
  }
  for (const later of recordsAfter('barrier', file, end, utf8(`${origin}\n`))) {
    const lost = openBarrier(later.payload, origin, key)
    // A body may hold an old checkpoint of this log that a peer sent back: only one that reaches further tells of loss.
    if (lost !== undefined && lost.size > (head?.size ?? -1))
      throw damaged(path, `bytes from ${end} on are not records`)
  }
  return { events, bodies, tree, head, length }
}

/** Heads of the log `origin` that stand in the file of another one. Nothing else of that file is looked at. */
export function* headsIn(file: Uint8Array, origin: string, key: KeyHex): Iterable<Omit<Checkpoint, 'note'>> {
  for (const { payload } of recordsAfter('body', file, 0, utf8(`${origin}\n`))) {
    const head = openBarrier(payload, origin, key)
    if (head !== undefined) yield head
  }
}

class ReadLog implements LogView {
  readonly origin: string
  protected readonly events: LogEvent[]
  protected readonly bodies: Map<Hash, Uint8Array>
  protected readonly tree: Tree
  protected last: Checkpoint | undefined

  constructor(origin: string, contents: Contents) {
    this.origin = origin
    this.events = contents.events
    this.bodies = contents.bodies
    this.tree = contents.tree
    this.last = contents.head
  }

  get size(): number {
    return this.events.length
  }

  get head(): Checkpoint | undefined {
    return this.last
  }

  consistency(from: number, to?: number): readonly Hash[] {
    return this.tree.consistency(from, to).map((one) => toHex(one) as Hash)
  }

  inclusion(index: number, size: number): readonly Hash[] {
    return this.tree.inclusion(index, size).map((one) => toHex(one) as Hash)
  }

  root(size: number): Hash {
    return toHex(this.tree.root(size)) as Hash
  }

  replay(): Iterable<LogEvent> {
    return this.events.values()
  }

  body(object: Hash): Uint8Array | undefined {
    return this.bodies.get(object)
  }
}

interface Place {
  readonly disk: Disk
  /** The file, relative to the disk's root. */
  readonly path: string
  readonly origin: string
}

/** A log as its last barrier left it, for those who only look: nothing is cut, synced or written. Throws E_LOG. */
export const readLog = async (place: Place & { readonly key: KeyHex }): Promise<LogView> => {
  const file = (await fileOf(place)) ?? new Uint8Array()
  return new ReadLog(place.origin, recover(place.path, file, place.origin, place.key))
}

/** The folders of a file, innermost first, to the disk's root. */
const foldersOf = (path: string): readonly string[] => {
  const segments = path.split('/').slice(0, -1)
  return [...segments.map((_, i) => segments.slice(0, segments.length - i).join('/')), '.']
}

class DiskLog extends ReadLog implements Log {
  readonly #place: Place
  readonly #signer: RawSigner
  #length: number
  #inFolder: boolean
  #pending: Uint8Array[] = []
  #broken: unknown
  #turn: Promise<unknown> = Promise.resolve()

  constructor(place: Place, signer: RawSigner, contents: Contents, inFolder: boolean) {
    super(place.origin, contents)
    this.#place = place
    this.#signer = signer
    this.#length = contents.length
    this.#inFolder = inFolder
  }

  append(event: Omit<LogEvent, 'seq'>, body?: Uint8Array): number {
    if (this.#broken !== undefined) throw this.#broken
    const seq = this.events.length
    const bytes = eventCodec.encode({ ...event, seq })
    if (body !== undefined) {
      if (body.length > PAYLOAD_LIMIT) throw new RangeError('body over the limit of a log')
      const object = hashOf(body)
      if (object !== event.object) throw new RangeError('body is not the event’s object')
      if (!this.bodies.has(object)) {
        this.bodies.set(object, new Uint8Array(body))
        this.#pending.push(encodeRecord('body', body))
      }
    }
    this.events.push({ ...event, seq })
    this.tree.append(leafHash(bytes))
    this.#pending.push(encodeRecord('event', bytes))
    return seq
  }

  barrier(): Promise<Checkpoint> {
    const done = this.#turn.then(() => this.#write())
    this.#turn = done.catch(() => undefined)
    return done
  }

  async #write(): Promise<Checkpoint> {
    if (this.#broken !== undefined) throw this.#broken
    if (this.#pending.length === 0 && this.last !== undefined) return this.last
    const { disk, path, origin } = this.#place
    const size = this.events.length
    const root = this.tree.root()
    const note = signCheckpoint({ origin, size, root }, this.#signer)
    const start = this.#length === 0 ? [header] : []
    // Not by spreading into a call: there may be more records than a call takes arguments.
    const bytes = new Uint8Array(Buffer.concat([...start, ...this.#pending, encodeRecord('barrier', utf8(note))]))
    this.#pending = []
    try {
      await disk.append(path, bytes)
      await disk.sync(path)
      if (!this.#inFolder) for (const folder of foldersOf(path)) await disk.syncFolder(folder)
    } catch (error) {
      this.#broken = error
      // After a failed sync the kernel may show bytes that are not on the disk: leave none of them.
      await disk.truncate(path, this.#length).catch(() => undefined)
      throw error
    }
    this.#inFolder = true
    this.#length += bytes.length
    this.last = { size, root: toHex(root) as Hash, note }
    return this.last
  }
}

/**
 * Opens the log at `path` for its one writer, or begins one; its first barrier makes the file. Every barrier is one
 * append and one sync, of the bodies and events since the one before it and the signed checkpoint over all. Throws
 * E_LOG (damage before the last barrier) and E_DISK. A barrier that throws has promised nothing; the log then refuses
 * further work until it is opened again, and comes back as it was at the barrier before or, where the disk could not
 * even undo the write, as this barrier would have left it.
 */
export const openLog = async (
  place: Place & {
    readonly signer: RawSigner
    /** Called before a byte of the file is changed; what it throws ends the opening. */
    readonly mayOpen?: (log: LogView) => Promise<void>
  },
): Promise<Log> => {
  const { disk, path, origin, signer } = place
  const file = await fileOf(place)
  const contents = recover(path, file ?? new Uint8Array(), origin, signer.key)
  await place.mayOpen?.(new ReadLog(origin, contents))
  const [folder = '.'] = foldersOf(path)
  if (file === undefined) {
    if (folder !== '.') await disk.folder(folder)
  } else {
    // Bytes that a killed process wrote may be seen and yet not be durable; nobody may act on it before it is.
    if (file.length > contents.length) await disk.truncate(path, contents.length)
    else await disk.sync(path)
    for (const each of foldersOf(path)) await disk.syncFolder(each)
  }
  return new DiskLog(place, signer, contents, file !== undefined)
}
