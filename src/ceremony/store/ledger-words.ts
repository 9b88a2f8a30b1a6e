import type { LogView } from '../../audit/disk-log.ts'
import type { Hash, SiteId } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import { DecodeError } from '../../records/codec.ts'
import type { LedgerEventName, LogEvent } from '../../records/event.ts'
import { type RecordName, recordOfEvent, recordTable, rowOf } from '../../records/record-table.ts'
import { decodeEnvelope } from '../../records/signed.ts'
import { logPath } from '../paths.ts'

/** The ledger's word on a record in the ceremony log. */
interface LedgerWord {
  readonly what: LedgerEventName
  readonly object: Hash | null
}

/** `bytes`: the envelope of a record of this site. Undefined where the ledger has no word for such a record. */
export const ledgerWord = (name: RecordName, bytes: Uint8Array): LedgerWord | undefined => {
  const { ledger, codec } = rowOf(name)
  const what = recordTable[name].ledger?.what
  if (ledger === null || what === undefined) return undefined
  const { payload } = decodeEnvelope(bytes, codec.limit)
  return { what, object: ledger.object(codec.decode(payload), hashOf(payload)) }
}

const wordIn = (name: RecordName, bytes: Uint8Array): LedgerWord | undefined => {
  try {
    return ledgerWord(name, bytes)
  } catch (error) {
    // A record in its own log that does not decode binds nobody.
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** All words that the ledger has, or is to have, on what this site's own log says of one ceremony. */
export function* ledgerWords(log: LogView, self: SiteId): Generator<LedgerWord> {
  if (log.size > 0) yield { what: 'log-opened', object: null }
  for (const { what, site, object } of log.replay()) {
    // An attempt is signed before its signature stands in the log.
    if (what === 'attempt') yield { what: 'attempt-signed', object }
    const name = site === self ? recordOfEvent.get(what) : undefined
    const body = name === undefined || object === null ? undefined : log.body(object)
    const word = name === undefined || body === undefined ? undefined : wordIn(name, body)
    if (word !== undefined) yield word
  }
}

/** Words that the log says first: a crash leaves the ledger behind the log, never before it. An abort may have no log. */
const FROM_LOG: readonly LedgerEventName[] = [
  'log-opened',
  'attempt-signed',
  'staged',
  'fenced',
  'ready',
  'installed',
  'retired',
  'result',
  'released',
  'readmitted',
  'rebound',
  'rewrapped',
  'witnessed',
  'replaced',
]

const text = ({ what, object }: Pick<LogEvent, 'what' | 'object'>): string => `${what} ${object}`

/** Throws E_LOG where the ledger remembers what this ceremony's log does not show: the log is missing, cut or another one. */
export const refuseLostLog = (ledger: Pick<LogView, 'replay'>, ceremony: Hash, log: LogView, self: SiteId): void => {
  const shown = new Set([...ledgerWords(log, self)].map(text))
  const lost = [...ledger.replay()].find(
    (event) => event.ceremony === ceremony && FROM_LOG.some((what) => what === event.what) && !shown.has(text(event)),
  )
  if (lost === undefined) return
  throw new QuorateError(
    'E_LOG',
    `the log ${logPath(ceremony)} lacks what this home’s ledger says of it (${lost.what})`,
    'keep this home as it is. This site says nothing more in this ceremony, and the others keep what was made; for anything else plan a new definition',
  )
}
