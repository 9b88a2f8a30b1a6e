/** `npm test` looks at a sample of everything; `npm run test:long` at more; with QUORATE_NIGHTLY=1, at as much as a night allows. */
export const NIGHTLY = process.env['QUORATE_NIGHTLY'] === '1'
export const LONG = NIGHTLY || process.env['QUORATE_LONG'] === '1'

/** Another one at each run (vitest.config.ts), said where a test that draws by it fails; QUORATE_SEED repeats a run. */
export const SEED = Number(process.env['QUORATE_SEED'] ?? 1)

/** How many, by how long people wait. */
export const many = (short: number, long: number, night: number): number => (NIGHTLY ? night : LONG ? long : short)

/** By day `short` of a list, spread over it, others at each run; by `npm run test:long` so many, or all; all of it at night. */
export const inTurn = <T>(all: readonly T[], short: number, long = all.length): readonly T[] => {
  const count = many(short, long, all.length)
  return count >= all.length
    ? all
    : Array.from({ length: count }, (_, n) => all[(SEED + Math.floor((n * all.length) / count)) % all.length] as T)
}

/** A line of counts in a long run's output. A short run is silent when all is well. */
export const report = (line: string): void => {
  if (LONG) process.stdout.write(`${line}\n`)
}
