import type { LogView } from '../../audit/disk-log.ts'
import type { Hash, SiteId } from '../../lib/brand.ts'
import { toHex } from '../../lib/bytes.ts'
import { attemptCodec } from '../../records/attempt.ts'
import { DecodeError } from '../../records/codec.ts'
import type { LogEvent } from '../../records/event.ts'
import { readSignedMessage } from '../session/round-message.ts'

/** An attempt that came to nothing at this site, and what its log shows of why. */
export interface FailedAttempt {
  readonly number: number
  readonly sites: readonly SiteId[]
  readonly why: string
}

/** Words of a site by which its attempt came to something. */
const BINDING: readonly LogEvent['what'][] = ['ready', 'release', 'rewrapped', 'witnessed', 'readmitted', 'rebound']

/** Attempts that ended without an outcome, oldest first. `running`: a process of this site may still be in the last one. */
export const failedAttempts = (
  log: Pick<LogView, 'replay' | 'body'>,
  self: SiteId,
  running: boolean,
): readonly FailedAttempt[] => {
  const events = [...log.replay()]
  const begun = events.flatMap((event, at) => (event.what === 'attempt' ? [at] : []))
  return begun.flatMap((at, n) => {
    const bytes = log.body(events[at]?.object ?? ('' as never))
    const attempt = bytes === undefined ? undefined : decoded(() => attemptCodec.decode(bytes))
    if (attempt === undefined) return []
    const within = events.slice(at + 1, begun[n + 1])
    if (within.some(({ what, site }) => what === 'result' || (BINDING.includes(what) && site === self))) return []
    const end = within.findIndex(({ what }) => what === 'failed' || what === 'joined')
    if (end < 0 && running) return []
    const sites = attempt.participants.map(({ site }) => site)
    const during = end < 0 ? within : within.slice(0, end)
    const proof = within.find(({ what }) => what === 'evidence')?.site
    const why =
      proof != null
        ? `ended by proof against ${proof}`
        : within[end]?.what === 'failed'
          ? whyFailed(log, events[at]?.object as Hash, during, sites, self)
          : `the process of ${self} ended in it`
    return [{ number: n + 1, sites, why }]
  })
}

const whyFailed = (
  log: Pick<LogView, 'body'>,
  attempt: Hash,
  during: readonly LogEvent[],
  sites: readonly SiteId[],
  self: SiteId,
): string => {
  if (!during.some(({ what }) => what === 'started')) {
    const signed = new Set(during.flatMap(({ what, site }) => (what === 'attempt-signature' ? (site ?? []) : [])))
    const unsigned = sites.filter((site) => site !== self && !signed.has(site))
    return unsigned.length === 0 ? 'called off before it began' : `not signed by ${unsigned.join(', ')}`
  }
  const rounds = new Map<string, Set<SiteId>>()
  for (const { what, site, object } of during) {
    const body = what === 'message' && object !== null ? log.body(object) : undefined
    const message = body === undefined ? undefined : decoded(() => readSignedMessage(body))
    // Sessions inside the attempt's own have rounds of the same names.
    const round = message !== undefined && toHex(message.session) === attempt ? message.round : undefined
    if (round !== undefined && site !== null) rounds.set(round, (rounds.get(round) ?? new Set()).add(site))
  }
  const last = [...rounds].at(-1)
  if (last === undefined) return 'ended before its first message'
  const silent = sites.filter((site) => !last[1].has(site))
  return silent.length === 0 ? `nothing more after ${last[0]}` : `nothing from ${silent.join(', ')} in ${last[0]}`
}

/** A record in a log of this home is its own; a later version's record is none that this one can tell of. */
const decoded = <T>(decode: () => T): T | undefined => {
  try {
    return decode()
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
