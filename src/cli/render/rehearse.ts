import type { RehearsalReport } from '../../records/rehearsal.ts'
import { shortId } from '../../records/short-id.ts'
import type { Act } from '../../rehearsal/rehearse.ts'
import type { RehearsalShown } from '../../site/rehearse.ts'
import { progressLine } from '../progress.ts'
import type { Line, Lines } from '../term.ts'
import { shortIdentity, shortTime } from '../text.ts'

const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 0)} s`

/** An act as a rehearsal shows it, or as a report keeps it: without hints. */
interface Played extends Pick<Act, 'end'> {
  readonly joins: readonly (Pick<Act['joins'][number], 'site' | 'killed' | 'phases'> & {
    readonly fault: {
      readonly code: string
      readonly exit: number
      readonly message: string
      readonly hint?: string
    } | null
  })[]
}

/** Each phase once, by the site that was longest in it. */
const phaseLines = ({ joins }: Played): readonly Line[] => {
  const names = [...new Set(joins.flatMap(({ phases }) => phases.map(({ name }) => name)))]
  return names.map((name): Line => {
    const spent = joins.map(({ site, phases }) => {
      const own = phases.filter((phase) => phase.name === name)
      const sum = (of: 'waited' | 'measured') => own.reduce((total, phase) => total + phase[of], 0)
      return { site, waited: sum('waited'), measured: sum('measured') }
    })
    const waited = Math.max(...spent.map((one) => one.waited))
    const longest = spent.filter((one) => one.waited === waited).map(({ site }) => site)
    const measured = `measured ${seconds(Math.max(...spent.map((one) => one.measured)))}`
    const where = longest.length === spent.length ? '' : ` at ${longest.join(', ')}`
    return { label: '', text: name, note: `${measured}${waited < 10 ? '' : `, waited ${seconds(waited)}${where}`}` }
  })
}

/** The end of each join, in the words that its operator would have read. */
const joinLines = ({ joins }: Played): readonly Line[] =>
  joins.flatMap(({ site, fault, killed }): readonly Line[] => {
    if (killed !== null) return [{ label: site, text: `killed as the barrier '${killed}' was durable`, tone: 'warn' }]
    return fault === null
      ? [{ label: site, text: 'closed', note: 'exit 0', noteTone: 'good' }]
      : [
          { label: site, text: fault.message, tone: 'bad' },
          ...(fault.hint === undefined ? [] : [{ label: '', text: fault.hint }]),
          { label: '', text: `${fault.code} (exit ${fault.exit})`, tone: 'dim' },
        ]
  })

const list = (names: readonly string[]): string => names.join(', ')

const endText = ({ end: { state, by, waiting } }: Played): string => {
  switch (state) {
    case 'made':
      return waiting.length === 0 ? `made, by ${list(by)}` : `made, by ${list(by)}; not finished: ${list(waiting)}`
    case 'undecided':
      return `undecided: ${list(by)} voted; waited for: ${list(waiting)}`
    case 'aborted':
      return `aborted, by ${list(by)}`
    default:
      return 'nothing was made; nobody left'
  }
}

const endLine = (act: Played): Line => {
  const { guilty, state } = act.end
  const note = guilty.length === 0 ? {} : { note: `proven against ${list(guilty)}` }
  return { label: 'end', text: endText(act), tone: state === 'made' ? 'good' : 'warn', ...note }
}

/** Every line of progress that one site's operator would have seen, by the fast clock. */
const seenLines = ({ joins }: Act, as: string): Lines => {
  const join = joins.find(({ site }) => site === as)
  if (join === undefined) return []
  return [
    '',
    { label: 'screen', text: `of ${as}, with the seconds of the fast clock` },
    ...join.seen.map(({ at, event }): Line => {
      const { label = '', text, note } = progressLine(event)
      return { label: seconds(at), text: `${label.padEnd(12)}${text}`, ...(note === undefined ? {} : { note }) }
    }),
  ]
}

const playedLines = (act: Played): Lines => [
  ...joinLines(act),
  { label: 'phases', text: '' },
  ...phaseLines(act),
  endLine(act),
]

const THEN: Line = { label: 'then', text: 'all run join again, and nothing goes wrong any more' }

const actLines = (act: Act, as: string | undefined): Lines => [
  ...playedLines(act),
  ...(as === undefined ? [] : seenLines(act, as)),
]

const faultLines = ({ faults }: RehearsalShown): readonly Line[] =>
  faults.map(({ fault, means, happened }) => ({
    label: 'fault',
    text: `${fault}: ${means}`,
    ...(happened ? {} : { note: 'did not happen', noteTone: 'warn' as const }),
  }))

export const rehearsalView =
  (as: string | undefined) =>
  (shown: RehearsalShown & { readonly report: string | null }): Lines => {
    const { kind, name, ceremony, protocol, threshold, sites, same, replaced, begins, early, seed, again } = shown
    return [
      { label: 'rehearsal', text: `${kind} ${name}  ${shortId(ceremony)}`, note: 'in memory; no real key or share' },
      { label: 'protocol', text: `${protocol}, ${threshold} of ${sites.length}` },
      { label: 'same', text: list(same) },
      { label: 'replaced', text: list(replaced), note: 'thrown away afterwards' },
      { label: 'begins', text: shortTime(begins), note: early ? 'as the window opens' : 'now' },
      { label: 'clock', text: 'fast: waited times pass at once; measured ones are real, of all sites together' },
      { label: 'seed', text: seed, note: 'the same again with --seed' },
      ...faultLines(shown),
      '',
      ...actLines(shown.first, as),
      ...(again === null ? [] : ['' as const, THEN, ...actLines(again, as)]),
      '',
      shown.report === null
        ? { label: 'report', text: 'none: a report is signed by a home', note: 'name one with --home' }
        : { label: 'report', text: shown.report, note: `signed by ${shortIdentity(shown.signer ?? '')}` },
    ]
  }

const reported = ({ joins, end }: RehearsalReport['first']): Played => ({
  end: end as Act['end'],
  joins: joins.map(({ site, code, message, exit, killed, phases }) => ({
    site,
    killed,
    phases,
    fault: code === null ? null : { code, exit: exit ?? 0, message: message ?? '' },
  })),
})

const utc = (ms: number): string => shortTime(new Date(ms).toISOString())

export const reportView = (report: RehearsalReport): Lines => {
  const { kind, name, ceremony, protocol, identity, at, begins, seed, build, runtime, same, replaced, faults } = report
  return [
    { label: 'rehearsal', text: `${kind} ${name}  ${shortId(ceremony)}`, note: 'in memory; no real key or share' },
    { label: 'signed', text: `${shortIdentity(identity)}, ${utc(at)}`, note: 'trusted', noteTone: 'good' },
    { label: 'protocol', text: protocol },
    { label: 'same', text: list(same) },
    { label: 'replaced', text: list(replaced) },
    { label: 'begins', text: utc(begins), note: 'on the fast clock' },
    { label: 'seed', text: seed },
    { label: 'build', text: build.slice(0, 16), note: runtime },
    ...faults.map(({ fault, happened }) => ({
      label: 'fault',
      text: fault,
      ...(happened ? {} : { note: 'did not happen' }),
    })),
    '',
    ...playedLines(reported(report.first)),
    ...(report.again === null ? [] : ['' as const, THEN, ...playedLines(reported(report.again))]),
  ]
}
