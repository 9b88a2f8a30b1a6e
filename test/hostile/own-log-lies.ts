import { readEvents } from '../../src/audit/log-export.ts'
import { Frontier, leafHash } from '../../src/audit/merkle.ts'
import { ceremonyOrigin, ledgerOrigin, signCheckpoint } from '../../src/audit/note.ts'
import type { CloseMessage } from '../../src/ceremony/peers/close-messages.ts'
import { signMessage } from '../../src/ceremony/session/round-message.ts'
import type { Ceremony } from '../../src/ceremony/store/ceremony.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import type { RawSigner } from '../../src/identity/ed25519.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { concat, fromUtf8, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Codec } from '../../src/records/codec.ts'
import { eventCodec, type LogEvent } from '../../src/records/event.ts'
import { ledgerExcerptCodec } from '../../src/records/ledger-excerpt.ts'
import { recordNames, recordTable, rowOf } from '../../src/records/record-table.ts'
import { blameCodec } from '../../src/records/round.ts'
import { decodeEnvelope, pae, payloadType } from '../../src/records/signed.ts'
import { loadCorpus } from '../fuzz/corpus.ts'

/**
 * What a site that took part honestly may write into its own log at the end: every event is its own claim, signed by its
 * log key, and every body that it names may be anything.
 */

type Event = Omit<LogEvent, 'seq'>

/** A liar's own log, open for editing. */
export interface OwnLog {
  readonly ceremony: Ceremony
  readonly events: Event[]
  /** The site that is lied about, where a lie is about one. */
  readonly other: SiteId
  put(bytes: Uint8Array): Hash
  body(object: Hash | null): Uint8Array
  sign(codec: Codec<unknown>, value: unknown, key?: RawSigner): Hash
  add(event: Partial<Event> & Pick<Event, 'what'>, before?: LogEvent['what']): void
}

export interface LogLie {
  /** The check of `audit verify` that it is aimed at. */
  readonly check: string
  readonly does: string
  /** Nothing that a stranger could call a contradiction: an open point, or nothing. */
  readonly harmless?: true
  readonly edit?: (log: OwnLog) => void
  /** What it makes of its whole ending after that. */
  readonly ending?: (log: OwnLog, message: Extract<CloseMessage, { is: 'log' }>) => Extract<CloseMessage, { is: 'log' }>
}

const other = hashOf(utf8('something else'))
const corpus = await loadCorpus()

const drop = (log: OwnLog, isIt: (event: Event) => boolean): void => {
  for (let at = log.events.length - 1; at >= 0; at--) if (isIt(log.events[at] as Event)) log.events.splice(at, 1)
}

const own = (log: OwnLog, what: LogEvent['what']): Event | undefined =>
  log.events.find((event) => event.what === what && (event.site === null || event.site === log.ceremony.seat.name))

const flipped = (text: string): string => `${text[0] === '0' ? '1' : '0'}${text.slice(1)}`

/** One field of a record changed, as far as its schema takes it. */
const alterations = (value: Record<string, unknown>): readonly (readonly [string, Record<string, unknown>])[] =>
  Object.entries(value).flatMap(([field, was]) => {
    if (typeof was === 'number') return [[field, { ...value, [field]: was + 1 }] as const]
    if (typeof was === 'string' && /^[0-9a-f]{32,}$/.test(was))
      return [[field, { ...value, [field]: flipped(was) }] as const]
    if (typeof was === 'boolean') return [[field, { ...value, [field]: !was }] as const]
    if (was === null) return [[field, { ...value, [field]: other }] as const]
    return []
  })

/** Every record of its own that a message key signs, each field of it changed in turn, beside the true one. */
const recordLies: readonly LogLie[] = recordNames
  .filter((name) => recordTable[name].signedBy === 'message')
  .flatMap((name) => {
    const { codec, event, reported } = { ...rowOf(name), event: recordTable[name].event }
    const lie = (field: string): LogLie => ({
      check: reported,
      does: `logs a second ${name} with another ${field}`,
      harmless: true,
      edit: (log) => {
        const told = own(log, event)
        if (told === undefined) return
        const value = codec.decode(decodeEnvelope(log.body(told.object), codec.limit).payload)
        const change = alterations(value as Record<string, unknown>).find(([one]) => one === field)?.[1]
        if (change === undefined) return
        try {
          log.add({ what: event, site: log.ceremony.seat.name, object: log.sign(codec as Codec<unknown>, change) })
        } catch {
          // A value that its schema does not take cannot be signed at all.
        }
      },
    })
    // The fields are those of a true one; what a schema does not take is left out when the lie is told.
    const [sample] = corpus.bodies(event)
    if (sample === undefined) return []
    const value = codec.decode(decodeEnvelope(sample, codec.limit).payload)
    return alterations(value as Record<string, unknown>).map(([field]) => lie(field))
  })

