import type { SiteId } from '../lib/brand.ts'
import { utf8 } from '../lib/bytes.ts'

/**
 * Member to member through a relay: [from, to, bytes], which says all that a router needs, so that one which passes
 * every binary message to everybody on a path will do. Binary: length and name of the sender, length and name of the
 * addressee, the rest.
 */
interface Addressed {
  /** The sender's claim, or the relay's. */
  readonly from: SiteId
  readonly to: SiteId
  readonly bytes: Uint8Array
}

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/

export const encodeAddressed = ({ from, to, bytes }: Addressed): Uint8Array => {
  const out = new Uint8Array(2 + from.length + to.length + bytes.length)
  out[0] = from.length
  out.set(utf8(from), 1)
  out[1 + from.length] = to.length
  out.set(utf8(to), 2 + from.length)
  out.set(bytes, 2 + from.length + to.length)
  return out
}

/** Undefined where the names are not names. */
export const decodeAddressed = (frame: Uint8Array): Addressed | undefined => {
  const from = nameAt(frame, 0)
  if (from === undefined) return undefined
  const to = nameAt(frame, 1 + from.length)
  if (to === undefined) return undefined
  return { from, to, bytes: frame.subarray(2 + from.length + to.length) }
}

const nameAt = (frame: Uint8Array, at: number): SiteId | undefined => {
  const length = frame[at] ?? 0
  if (length > 32 || frame.length < at + 1 + length) return undefined
  const name = Buffer.from(frame.buffer, frame.byteOffset + at + 1, length).toString('latin1')
  return NAME.test(name) ? (name as SiteId) : undefined
}
