import type { Hash, Index } from '../lib/brand.ts'
import { concat, fromHex, utf8 } from '../lib/bytes.ts'

/**
 * The message of a record's test signatures: the byte 0xff, a fixed text and the record's hash. No chain decodes it as
 * a transaction: 0xff opens none (as a Solana message version it is set aside for off-chain text), and its length is
 * that of no transaction digest.
 */
export const testSignatureMessage = (record: Hash): Uint8Array =>
  concat(Uint8Array.of(0xff), utf8('quorate test signature v1\n'), fromHex(record))

/** Signer sets that cover every site: ⌈n/t⌉ of t in index order, the last one being the last t. */
export const testSignerSets = (n: number, t: number): readonly (readonly Index[])[] =>
  Array.from({ length: Math.ceil(n / t) }, (_, set) => {
    const first = Math.min(set * t, n - t) + 1
    return Array.from({ length: t }, (__, at) => (first + at) as Index)
  })