const names: readonly LogEvent['what'][] = [
  ...recordNames.map((name) => recordTable[name].event),
  'joined',
  'definition',
  'opened',
  'attempt',
  'message',
  'outcome',
  'record',
  'peer-ledger',
  'first-contact',
]

/** Under every name that an event can have: garbage, somebody else's body of another kind, and a body that is not here. */
const nameLies: readonly LogLie[] = names.flatMap((what): readonly LogLie[] => [
  {
    check: 'log.bodies',
    does: `logs garbage as ${what}`,
    edit: (log) => log.add({ what, site: log.other, object: log.put(utf8(`no ${what}`)) }),
  },
  {
    check: 'log.bodies',
    does: `logs an event of another kind as ${what}`,
    harmless: true,
    edit: (log) => {
      const body = log.events.find((event) => event.object !== null && event.what !== what)
      log.add({ what, site: log.other, object: body?.object ?? other })
    },
  },
  {
    check: 'log.bodies',
    does: `names as ${what} what nobody has`,
    harmless: true,
    edit: (log) => log.add({ what, site: log.other, object: hashOf(utf8(`nobody has this ${what}`)) }),
  },
])

/** Each event of the log taken out, or told twice, or told at the end. */
const orderLies: readonly LogLie[] = [...names, 'started' as const, 'ready-set' as const].flatMap(
  (what): readonly LogLie[] => [
    {
      check: 'log.kept',
      does: `leaves its own ${what} out`,
      harmless: true,
      edit: (log) => drop(log, (event) => event === own(log, what)),
    },
    {
      check: 'log.ordered',
      does: `says ${what} again at the end`,
      harmless: true,
      edit: (log) => {
        const event = own(log, what)
        if (event !== undefined) log.add(event)
      },
    },
    {
      check: 'log.ordered',
      does: `says ${what} before anything`,
      harmless: true,
      edit: (log) => {
        const event = own(log, what)
        if (event !== undefined) log.events.splice(1, 0, event)
      },
    },
  ],
)

