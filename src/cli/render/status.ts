import type { Status } from '../../ceremony/status.ts'
import type { Hash } from '../../lib/brand.ts'
import { shortId } from '../../records/short-id.ts'
import type { Lines } from '../term.ts'

const ageOf = (ms: number | null): string => {
  if (ms === null) return ''
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds} s ago`
  return seconds < 7200 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`
}

export const statusView = (status: Status): Lines => [
  {
    label: status.kind,
    text: `${status.name}  ${shortId(status.ceremony as Hash)}  as ${status.site}`,
    note: status.phase,
  },
  ...status.members.map((member) => ({
    label: member.name,
    text: `${member.phase.padEnd(13)}${member.approved ? 'approved' : 'not approved'}`,
    note: member.name === status.site ? 'this site' : ageOf(member.age),
  })),
  { label: 'attempts', text: `${status.attempts.signed} of ${status.attempts.of}` },
  ...status.proven.map((site) => ({
    label: 'proven',
    text: `this site holds proof against ${site}`,
    tone: 'bad' as const,
  })),
  ...Object.entries(status.left).map(([name, reason]) => ({ label: 'left', text: `${name}: ${reason}` })),
  ...(status.bundle === null ? [] : [{ label: 'bundle', text: status.bundle }]),
  { label: 'next', text: status.next },
]
