import { concat, u32, utf8 } from '../lib/bytes.ts'
import { sha256 } from '../lib/hash.ts'
import type { Random } from '../lib/ports.ts'

/**
 * A stream of bytes that a seed fixes, SHA-256 in counter mode. Anybody can draw it again: it is for keys that are thrown
 * away and for faults that are to happen again in the same way.
 */
export const seededRandom = (seed: string): Random => {
  const label = utf8(`quorate rehearsal v1 ${seed} `)
  let counter = 0
  return (length) => {
    const out = new Uint8Array(length)
    for (let at = 0; at < length; at += 32)
      out.set(sha256(concat(label, u32(counter++))).subarray(0, Math.min(32, length - at)), at)
    return out
  }
}
