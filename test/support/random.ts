import { createHash } from 'node:crypto'
import { concat } from '../../src/lib/bytes.ts'
import type { Random } from '../../src/lib/ports.ts'
import type { Scalar, ScalarField } from '../../src/mpc/group/group.ts'

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

/** Random bytes of which the first draws of a scalar give these, in order. */
export const drawing = (field: ScalarField, scalars: readonly Scalar[], seed: string): Random => {
  const rest = seededRandom(seed)
  const wanted = [...scalars]
  return (length) => {
    const next = length === field.wideBytes ? wanted.shift() : undefined
    if (next === undefined) return rest(length)
    const encoded = field.encode(next)
    const padding = new Uint8Array(length - encoded.length)
    // Little-endian on Edwards curves, big-endian elsewhere.
    return field.encode(field.fromNumber(1))[0] === 1 ? concat(encoded, padding) : concat(padding, encoded)
  }
}
