/** Counts of the relay since it began. Counts only grow. */
export interface Counts {
  framesIn: number
  bytesIn: number
  framesOut: number
  bytesOut: number
  admitted: number
  refused: number
  notes: number
  /** Frames not passed on: from a stranger, of another sender's name, or to nobody; notes that cannot be kept. */
  dropped: number
  /** Times that a connection was read no further for a while. */
  slowed: number
  /** Connections ended by the relay. */
  cutSlow: number
  cutIdle: number
  cutLate: number
  cutOversize: number
  cutCrowded: number
  /** Held most when memory ran short. */
  cutReclaimed: number
  /** Connections turned away before they were WebSockets. */
  turnedAway: number
}

export const newCounts = (): Counts => ({
  framesIn: 0,
  bytesIn: 0,
  framesOut: 0,
  bytesOut: 0,
  admitted: 0,
  refused: 0,
  notes: 0,
  dropped: 0,
  slowed: 0,
  cutSlow: 0,
  cutIdle: 0,
  cutLate: 0,
  cutOversize: 0,
  cutCrowded: 0,
  cutReclaimed: 0,
  turnedAway: 0,
})

export interface RelayStats extends Readonly<Counts> {
  readonly rooms: number
  /** Connections of members. */
  readonly members: number
  readonly strangers: number
  /** Pieces of strangers' and of floods that wait their turn. */
  readonly queued: number
  /** Bytes waiting for readers, and those of messages that have not come whole. */
  readonly buffered: number
  readonly noteBytes: number
  readonly residentBytes: number
}

const TRAFFIC = [
  'framesIn',
  'bytesIn',
  'framesOut',
  'bytesOut',
  'admitted',
  'refused',
  'notes',
  'rooms',
  'members',
] as const

/** The part that does not say how near to its limits a relay is. */
export const traffic = (stats: RelayStats): Partial<RelayStats> =>
  Object.fromEntries(TRAFFIC.map((name) => [name, stats[name]]))

const GAUGES = ['rooms', 'members', 'strangers', 'queued', 'buffered', 'noteBytes', 'residentBytes'] as const
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** Prometheus text format 0.0.4. Counts and gauges only: no room and no member is named. */
export const prometheus = (stats: Partial<RelayStats>): string => {
  const gauges = new Set<string>(GAUGES)
  return Object.entries(stats)
    .map(([name, value]) => {
      const gauge = gauges.has(name)
      const metric = `quorate_relay_${snake(name)}${gauge ? '' : '_total'}`
      return `# TYPE ${metric} ${gauge ? 'gauge' : 'counter'}\n${metric} ${value}\n`
    })
    .join('')
}