const others: readonly LogLie[] = [
  {
    check: 'definition.logged',
    does: 'names another definition',
    edit: (log) => {
      const event = own(log, 'definition')
      if (event !== undefined)
        log.events[log.events.indexOf(event)] = { ...event, object: log.put(utf8('another definition')) }
    },
  },
  {
    check: 'definition.approved',
    does: 'leaves an approval out',
    edit: (log) => drop(log, ({ what, site }) => what === 'approval' && site === log.other),
  },
  ...recordNames
    .map((name) => recordTable[name].event)
    .map(
      (what): LogLie => ({
        check: 'log.bodies',
        does: `leaves ${what} of another out`,
        harmless: true,
        edit: (log) => drop(log, (event) => event.what === what && event.site === log.other),
      }),
    ),
  {
    check: 'attempts.started',
    does: 'begins an attempt that nobody signed',
    edit: (log) => log.add({ what: 'started', object: other }, 'started'),
  },
  {
    check: 'attempts.started',
    does: 'fails an attempt that nobody signed',
    edit: (log) => log.add({ what: 'failed', object: other }, 'started'),
  },
  {
    check: 'ledger.opened',
    does: 'hangs from no ledger',
    edit: (log) => {
      log.events[0] = { ...(log.events[0] as Event), object: log.put(utf8('no head')) }
    },
  },
  {
    check: 'ledger.remembered',
    does: 'remembers of another a head that is none',
    edit: (log) => log.add({ what: 'peer-ledger', site: log.other, object: log.put(utf8('no head')) }),
  },
  {
    check: 'ledger.remembered',
    does: 'shows two ledgers of one size',
    edit: (log) => {
      const { home } = log.ceremony.site
      for (const root of [new Uint8Array(32), new Uint8Array(32).fill(1)]) {
        const head = { origin: ledgerOrigin(home.identity), size: 1, root }
        log.add({
          what: 'peer-ledger',
          site: log.ceremony.seat.name,
          object: log.put(utf8(signCheckpoint(head, home.keys.log))),
        })
      }
    },
  },
  {
    check: 'votes.single',
    does: 'counts votes for another record',
    edit: (log) => {
      const event = own(log, 'ready-set')
      if (event === undefined) log.add({ what: 'ready-set', object: other }, 'started')
      else log.events[log.events.indexOf(event)] = { ...event, object: other }
    },
  },
  {
    check: 'blame.proven',
    does: 'accuses without proof',
    edit: (log) => {
      const { authority, attempts, seat } = log.ceremony
      const accused = authority.member(log.other)
      if (accused === undefined) return
      const blame = {
        ceremony: authority.hash,
        attempt: attempts[0] ?? authority.hash,
        session: attempts[0] ?? authority.hash,
        protocol: `${authority.definition.protocol}/${authority.definition.kind}`,
        within: null,
        accused: accused.name,
        party: Number(accused.index) as never,
        accuser: seat.name,
        check: 'two-votes',
        messages: [],
      }
      log.add({ what: 'evidence', site: log.other, object: log.put(blameCodec.encode(blame)) })
    },
  },
  ...[-86_400_000_000, -1000, 86_400_000_000].map(
    (by): LogLie => ({
      check: 'time.stamped',
      does: `moves its times by ${by / 1000} s`,
      harmless: true,
      edit: (log) => {
        for (const [at, event] of log.events.entries())
          log.events[at] = { ...event, at: Math.max(0, Math.min(253_402_300_799_999, event.at + by)) }
      },
    }),
  ),
  {
    check: 'log.ordered',
    does: 'says an event of another ceremony',
    edit: (log) => log.add({ what: 'failed', ceremony: other, object: log.ceremony.attempts[0] ?? other }, 'started'),
  },
  ...(['protocol', 'round', 'place', 'unsigned', 'again'] as const).map(
    (how): LogLie => ({
      check: how === 'unsigned' ? 'transcript.signed' : 'transcript.complete',
      does: `logs a message of its own: ${how}`,
      harmless: true,
      edit: (log) => {
        const { ceremony, events } = log
        const key = ceremony.keys.message.raw
        const attempt = ceremony.attempts.at(-1)
        const seats = ceremony.store.attempts.get(attempt as Hash)?.value.participants ?? []
        const from = (seats.findIndex(({ site }) => site === ceremony.seat.name) + 1) as never
        if (attempt === undefined || !events.some(({ what }) => what === 'message')) return
        const kind = `${ceremony.authority.definition.protocol}/${ceremony.authority.definition.kind}`
        const head = {
          protocol: how === 'protocol' ? 'another/protocol' : kind,
          session: Buffer.from(attempt, 'hex'),
          round: how === 'round' ? 'nothing' : 'commitments',
          from: how === 'place' ? (250 as never) : from,
          to: 0,
        }
        const { bytes } = signMessage(key, head, utf8('another'), new Uint8Array(0))
        if (how === 'unsigned') bytes[60] = (bytes[60] ?? 0) ^ 1
        log.add({ what: 'message', site: ceremony.seat.name, object: log.put(bytes) }, 'message')
      },
    }),
  ),
  ...(['commitments', 'shares', 'openings'] as const).map(
    (round): LogLie => ({
      check: 'transcript.same',
      does: `leaves its messages of ${round} out`,
      harmless: true,
      edit: (log) => drop(log, ({ what, object }) => what === 'message' && fromBytes(log.body(object)).includes(round)),
    }),
  ),
  {
    check: 'log.closed',
    does: 'does not end its log',
    harmless: true,
    edit: (log) => drop(log, ({ what }) => what === 'closing'),
  },
  {
    check: 'ledger.records',
    does: 'shows a ledger that does not decode',
    harmless: true,
    ending: (_log, message) => ({ ...message, ledger: utf8('{}') }),
  },
  {
    check: 'ledger.included',
    does: 'alters what its ledger says',
    harmless: true,
    ending: (_log, message) => {
      const value = ledgerExcerptCodec.decode(message.ledger)
      const events = value.events.map((one, at) => (at === 0 ? { ...one, event: { ...one.event, at: 1 } } : one))
      return { ...message, ledger: ledgerExcerptCodec.encode({ ...value, events }) }
    },
  },
  {
    check: 'ledger.signed',
    does: 'shows a ledger head under another key',
    harmless: true,
    ending: (log, message) => {
      const value = ledgerExcerptCodec.decode(message.ledger)
      const { home } = log.ceremony.site
      const head = { origin: ledgerOrigin(home.identity), size: 9, root: new Uint8Array(32) }
      return { ...message, ledger: ledgerExcerptCodec.encode({ ...value, head: signCheckpoint(head, home.keys.note) }) }
    },
  },
  {
    check: 'ledger.agrees',
    does: 'keeps of its ledger only the beginning',
    harmless: true,
    ending: (_log, message) => {
      const value = ledgerExcerptCodec.decode(message.ledger)
      return { ...message, ledger: ledgerExcerptCodec.encode({ ...value, events: value.events.slice(0, 1) }) }
    },
  },
  {
    check: 'log.signed',
    does: 'signs its ending with another key',
    harmless: true,
    ending: (log, message) => {
      const { home } = log.ceremony.site
      const { size, root } = treeOf(log.events)
      const head = { origin: ceremonyOrigin(log.ceremony.authority.hash, home.identity), size, root }
      return { ...message, checkpoint: utf8(signCheckpoint(head, home.keys.cosign)) }
    },
  },
  {
    check: 'log.whole',
    does: 'signs other events than it shows',
    harmless: true,
    ending: (log, message) => {
      const { home } = log.ceremony.site
      const head = {
        origin: ceremonyOrigin(log.ceremony.authority.hash, home.identity),
        size: 3,
        root: new Uint8Array(32),
      }
      return { ...message, checkpoint: utf8(signCheckpoint(head, home.keys.log)) }
    },
  },
]

