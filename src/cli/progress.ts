import type { Progress } from '../ceremony/progress.ts'
import type { Hash } from '../lib/brand.ts'
import { span } from '../lib/span.ts'
import { shortId } from '../records/short-id.ts'
import { asciiEvent, type Line, say } from './term.ts'

export type Report = (event: Progress) => void

/** Append-only lines on stderr, or the same events as JSON, one a line. */
export const progressReporter = (flags: { readonly quiet: boolean; readonly 'json-events': boolean }): Report => {
  if (flags['json-events']) return asciiEvent
  return flags.quiet ? () => {} : (event) => say(progressLine(event))
}

const waiting = (sites: readonly string[]): { note?: string } =>
  sites.length === 0 ? {} : { note: `waiting: ${sites.join(', ')}` }

const STEPS = {
  fenced: 'old key suspended at its holders',
  staged: 'shards sealed, durable and reopened',
  proven: 'possession and test signatures',
  ready: 'ready votes',
  installed: 'installed',
  retired: 'old shares destroyed',
  signed: 'signature verified',
  given: 'shares sealed to the recipients',
  readmitted: 'taken back by the others',
  rebound: 'bound again by what it promised',
  witnessed: 'proof of the new envelope cosigned',
  replaced: 'old envelope destroyed',
  closed: 'logs cosigned',
} as const

/** Events that a person must see in a quiet run too, and a script in the document; undefined: another one. */
export const warningOf = (event: Progress): string | undefined => {
  switch (event.phase) {
    case 'left':
      return `${event.site} left: ${event.reason}`
    case 'another-build':
      return `${event.site} runs another build: ${event.build.slice(0, 16)}, here ${event.own.slice(0, 16)}`
    case 'clock':
      return `the clock of ${event.site} is ${span(event.ahead)} ahead of this machine’s: compare both with the true time`
    case 'relay':
      return `no answer from ${event.url}: ${event.why}; the other relays are used`
    case 'kms':
      return `${event.why}; the other two keys of this site are used`
    case 'handed-over': {
      const given = `its own ${event.unused.join(' and ')}`
      return `another process of this home runs this join with ${given}: what this command names is not used`
    }
    default:
      return undefined
  }
}

/** One event as one line; the same column for the same thing. */
export const progressLine = (event: Progress): Line => {
  switch (event.phase) {
    case 'join': {
      const who = `as ${event.site} (${event.index} of ${event.of})`
      return { label: 'join', text: `${shortId(event.ceremony as Hash)}  ${event.kind} ${event.name}  ${who}` }
    }
    case 'preflight':
      return { label: 'preflight', text: event.checks.join(', '), note: 'ok' }
    case 'gather': {
      // The text there, once nothing is waited for, is a remark about the peer's build.
      const { waiting: note } = event
      const remark = note === null ? {} : note.endsWith('build') ? { note } : waiting([note])
      return { label: 'gather', text: `${event.site} ${event.state}`, ...remark }
    }
    case 'left':
    case 'another-build':
    case 'clock':
    case 'relay':
    case 'kms':
    case 'handed-over':
      return { label: 'warning', text: warningOf(event) ?? '', tone: 'warn' }
    case 'serving':
      return {
        label: 'home',
        text: `done here; ${event.others} other ceremonies of this home run in this process`,
        note: 'until they end',
      }
    case 'attempt':
      return { label: `attempt ${event.number}`, text: event.sites.join(', ') }
    case 'attempt-failed':
      return {
        label: `attempt ${event.number}`,
        text: `failed: ${event.reason}`,
        note: `${event.number} of ${event.of}`,
      }
    case 'round': {
      const text = `${event.round.padEnd(13)}${event.got} of ${event.total}`
      return { label: `round ${event.place}/${event.of}`, text, ...waiting(event.waiting) }
    }
    case 'step': {
      const text = `${STEPS[event.step].padEnd(37)}${event.got} of ${event.total}`
      return { label: event.step, text, ...waiting(event.waiting) }
    }
  }
}
