import type { Status } from '../../ceremony/status/describe.ts'
import type { Hash } from '../../lib/brand.ts'
import { shortId } from '../../records/short-id.ts'
import type { Lines } from '../term.ts'

const ageOf = (ms: number | null): string => {
  if (ms === null) return ''
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds} s ago`
  return seconds < 7200 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`
}

const MOST_FAILED = 5

const RUNNING = {
  join: 'a join runs',
  other: 'another process runs from this home',
  mute: 'a process holds this home and does not answer',
} as const

export const statusView = (status: Status): Lines => [
  {
    label: status.kind,
    text: `${status.name}  ${shortId(status.ceremony as Hash)}  as ${status.site}`,
    note: status.phase,
  },
  ...status.members.map((member) => ({
    label: member.name,
    text: `${member.phase.padEnd(13)}${member.approved ? 'approved' : member.asked ? 'not approved' : 'joins only'}`,
    note: member.name === status.site ? 'this site' : ageOf(member.age),
  })),
  ...windowLine(status),
  ...(status.unreachable ?? []).map(({ url, why }) => ({ label: 'relay', text: `${url} does not answer`, note: why })),
  ...status.failed.slice(-MOST_FAILED).map(({ number, sites, why }) => ({
    label: `attempt ${number}`,
    text: `${sites.join(', ')}: ${why}`,
    note: 'failed',
  })),
  { label: 'attempts', text: `${status.attempts.signed} of ${status.attempts.of}` },
  ...(status.running === 'no' ? [] : [{ label: 'here', text: RUNNING[status.running] }]),
  ...(status.lastJoin === null || status.lastJoin.code === null
    ? []
    : [
        {
          label: 'last join',
          text: status.lastJoin.message,
          note: `${status.lastJoin.code}, ${ageOf(status.lastJoin.age)}`,
        },
      ]),
  ...status.proofs.map((text) => ({ label: 'proven', text, tone: 'bad' as const })),
  ...Object.entries(status.left).map(([name, reason]) => ({ label: 'left', text: `${name}: ${reason}` })),
  ...(status.bundle === null ? [] : [{ label: 'bundle', text: status.bundle }]),
  ...status.open.map((text) => ({ label: 'open', text })),
  { label: 'next', text: status.next },
]

/** Only where the window is the reason why nothing runs. */
const windowLine = ({ window, phase }: Status): Lines => {
  if (window.is === 'open' || !['drafted', 'approved', 'gathering'].includes(phase)) return []
  return [{ label: 'window', text: window.is === 'early' ? `opens at ${window.opens}` : `closed at ${window.closes}` }]
}
