/**
 * Ports of the machine, as a site gets them. Tests bring a disk that loses what was not synced, a clock that jumps, a
 * seeded random.
 */

export interface Clock {
  /** Milliseconds since 1970, as the operator's clock says. */
  now(): number
  /** Milliseconds that never go back. */
  monotonic(): number
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** Uniform random bytes; the only source of them below `cli`. */
export type Random = (length: number) => Uint8Array

/**
 * Whole files under one home. Paths are relative, with `/`, and never leave the home (lib/paths.ts); `.` is the home
 * itself in `syncFolder` and `list`. Files are 0600, folders 0700. `remove` takes a file or an empty folder, or nothing.
 */
export interface Disk {
  /** undefined where nothing is. Throws E_FILE where what stands there is no file that a home can have, E_DISK where the disk fails. */
  read(path: string): Promise<Uint8Array | undefined>
  /** Makes a new file and syncs its bytes (not its folder); throws E_EXISTS where there is one. */
  create(path: string, bytes: Uint8Array): Promise<void>
  /** Appends to a file and makes it if absent; not durable before `sync`. */
  append(path: string, bytes: Uint8Array): Promise<void>
  sync(path: string): Promise<void>
  /** Cuts a file to `length` bytes and syncs it. */
  truncate(path: string, length: number): Promise<void>
  /** Atomic; replaces what stood there; not durable before `syncFolder` of both folders. */
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Makes a folder and its parents. */
  folder(path: string): Promise<void>
  syncFolder(path: string): Promise<void>
  /** Names in a folder, sorted; empty where there is none. */
  list(path: string): Promise<readonly string[]>
}
