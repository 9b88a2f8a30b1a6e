import type { Random } from '../../lib/ports.ts'

/** An object as the store holds it; `tag` names exactly these bytes there (etag, generation). */
export interface StoredObject {
  readonly bytes: Uint8Array
  readonly tag: string
}

/**
 * One place for small objects, at most OBJECT_LIMIT bytes each. A name is parts of a-z, 0-9, - and . with / between
 * (name.ts), and no object has the name of a folder of others: some servers keep them as files. Each call throws E_STORE where the store refuses, does not answer, or answers wrongly (fault.ts); after an
 * error of a write the object may be there or not.
 */
export interface Store {
  readonly uri: string
  /** Create-only: false where something has that name already, and it stays as it is. Durable when it resolves. */
  create(name: string, bytes: Uint8Array): Promise<boolean>
  /** Compare-and-swap: false where the object is another one than `tag` names, or gone. */
  replace(name: string, bytes: Uint8Array, tag: string): Promise<boolean>
  /** undefined: not there. The store's own checksum is verified; no more bytes are read than an object may have. */
  read(name: string): Promise<StoredObject | undefined>
  /**
   * All versions of it, as far as the store shows and lets go of them. `kept`: some stay, since they are locked, or may be
   * there and may not be listed or deleted.
   */
  remove(name: string): Promise<'gone' | 'kept'>
  /** The names below a prefix, which is whole parts, or below nothing: all of them, in order, at most LIST_LIMIT. */
  list(prefix: string): Promise<readonly string[]>
}

/** Parts of the machine that a store may need. */
export interface StoreContext {
  /** Marks of single writes: by them a write whose answer was lost is known again. */
  readonly random: Random
  /** For credentials and endpoints that no SDK looks for itself. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** How long one call may take, its repetitions included, in milliseconds; else STORE_DEADLINE. */
  readonly deadline?: number
}

export const STORE_DEADLINE = 20_000
/** Of an object's bytes. */
export const OBJECT_LIMIT = 65_536
/** Of names that one list gives. */
export const LIST_LIMIT = 10_000
