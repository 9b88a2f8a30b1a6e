import { createHash } from 'node:crypto'
import type { Random } from '../../src/lib/ports.ts'

/** A stream of bytes that a seed fixes: SHA-256 in counter mode. */
export const seededRandom = (seed: string): Random => {
  let counter = 0
  return (length) => {
    const out = new Uint8Array(length)
    for (let at = 0; at < length; at += 32)
      out.set(
        createHash('sha256')
          .update(`${seed} ${counter++}`)
          .digest()
          .subarray(0, Math.min(32, length - at)),
        at,
      )
    return out
  }
}
