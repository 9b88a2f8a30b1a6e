import { QuorateError } from '../lib/errors.ts'
import { DecodeError } from '../records/codec.ts'

/** A file of one share that does not hold what it should. Everything else in the home is as usable as before. */
export const damagedShare = (what: string, cause?: unknown): QuorateError =>
  new QuorateError(
    'E_SHARD',
    what,
    'put back the files of this share alone, from a backup; never the whole home, whose older ledger the other sites refuse. Without a backup this share is lost, and the others sign without it',
    {},
    cause,
  )

/** The share of an epoch is gone for good, and nobody is to use it any more. */
export const destroyedShare = (): QuorateError =>
  new QuorateError(
    'E_SHARD',
    'this site’s share of that epoch was replaced and destroyed',
    'use the newest epoch of the key: quorate keys show',
  )

export const notThere = (path: string): QuorateError => damagedShare(`${path} is not there`)
export const damaged = (path: string, cause?: unknown): QuorateError => damagedShare(`${path} is damaged`, cause)

/** Returns the parser's value. A file whose bytes it does not take is damaged; anything else that it throws says nothing about the file. */
export const decoded = <T>(path: string, parse: () => T): T => {
  try {
    return parse()
  } catch (error) {
    throw error instanceof DecodeError ? damaged(path, error) : error
  }
}
