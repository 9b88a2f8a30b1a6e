import type { LogView } from '../../audit/disk-log.ts'
import type { Identity, SiteId } from '../../lib/brand.ts'
import { DecodeError } from '../../records/codec.ts'
import type { LogEvent } from '../../records/event.ts'
import type { Kind } from '../../records/kinds/index.ts'
import type { Note } from '../../records/note.ts'
import { keepingRecords, recordTable } from '../../records/record-table.ts'
import { blameCodec } from '../../records/round.ts'
import { inWords } from '../blame/fault-texts.ts'
import { type Authority, wantedInWords } from '../definition/authority.ts'
import { ceremonyKind } from '../kinds/index.ts'
import { type Phase, phaseOf } from '../lifecycle.ts'
import { type FailedAttempt, failedAttempts } from './attempt-history.ts'
import type { LastJoin } from './last-join.ts'
import { finishedElsewhere, nextStep } from './next-step.ts'

/** Where one member is, as far as this site knows. */
export interface MemberStatus {
  readonly name: string
  readonly identity: Identity
  readonly approved: boolean
  /** False of a site that takes part without an approval. */
  readonly asked: boolean
  readonly phase: string
  /** Milliseconds since it said so; null for this site's own log and where nothing is known. */
  readonly age: number | null
}

/** The owner of the home: nobody; a join of this ceremony; another process; one that holds it and does not answer. */
export type Running = 'no' | 'join' | 'other' | 'mute'

export interface Status {
  readonly ceremony: string
  readonly kind: Kind
  readonly name: string
  readonly site: string
  readonly phase: Phase
  readonly attempts: { readonly signed: number; readonly of: number }
  readonly members: readonly MemberStatus[]
  /** Attempts that came to nothing here, oldest first. */
  readonly failed: readonly FailedAttempt[]
  readonly window: { readonly opens: string; readonly closes: string; readonly is: 'early' | 'open' | 'closed' }
  readonly running: Running
  /** How this site's last join ended; null: none did, or it was not given the time to say so. */
  readonly lastJoin: {
    readonly age: number
    readonly code: string | null
    readonly message: string
    readonly hint: string
  } | null
  /** The parts that are missing from this site's bundle. */
  readonly open: readonly string[]
  /** Relays of the definition that do not answer; null: none was asked. */
  readonly unreachable: readonly { readonly url: string; readonly why: string }[] | null
  /** Sites against which this site holds proof. */
  readonly proven: readonly SiteId[]
  /** One line for each site that a proof accuses. */
  readonly proofs: readonly string[]
  /** Why members left, by name. */
  readonly left: Readonly<Record<string, string>>
  readonly bundle: string | null
  /** The next step, and the person who takes it. */
  readonly next: string
}

export interface Known {
  readonly authority: Authority
  readonly self: Identity
  readonly log: Pick<LogView, 'replay' | 'body'>
  readonly approved: ReadonlySet<Identity>
  /** The newest of each member that a relay showed, or that says in this site's log that it left; this site's own. */
  readonly notes: ReadonlyMap<Identity, Note>
  readonly now: number
  readonly bundle: string | null
  readonly running: Running
  readonly lastJoin: LastJoin | undefined
  /** A peer showed this home a word of its own that it forgot. */
  readonly forgetful: boolean
  readonly unreachable: Status['unreachable']
}

/** One screen: what this site knows, and who does what next. */
export const describeStatus = (known: Known): Status => {
  const { authority, self, log, approved, notes, now, lastJoin, running } = known
  const { definition } = authority
  const events = [...log.replay()]
  const own = authority.roster.find((member) => member.identity === self)
  const phase =
    own === undefined
      ? approved.has(self)
        ? 'approved'
        : 'drafted'
      : phaseOf(ceremonyKind(definition).lifecycle, events, own.name, approved.has(self) || !authority.asks(self))
  const everyone = [
    ...authority.roster.map((member) => ({ name: member.name as string, identity: member.identity })),
    ...definition.approvers.map((identity, at) => ({ name: `approver ${at + 1}`, identity })),
  ]
  const members = everyone.map(({ name, identity }) => {
    const note = notes.get(identity)
    const here = identity === self
    return {
      name,
      identity,
      approved: approved.has(identity),
      asked: authority.asks(identity),
      phase: here ? phase : (note?.phase ?? 'unknown'),
      age: here || note === undefined ? null : Math.max(0, now - note.at),
    }
  })
  const aborted = everyone.filter(({ identity }) => notes.get(identity)?.abort != null)
  const kept = new Set(
    events.flatMap(({ what, site }) =>
      keepingRecords.some((name) => recordTable[name].event === what) ? (site ?? []) : [],
    ),
  )
  const gone = aborted.filter(({ name }) => !kept.has(name as SiteId))
  const opens = Date.parse(definition.window.opens)
  const closes = Date.parse(definition.window.closes)
  const evidence = events.filter((event) => event.what === 'evidence')
  const base = {
    ceremony: authority.hash,
    kind: definition.kind,
    name: definition.name,
    site: own?.name ?? 'approver',
    phase,
    attempts: { signed: events.filter((event) => event.what === 'attempt').length, of: definition.attempts },
    members,
    failed: own === undefined ? [] : failedAttempts(log, own.name, running !== 'no'),
    window: { ...definition.window, is: now < opens ? 'early' : now > closes ? 'closed' : 'open' },
    running,
    lastJoin:
      lastJoin === undefined
        ? null
        : {
            age: Math.max(0, now - lastJoin.at),
            code: lastJoin.fault?.code ?? null,
            message: lastJoin.fault?.message ?? '',
            hint: lastJoin.fault?.hint ?? '',
          },
    open: lastJoin?.open ?? [],
    unreachable: known.unreachable,
    proven: [...new Set(evidence.flatMap((event) => event.site ?? []))],
    proofs: proofsIn(log, evidence),
    left: Object.fromEntries(aborted.map(({ name, identity }) => [name, notes.get(identity)?.abort ?? ''])),
    bundle: known.bundle,
  } satisfies Omit<Status, 'next'>
  return {
    ...base,
    next: finishedElsewhere(definition, phase, members)
      ? 'the others have signed; nothing is asked of this site'
      : nextStep(base, {
          waiting: wantedInWords(
            authority,
            approved,
            (identity) => everyone.find((one) => one.identity === identity)?.name ?? identity,
            new Set(gone.map(({ identity }) => identity)),
          ),
          possible: authority.possibleWithout(new Set(gone.map(({ identity }) => identity))),
          voters: new Set(events.flatMap(({ what, site }) => (what === 'ready' ? (site ?? []) : []))),
          receipts: new Set(events.flatMap(({ what, site }) => (what === 'installed' ? (site ?? []) : []))),
          joined: events.some(({ what }) => what === 'joined'),
          forgetful: known.forgetful,
        }),
  }
}

const proofsIn = (log: Pick<LogView, 'body'>, evidence: readonly LogEvent[]): readonly string[] => {
  const shown = new Map<SiteId, string>()
  for (const { site, object } of evidence) {
    const body = object === null ? undefined : log.body(object)
    if (site === null || body === undefined || shown.has(site)) continue
    try {
      shown.set(site, `${site} ${inWords(blameCodec.decode(body)).what}`)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
  return [...shown.values()]
}
