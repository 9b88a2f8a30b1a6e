import type { Hash } from '../lib/brand.ts'
import type { LogEvent } from '../records/event.ts'

/** A signed tree head: size, root, and the signed note that says both. */
export interface Checkpoint {
  readonly size: number
  readonly root: Hash
  /** C2SP signed note, as text. */
  readonly note: string
}

/** Append-only Merkle log (RFC 6962) with bodies beside events; one class for the ledger and for ceremony logs. */
export interface Log {
  readonly origin: string
  readonly size: number
  /** Lazy: not durable before the next barrier. Returns the event's place. The body's hash must be the event's object. */
  append(event: Omit<LogEvent, 'seq'>, body?: Uint8Array): number
  /** One sync, one signed checkpoint; what was appended before is durable afterwards. */
  barrier(): Promise<Checkpoint>
  /** The last barrier's. */
  readonly head: Checkpoint | undefined
  consistency(from: number, to?: number): readonly Hash[]
  inclusion(index: number, size: number): readonly Hash[]
  root(size: number): Hash
  replay(): Iterable<LogEvent>
  body(object: Hash): Uint8Array | undefined
}
