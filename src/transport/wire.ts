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
  /** Calls `act` whenever a way opens that was closed: what was lost meanwhile is worth sending again at once. */
  whenOpened?(act: () => void): void
  close(): Promise<void>
}

/** One member's note as a medium shows it; nothing in it is verified. */
export interface PostedNote {
  /** DSSE envelope of the note key's certificate: a stranger needs it to verify the note. */
  readonly certificate: Uint8Array
  /** DSSE envelope of the note. */
  readonly note: Uint8Array
}

/** Where a room's members leave their newest signed note. A medium without it is still a medium. */
export interface NoteBoard {
  /** Envelope bytes of this member's newest note; kept and sent again after every reconnect, with the note key's certificate. */
  post(note: Uint8Array): void
  /** Others' notes, the newest of each that the medium shows; may repeat and go back. One reader. */
  notes(): AsyncIterable<PostedNote>
}
