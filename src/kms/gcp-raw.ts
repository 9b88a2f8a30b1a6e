import { concat } from '../lib/bytes.ts'

/** A ciphertext of RawEncrypt and what RawDecrypt needs beside it. `sealed` ends in the tag. */
export interface Raw {
  readonly iv: Uint8Array
  readonly tagLength: number
  readonly sealed: Uint8Array
}

const FORMAT = 1
/** Of AES-256-GCM in Cloud KMS; lengths of others are refused, so no two encodings mean one thing. */
const [IV, TAG, MOST] = [12, 16, 4096] as const
const HEAD = 3

const isSound = ({ iv, tagLength, sealed }: Raw): boolean =>
  iv.length === IV && tagLength === TAG && sealed.length > TAG && sealed.length <= MOST

/** Format, length of the tag, length of the IV (a byte each), IV, ciphertext. Undefined where a length is another. */
export const sealRaw = (raw: Raw): Uint8Array | undefined =>
  isSound(raw) ? concat(Uint8Array.of(FORMAT, TAG, IV), raw.iv, raw.sealed) : undefined

/** Undefined for whatever `sealRaw` does not make. */
export const openRaw = (bytes: Uint8Array): Raw | undefined => {
  const [format, tagLength = 0, ivLength] = bytes
  if (format !== FORMAT || ivLength !== IV) return undefined
  const raw = { iv: bytes.subarray(HEAD, HEAD + IV), tagLength, sealed: bytes.subarray(HEAD + IV) }
  return isSound(raw) ? raw : undefined
}
