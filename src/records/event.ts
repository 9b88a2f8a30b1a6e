import * as v from 'valibot'
import { type Codec, jsonCodec } from './codec.ts'
import { hash, instant, siteId, whole } from './fields.ts'
import { type RecordName, recordNames, recordTable } from './record-table.ts'

/** Events of a ceremony log besides the signed records of the record table. */
const ownEvents = [
  'opened', // first: object = the ledger's checkpoint note
  'joined', // a process began; object = its message-key certificate
  'definition',
  'peer-ledger', // object = the head that a peer proved; site = whose
  'first-contact', // the same where nothing was remembered
  'attempt', // this site signs an attempt; object = its bytes
  'started', // all signatures held
  'message', // object = round message or, of private ones, header and signature only
  'failed', // the attempt ended without an outcome
  'outcome',
  'record',
  'ready-set', // all votes are here
  'reconstructed', // this site gave its share of the key before; object = the definition by which it did
  'readmission', // a site of the key was taken back before; object = the definition by which it was
  'closing', // last
] as const
/** Events of a ledger besides those records. */
const ownLedgerEvents = [
  'created',
  'approved',
  'withdrawn',
  'suspended', // object = suspension.ts
  'resumed',
  'log-opened',
  'peer-ledger',
  'peer-readmitted', // object = peer-chain of readmission.ts; site = whose
  'log-closed', // object = the closing checkpoint's root
] as const

type Row = (typeof recordTable)[RecordName]
/** Everything that a ceremony log can say. The body named by `object`, where there is one, lies beside the log by its hash. */
export type CeremonyEventName = (typeof ownEvents)[number] | Row['event']
export type LedgerEventName = (typeof ownLedgerEvents)[number] | NonNullable<Row['ledger']>['what']

const ceremonyEvents: readonly CeremonyEventName[] = [
  ...ownEvents,
  ...recordNames.map((name) => recordTable[name].event),
]
const ledgerEvents: readonly LedgerEventName[] = [
  ...ownLedgerEvents,
  ...recordNames.flatMap((name) => recordTable[name].ledger?.what ?? []),
]

export const eventSchema = v.strictObject({
  /** Place in the log, from 0. */
  seq: whole(0, 2 ** 40),
  at: instant,
  what: v.picklist([...new Set([...ceremonyEvents, ...ledgerEvents])], 'expected the name of an event'),
  ceremony: v.nullable(hash),
  /** Whom it concerns, where that is not the log's own site. */
  site: v.nullable(siteId),
  object: v.nullable(hash),
})
export type LogEvent = v.InferOutput<typeof eventSchema>
const TYPE = 'event/v1'
export const eventCodec: Codec<LogEvent> = jsonCodec(TYPE, eventSchema, 1024)

/**
 * The text that `eventCodec` writes, of an event that is known to fit its schema: a log is sent, exported and taken in at
 * once, and may hold tens of thousands. The names stand in the order of RFC 8785, and no value needs its rules.
 */
export const eventText = ({ at, ceremony, object, seq, site, what }: LogEvent): string =>
  JSON.stringify({ at, ceremony, object, seq, site, type: TYPE, what })
