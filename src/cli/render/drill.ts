import { QuorateError } from '../../lib/errors.ts'
import { shortId } from '../../records/short-id.ts'
import type { DrillList, DrillShown } from '../../site/drill.ts'
import type { Line, Lines } from '../term.ts'
import { shortIdentity, shortTime } from '../text.ts'

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
const limitText = (ms: number): string => (ms < 3_600_000 ? `${ms / 1000} s` : `${Math.round(ms / 360_000) / 10} h`)

export const drillView = (shown: DrillShown & { readonly report: string | null }): Lines => {
  const { incident, site, name, ceremony, protocol, seed, steps, met, report, signer } = shown
  return [
    {
      label: 'drill',
      text: `${incident} ${incident === 'attack' ? 'seen first at' : 'of'} ${site}`,
      note: 'in memory; no real key or share',
    },
    { label: 'estate', text: `${name}  ${shortId(ceremony)}  ${protocol}` },
    { label: 'clock', text: 'fast: waited times pass at once; measured ones are real; people take none here' },
    { label: 'seed', text: seed, note: 'the same again with --seed' },
    '',
    ...steps.map(
      ({ what, state, limit, waited, measured, met: ok }, at): Line => ({
        label: `step ${at + 1}`,
        text: `${what}: ${state === 'made' ? 'made' : `not made (${state})`}`,
        note: `waited ${seconds(waited)}, measured ${seconds(measured)}${limit === null ? '' : `, of ${limitText(limit)}`}`,
        noteTone: ok ? 'good' : 'bad',
      }),
    ),
    { label: 'end', text: met ? 'every step was met' : 'not met', tone: met ? 'good' : 'bad' },
    report === null
      ? { label: 'report', text: 'none: a report is signed by a home', note: 'name one with --home' }
      : { label: 'report', text: report, note: `signed by ${shortIdentity(signer ?? '')}` },
  ]
}

/** The answer is no where a step was not met. */
export const drillFault = ({ met, steps, incident }: DrillShown): QuorateError | undefined =>
  met
    ? undefined
    : new QuorateError(
        'E_REFUSED',
        `the drill ${incident} was not met: ${steps.at(-1)?.what ?? 'nothing was played'}`,
        'rehearse that ceremony with `quorate rehearse` to see what each site would read; the playbook of the incident says who acts',
      )

const day = (ms: number): string => shortTime(new Date(ms).toISOString()).slice(0, 10)

export const drillsView = ({ drills, refused }: DrillList): Lines => [
  ...drills.map(({ incident, every, last, due, overdue, failedSince }): Line => {
    const met = last === null ? 'never met' : `met ${day(last)}`
    const when = due === null ? 'overdue' : overdue ? `overdue since ${day(due)}` : `due ${day(due)}`
    return {
      label: every,
      text: `${incident.padEnd(20)}${met}${failedSince ? ', not met since' : ''}`,
      note: when,
      noteTone: overdue ? 'bad' : 'good',
    }
  }),
  ...refused.map(({ file, reason }): Line => ({ label: 'uncounted', text: `${file}: ${reason}`, tone: 'warn' })),
]

export const overdueFault = ({ drills }: DrillList): QuorateError | undefined => {
  const overdue = drills.filter((one) => one.overdue).map(({ incident }) => incident)
  if (overdue.length === 0) return undefined
  return new QuorateError(
    'E_REFUSED',
    `overdue: ${overdue.join(', ')}`,
    'whoever keeps the calendar runs `quorate drill run` with --home, and puts its report into the folder of reports',
    { overdue },
  )
}
