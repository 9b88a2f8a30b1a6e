import * as v from 'valibot'
import { fromEnvelope } from '../identity/dsse.ts'
import { parseIdentity } from '../identity/identity.ts'
import type { Identity } from '../lib/brand.ts'
import { fromBase64, fromUtf8, utf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { DecodeError } from '../records/codec.ts'
import { time } from '../records/fields.ts'
import { cardCodec } from '../records/identity.ts'

/** Whom somebody trusts, and since when no longer. */
export interface Trust {
  /** Milliseconds since 1970 of the revocation; null while trusted; undefined for strangers. */
  revoked(identity: Identity): number | null | undefined
  readonly size: number
}

const MOST_BYTES = 2 ** 20
const LINE = /^(\S+)(?: +revoked +(\S+))?(?: +#.*)?$/

const bad = (line: number, what: string): QuorateError =>
  new QuorateError(
    'E_TRUST_FILE',
    `line ${line} of the trust file ${what}`,
    'one identity (qsite1…, qapprover1…) or one card a line, then `revoked 2026-12-01T09:00:00Z` where it was; # begins a comment',
  )

/** The identity that a card is of; undefined where it is not one, signed by itself. */
const cardIdentity = (envelope: Uint8Array): Identity | undefined => {
  try {
    const { payload } = JSON.parse(fromUtf8(envelope)) as { payload: string }
    const { identity } = cardCodec.decode(fromBase64(payload))
    const signer = parseIdentity(identity)
    return signer && fromEnvelope(cardCodec, envelope, [signer.key]).value.identity
  } catch (error) {
    if (error instanceof DecodeError || error instanceof SyntaxError || error instanceof TypeError) return undefined
    if (error instanceof RangeError) return undefined
    throw error
  }
}

const readIdentity = (word: string): Identity | undefined => {
  if (word.startsWith('{')) return cardIdentity(utf8(word))
  return parseIdentity(word) === undefined ? undefined : (word as Identity)
}

/** Throws E_TRUST_FILE naming the line. A line that stands twice counts with its earliest revocation. */
export const parseTrust = (file: string): Trust => {
  if (file.length > MOST_BYTES) throw bad(1, 'is beyond a megabyte of text')
  const known = new Map<Identity, number | null>()
  for (const [at, raw] of file.split(/\r?\n/).entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const [, word, revokedAt] = LINE.exec(line) ?? []
    const identity = word === undefined ? undefined : readIdentity(word)
    if (identity === undefined) throw bad(at + 1, 'is neither an identity nor a card')
    if (revokedAt !== undefined && !v.is(time, revokedAt))
      throw bad(at + 1, 'has a time that is not like 2026-12-01T09:00:00Z')
    const revoked = revokedAt === undefined ? null : Date.parse(revokedAt)
    const before = known.get(identity)
    if (before === undefined || before === null) known.set(identity, revoked ?? before ?? null)
    else if (revoked !== null && revoked < before) known.set(identity, revoked)
  }
  return { revoked: (identity) => known.get(identity), size: known.size }
}
