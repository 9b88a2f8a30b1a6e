import type { Hash } from '../lib/brand.ts'
import { fromUtf8, utf8 } from '../lib/bytes.ts'
import { DecodeError, parsed } from '../records/codec.ts'
import { readyCodec } from '../records/outcome.ts'
import { decodeEnvelope } from '../records/signed.ts'

const MOST_VOTES = 64

/** DSSE envelopes are canonical JSON: none holds a line end. */
export const votesText = (votes: readonly Uint8Array[]): Uint8Array =>
  utf8(votes.map((vote) => `${fromUtf8(vote)}\n`).join(''))
export const parseVotes = (bytes: Uint8Array): readonly Uint8Array[] => {
  const lines = parsed('votes', 'UTF-8', () => fromUtf8(bytes)).split('\n')
  if (lines.pop() !== '' || lines.length > MOST_VOTES || lines.some((line) => line === ''))
    throw new DecodeError('votes: not one a line')
  return lines.map(utf8)
}
/** Throws DecodeError where one is no vote for this record. Signatures are not looked at: whoever changes them can change more. */
export const refuseOtherVotes = (votes: readonly Uint8Array[], record: Hash): void => {
  if (votes.length === 0) throw new DecodeError('votes: none')
  for (const vote of votes)
    if (readyCodec.decode(decodeEnvelope(vote, readyCodec.limit).payload).record !== record)
      throw new DecodeError('votes: one is for another record')
}
