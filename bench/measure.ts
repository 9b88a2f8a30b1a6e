/** One measured thing. CPU is of the process (or processes) that did it; peak_mib is null where nobody looked. */
export interface Measurement {
  readonly name: string
  readonly median_ms: number
  readonly min_ms: number
  /** Nineteen of twenty were no slower. */
  readonly p95_ms: number
  readonly cpu_ms: number
  readonly n: number
  readonly peak_mib: number | null
}
/** Bytes that something takes: a count, and no time. */
export interface Traffic {
  readonly name: string
  readonly bytes: number
}
export type Wanted = (name: string) => boolean
export interface Sample {
  readonly ms: number
  readonly cpu: number
  readonly peak: number | null
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low, high] = [sorted[middle - 1] ?? Number.NaN, sorted[middle] ?? Number.NaN]
  return sorted.length % 2 === 1 ? high : (low + high) / 2
}

export const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN

const round = (value: number): number => Math.round(value * 1000) / 1000

export const measurement = (name: string, samples: readonly Sample[]): Measurement => {
  const peaks = samples.map(({ peak }) => peak).filter((peak) => peak !== null)
  return {
    name,
    median_ms: round(median(samples.map(({ ms }) => ms))),
    min_ms: round(Math.min(...samples.map(({ ms }) => ms))),
    p95_ms: round(
      percentile(
        samples.map(({ ms }) => ms),
        0.95,
      ),
    ),
    cpu_ms: round(median(samples.map(({ cpu }) => cpu))),
    n: samples.length,
    peak_mib: peaks.length === 0 ? null : round(Math.max(...peaks)),
  }
}

/** In this process: `n` runs after `warm` ones that do not count. */
export const measure = async (name: string, n: number, work: () => unknown, warm = 2): Promise<Measurement> => {
  for (let i = 0; i < warm; i++) await work()
  const samples: Sample[] = []
  for (let i = 0; i < n; i++) {
    const cpu = process.cpuUsage()
    const begun = process.hrtime.bigint()
    await work()
    const ms = Number(process.hrtime.bigint() - begun) / 1e6
    const used = process.cpuUsage(cpu)
    samples.push({ ms, cpu: (used.user + used.system) / 1000, peak: process.memoryUsage().rss / 2 ** 20 })
  }
  return measurement(name, samples)
}
