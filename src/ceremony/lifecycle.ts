import type { SiteId } from '../lib/brand.ts'
import type { LogEvent } from '../records/event.ts'

/** Where one site is in one ceremony. Nothing irreversible happens before `ready` (sign: before `running`). */
export type Phase =
  | 'drafted'
  | 'approved'
  | 'gathering'
  | 'running'
  | 'staged'
  | 'ready'
  | 'installed'
  | 'retired'
  | 'done'
  | 'closed'
  | 'aborted'

/** Which phases may follow which, in one kind of ceremony. */
export type Lifecycle = Readonly<Partial<Record<Phase, readonly Phase[]>>>
type Follows<L extends Lifecycle> = NonNullable<L[keyof L & Phase]>[number]

/** The compiler asks what follows on each phase that the table names, but on `closed`. */
export const lifecycleOf = <const L extends Lifecycle>(
  table: L & Readonly<Record<Exclude<'drafted' | Follows<L>, 'closed'>, readonly Phase[]>>,
): Lifecycle => table

/** Phases without a way back. */
const bound: ReadonlySet<Phase> = new Set<Phase>(['ready', 'installed', 'retired', 'done', 'closed'])

/** Where an event of this site's own log leads; undefined: nowhere else. */
const ledTo = ({ what, site }: Pick<LogEvent, 'what' | 'site'>, self: SiteId, phase: Phase): Phase | undefined => {
  switch (what) {
    case 'opened':
      return 'gathering'
    case 'joined':
      // A process that came back has lost its session.
      return phase === 'running' || phase === 'staged' ? 'gathering' : undefined
    case 'attempt':
      return 'running'
    case 'failed':
      return 'gathering'
    case 'staged':
    case 'ready':
    case 'installed':
    case 'retired':
      return site === self ? what : undefined
    case 'readmitted':
      return site === self ? 'ready' : undefined
    case 'rebound':
      // Whoever took it back waits for its word.
      return site === self || phase === 'ready' ? 'done' : undefined
    case 'rewrapped':
      return site === self ? 'staged' : undefined
    case 'result':
    case 'release':
    case 'witnessed':
    case 'replaced':
      return site === self ? 'done' : undefined
    case 'abort':
      // Beside a vote or a result of the same site an abort decides nothing.
      return site === self && !bound.has(phase) ? 'aborted' : undefined
    case 'closing':
      return 'closed'
    default:
      return undefined
  }
}

/** The phase after an event of this site's log. Throws where the table has no such step: that is a fault of this program. */
export const phaseAfter = (
  lifecycle: Lifecycle,
  phase: Phase,
  event: Pick<LogEvent, 'what' | 'site'>,
  self: SiteId,
): Phase => {
  const next = ledTo(event, self, phase)
  if (next === undefined || next === phase) return phase
  if (lifecycle[phase]?.includes(next) !== true)
    throw new Error(`no ceremony of this kind goes from ${phase} to ${next}`)
  return next
}

/** This site's phase, read from its own log. */
export const phaseOf = (lifecycle: Lifecycle, events: Iterable<LogEvent>, self: SiteId, approved: boolean): Phase => {
  let phase: Phase = approved ? 'approved' : 'drafted'
  for (const event of events) phase = phaseAfter(lifecycle, phase, event, self)
  return phase
}
