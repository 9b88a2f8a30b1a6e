import { fromHex, toBase64, utf8 } from '../lib/bytes.ts'

/** A signature's bytes as a file: raw, or one line of text. `hex` is how results hold it. */
export const inFormat = (hex: string, format: 'raw' | 'hex' | 'base64'): Uint8Array => {
  if (format === 'raw') return fromHex(hex)
  return utf8(`${format === 'hex' ? hex : toBase64(fromHex(hex))}\n`)
}
