import type { LogView } from '../audit/disk-log.ts'
import type { Identity, SiteId } from '../lib/brand.ts'
import { DecodeError } from '../records/codec.ts'
import type { Definition, Kind } from '../records/definition.ts'
import type { LogEvent } from '../records/event.ts'
import type { Note } from '../records/identity.ts'
import type { Authority } from './authority.ts'
import { type Phase, phaseOf } from './lifecycle.ts'
import { readPost } from './round-message.ts'

/** Where one member is, as far as this site knows. */
export interface MemberStatus {
  readonly name: string
  readonly identity: Identity
  readonly approved: boolean
  readonly phase: string
  /** Milliseconds since it said so; null for this site's own log and where nothing is known. */
  readonly age: number | null
}

export interface Status {
  readonly ceremony: string
  readonly kind: Kind
  readonly name: string
  readonly site: string
  readonly phase: Phase
  readonly attempts: { readonly signed: number; readonly of: number }
  readonly members: readonly MemberStatus[]
  /** Sites against which this site holds proof. */
  readonly proven: readonly SiteId[]
  /** Why members left, by name. */
  readonly left: Readonly<Record<string, string>>
  readonly bundle: string | null
  /** Who does what next. */
  readonly next: string
}

/**
 * Why this site cannot leave any more; undefined: it can. After its ready vote, or once a signature share of it went out,
 * others may finish without it, and its word that nothing happened would be false.
 */
export const boundBy = (kind: Kind, log: LogView, site: SiteId): string | undefined => {
  const events = [...log.replay()]
  if (events.some((event) => event.what === 'ready' && event.site === site)) return 'it has voted ready'
  if (events.some((event) => event.what === 'result')) return 'the signature is made'
  if (kind !== 'sign') return undefined
  const ended = new Set(events.filter((event) => event.what === 'failed').map((event) => event.object))
  if (events.some((event) => event.what === 'attempt' && !ended.has(event.object)))
    return 'an attempt that it signed may still bring the signature'
  const shared = events.some((event) => {
    const body =
      event.what === 'message' && event.site === site && event.object !== null ? log.body(event.object) : undefined
    return body !== undefined && roundOf(body) === 'shares'
  })
  return shared ? 'it has sent a signature share' : undefined
}

const roundOf = (message: Uint8Array): string | undefined => {
  try {
    return readPost(message).round
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** One screen: what this site knows, and who does what next. `notes`: the newest of each member that a relay showed. */
export const describeStatus = (known: {
  readonly authority: Authority
  readonly self: Identity
  readonly events: readonly LogEvent[]
  readonly approved: ReadonlySet<Identity>
  readonly notes: ReadonlyMap<Identity, Note>
  readonly now: number
  readonly bundle: string | null
}): Status => {
  const { authority, self, events, approved, notes, now } = known
  const { definition } = authority
  const own = authority.roster.find((member) => member.identity === self)
  const phase =
    own === undefined
      ? approved.has(self)
        ? 'approved'
        : 'drafted'
      : phaseOf(definition.kind, events, own.name, approved.has(self))
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
      phase: here ? phase : (note?.phase ?? 'unknown'),
      age: here || note === undefined ? null : Math.max(0, now - note.at),
    }
  })
  const left = Object.fromEntries(
    everyone.flatMap(({ name, identity }) =>
      notes.get(identity)?.abort == null ? [] : [[name, notes.get(identity)?.abort as string]],
    ),
  )
  const signed = events.filter((event) => event.what === 'attempt').length
  const proven = [...new Set(events.filter((event) => event.what === 'evidence').flatMap((event) => event.site ?? []))]
  const waiting = authority
    .missing(approved)
    .map((identity) => everyone.find((one) => one.identity === identity)?.name ?? identity)
  return {
    ceremony: authority.hash,
    kind: definition.kind,
    name: definition.name,
    site: own?.name ?? 'approver',
    phase,
    attempts: { signed, of: definition.attempts },
    members,
    proven,
    left,
    bundle: known.bundle,
    next: finishedElsewhere(definition, phase, members)
      ? 'the others have signed; nothing is asked of this site'
      : nextStep(definition.kind, phase, waiting, proven, Object.keys(left), signed >= definition.attempts),
  }
}

/** A signature that was made without this site. By their own word: this site has seen no proof of it. */
const finishedElsewhere = (definition: Definition, phase: Phase, members: readonly MemberStatus[]): boolean => {
  const begun = phase !== 'drafted' && phase !== 'approved' && phase !== 'gathering'
  const done = members.filter((member) => member.phase === 'done' || member.phase === 'closed')
  return definition.kind === 'sign' && !begun && done.length >= definition.threshold
}

const nextStep = (
  kind: Kind,
  phase: Phase,
  waiting: readonly string[],
  proven: readonly string[],
  left: readonly string[],
  spent: boolean,
): string => {
  const join = `run \`quorate ${kind} join\``
  if (phase === 'closed')
    return proven.length > 0
      ? `ended by proof against ${proven.join(', ')}: verify the bundle, check that site, plan anew`
      : 'nothing is left to do; verify the bundle'
  if (phase === 'aborted')
    return proven.length > 0 ? `look into ${proven.join(', ')}, then plan a new definition` : 'plan a new definition'
  if (left.length > 0) return `${left.join(', ')} left: plan a new definition unless the others are enough`
  if (phase === 'drafted') return `this site: \`quorate ${kind} approve\``
  if (phase === 'ready' || phase === 'installed')
    return `all sites ${join} until it says closed; what was voted for is safe on the disk`
  if (phase === 'done') return `the signers ${join} to finish the bundle; the signature is made`
  if (spent) return 'every attempt is used: find out why they failed, then plan a new definition'
  if (waiting.length > 0) return `waiting for the approval of ${waiting.join(', ')}; then all ${join}`
  return `all sites ${join}`
}
