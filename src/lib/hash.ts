import { createHash } from 'node:crypto'
import type { Hash } from './brand.ts'
import { toHex, u32, utf8 } from './bytes.ts'

export const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

export const hashOf = (bytes: Uint8Array): Hash => toHex(sha256(bytes)) as Hash

/**
 * SHA-256 of a labelled tuple. The label, the number of parts and each part's length are hashed, so no two different
 * tuples share an input (the encoding attacks collected under TSSHOCK need exactly that).
 */
export const tupleHash = (label: string, ...parts: readonly Uint8Array[]): Uint8Array => {
  const name = utf8(label)
  const hash = createHash('sha256').update(u32(name.length)).update(name).update(u32(parts.length))
  for (const part of parts) hash.update(u32(part.length)).update(part)
  return new Uint8Array(hash.digest())
}
