import type { Hash } from '../../lib/brand.ts'
import { toHex } from '../../lib/bytes.ts'
import { tupleHash } from '../../lib/hash.ts'
import { readStripped, type SignedMessage } from './round-message.ts'
import { confirmRound, isEchoRound } from './round-spec.ts'

/** The order of a transcript: that of the header bytes. */
export const byHeader = (a: SignedMessage, b: SignedMessage): number => Buffer.compare(a.headerBytes, b.headerBytes)

/**
 * SHA-256 over the sorted headers of a session and of the sub-sessions that its protocol declares. Echoes and confirmations
 * only compare the rest: they are not part of what was agreed on. Throws DecodeError.
 */
export const transcriptOf = (headers: readonly Uint8Array[]): Hash => {
  const own = headers
    .map((bytes) => readStripped(bytes, new Uint8Array(64)))
    .filter(({ round }) => round !== confirmRound && !isEchoRound(round))
  return toHex(tupleHash('quorate transcript v1', ...own.sort(byHeader).map((one) => one.headerBytes))) as Hash
}
