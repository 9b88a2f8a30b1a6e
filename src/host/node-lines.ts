/**
 * The day on which each line of Node ends: no security fixes after it. From the schedule of the Node.js release working
 * group, github.com/nodejs/Release, schedule.json, read on 2026-11-28. A line that is not here is newer than this table.
 */
export const nodeLines: Readonly<Record<number, string>> = {
  20: '2026-04-30',
  21: '2024-06-01',
  22: '2027-04-30',
  23: '2025-06-01',
  24: '2028-04-30',
  25: '2026-06-01',
  26: '2029-04-30',
}
/** The line that documents and images name. */
const RECOMMENDED = 24

/** One line where the line of `version` (as 20.20.2) is past its end at `now` in milliseconds since 1970; else undefined. */
export const pastEnd = (version: string, now: number): string | undefined => {
  const line = Number(version.split('.', 1)[0])
  const end = nodeLines[line]
  // The day itself still counts.
  if (end === undefined || now < Date.parse(`${end}T00:00:00Z`) + 86_400_000) return undefined
  return `node ${line} gets no security fixes since ${end}: run this site on node ${RECOMMENDED}`
}