const fromBytes = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

export const logLies: readonly LogLie[] = [...others, ...nameLies, ...orderLies, ...recordLies]

const written = (events: readonly Event[]): readonly Uint8Array[] =>
  events.map((event, seq) => eventCodec.encode({ ...event, seq }))

const treeOf = (events: readonly Event[]): { readonly size: number; readonly root: Uint8Array } => {
  const frontier = new Frontier()
  for (const line of written(events)) frontier.append(leafHash(line))
  return { size: frontier.size, root: frontier.root() }
}

/** Events of an ending, as they came. */
export const eventsOf = async (bytes: Uint8Array): Promise<readonly LogEvent[]> => {
  const events: LogEvent[] = []
  for await (const batch of readEvents([bytes])) events.push(...batch.map(({ event }) => event))
  return events
}

/** What a liar says of its log in place of the truth, with every signature that its own keys can make. */
export const lyingEnding = (
  ceremony: Ceremony,
  about: SiteId,
  lie: LogLie,
  message: Extract<CloseMessage, { is: 'log' }>,
  bodies: Map<Hash, Uint8Array>,
): Extract<CloseMessage, { is: 'log' }> => {
  const events = fromUtf8(message.events)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => eventCodec.decode(utf8(line)))
    .map(({ seq: _, ...event }) => event)
  const put = (bytes: Uint8Array): Hash => {
    bodies.set(hashOf(bytes), bytes)
    return hashOf(bytes)
  }
  const log: OwnLog = {
    ceremony,
    events,
    other: about,
    put,
    body: (object) => (object === null ? undefined : ceremony.log.body(object)) ?? new Uint8Array(),
    sign(codec, value, key = ceremony.keys.message.raw) {
      const bytes = codec.encode(value)
      const signature = key.sign(pae(payloadType(codec.type), bytes))
      return put(toEnvelope({ type: codec.type, bytes, value, key: key.key, signature }))
    },
    add(event, before = 'closing') {
      const place = events.findIndex(({ what }) => what === before)
      const base = { at: events.at(-1)?.at ?? 0, ceremony: ceremony.authority.hash, site: null, object: null }
      events.splice(place < 0 ? events.length : place, 0, { ...base, ...event })
    },
  }
  lie.edit?.(log)
  const { home } = ceremony.site
  const { size, root } = treeOf(events)
  const head = { origin: ceremonyOrigin(ceremony.authority.hash, home.identity), size, root }
  const said = {
    ...message,
    events: concat(...written(events).flatMap((line) => [line, utf8('\n')])),
    checkpoint: lie.edit === undefined ? message.checkpoint : utf8(signCheckpoint(head, home.keys.log)),
  }
  return lie.ending?.(log, said) ?? said
}
