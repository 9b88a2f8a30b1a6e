import { asciiJson } from '../lib/printable.ts'
import { say } from './term.ts'

/** Something that happened in long work: what phase, what, and whom it waits for. */
export interface Progress {
  /** preflight, gather, attempt, round, stage, prove, commit, close … */
  readonly phase: string
  /** First column where it is not the phase itself: `round 2/3`. */
  readonly label?: string
  readonly text: string
  /** Who is waited for, or how it ended. */
  readonly note?: string
}
export type Report = (event: Progress & Readonly<Record<string, unknown>>) => void

/** Append-only lines on stderr, or the same events as JSON, one a line. */
export const progressReporter = (flags: { readonly quiet: boolean; readonly 'json-events': boolean }): Report => {
  if (flags['json-events'])
    return (event) => process.stderr.write(`${asciiJson({ at: new Date().toISOString(), ...event })}\n`)
  if (flags.quiet) return () => {}
  return (event) =>
    say({
      label: event.label ?? event.phase,
      text: event.text,
      ...(event.note === undefined ? {} : { note: event.note }),
    })
}
