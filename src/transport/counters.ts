/** Frames that were dropped, by reason, and those that were sent again. Counts only grow. */
export interface Counters {
  sent: number
  received: number
  resent: number
  duplicates: number
  old: number
  beyond: number
  unauthentic: number
  malformed: number
  unknown: number
  /** Handshakes under a static key whose certificate was not accepted. */
  refused: number
  /** Handshakes not answered because too many came. */
  limited: number
  /** Frames that claim to come from somebody who is no peer. */
  strangers: number
  handshakes: number
  /** Handshakes that only found the peer's process as it was. */
  needless: number
  replaced: number
}

export const newCounters = (): Counters => ({
  sent: 0,
  received: 0,
  resent: 0,
  duplicates: 0,
  old: 0,
  beyond: 0,
  unauthentic: 0,
  malformed: 0,
  unknown: 0,
  refused: 0,
  limited: 0,
  strangers: 0,
  handshakes: 0,
  needless: 0,
  replaced: 0,
})
