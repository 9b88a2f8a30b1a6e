import { expect } from 'vitest'
import { type Ended, runLine } from './line.ts'
import { argvOf, type Line } from './lines.ts'

/** Nothing that a terminal acts on: no control but the line's end, nothing invisible, nothing that reorders. */
const SAFE = /^(?:[\n\t]|(?![\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}])[\s\S])*$/u
/** An error that fills the screen is read by nobody. */
const MOST_TEXT = 4000
/** Long enough for whatever a line does before it waits for others. */
const PATIENCE_MS = 5000
/** A line that has not ended so long after its stop hangs. */
const HANGS_MS = 120_000

/** Runs a line whose operator stops it where it waits for others, and at the latest after some seconds. */
export const run = async ({ command, flags }: Line): Promise<Ended> => {
  const stop = new AbortController()
  const timers = [setTimeout(() => stop.abort(), PATIENCE_MS)]
  // A relay serves, and a demo runs, until they are stopped.
  if (['demo', 'relay serve'].includes(command.id)) stop.abort()
  const hangs = new Promise<never>((_, reject) => {
    timers.push(setTimeout(() => reject(new Error('it hangs')), HANGS_MS))
  })
  try {
    const told = (text: string): void => {
      if (/^(?:preflight|gather)/.test(text)) timers.push(setTimeout(() => stop.abort(), 20))
    }
    return await Promise.race([runLine(command.id, argvOf(flags), { stop: stop.signal, told }), hangs])
  } finally {
    for (const timer of timers) clearTimeout(timer)
  }
}

/** Faults that no ending of any line may have; those of this one. */
export const faultsOf = ({ exit, fault, stdout, stderr }: Ended, rawStdout = false): readonly string[] => {
  const found: string[] = []
  if (exit === 70) found.push(`a bug: ${(fault?.cause as Error | undefined)?.stack ?? fault?.message}`)
  if (/^\s*at .*:\d+:\d+\)?$/m.test(`${stdout}\n${stderr}`)) found.push('a stack trace')
  if (fault !== undefined && (fault.message.length > MOST_TEXT || fault.hint.length > MOST_TEXT))
    found.push(`an error of ${fault.message.length} characters`)
  if (!SAFE.test(stderr) || (!rawStdout && !SAFE.test(stdout))) found.push('text that a terminal acts on')
  return found
}

export const expectNone = (faults: readonly string[]): void => {
  const shown = faults.slice(0, 20).join('\n')
  expect(faults.length, shown).toBe(0)
}
