import type { SiteId } from '../lib/brand.ts'

/** One frame as it came: `from` is the medium's claim, not to be believed. */
export interface Frame {
  readonly from: SiteId
  readonly bytes: Uint8Array
}

/** Frames of one room over an untrusted medium; may lose, repeat, reorder, and invent. */
export interface Wire {
  /** Never throws and never waits: what cannot be sent is lost. */
  send(to: SiteId, frame: Uint8Array): void
  /** Ends when the wire is closed. One reader. */
  receive(): AsyncIterable<Frame>
  close(): Promise<void>
}

/** Where a room's members leave their newest signed note. A medium without it is still a medium. */
export interface NoteBoard {
  /** Envelope bytes of this member's newest note; kept and sent again after every reconnect. */
  post(note: Uint8Array): void
  /** Envelope bytes of others' notes, newest of each that the medium shows; unverified. */
  notes(): AsyncIterable<Uint8Array>
}
