import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Measurement, measurement, type Sample, type Wanted } from './measure.ts'
import { sampleCommand } from './processes.ts'

const bin = fileURLToPath(new URL('../bin/quorate.js', import.meta.url))
const RUNS = 21

/** What starting costs, beside the cheapest command that oclif itself parses and runs, in the same minute. */
const commands: Readonly<Record<string, readonly string[]>> = {
  'cold/empty': ['completion', 'bash'],
  'cold/version': ['--version'],
  'cold/status': ['keygen', 'status', '--definition', 'none.yaml'],
  'cold/verify': ['audit', 'verify', '--bundle', 'none.bundle'],
}

export default async (wanted: Wanted): Promise<Measurement[]> => {
  const names = Object.keys(commands).filter(wanted)
  const home = mkdtempSync(join(tmpdir(), 'quorate-cold-'))
  const env = { PATH: process.env['PATH'], HOME: home }
  const samples = new Map<string, Sample[]>(names.map((name) => [name, []]))
  try {
    // In turn, not one after the other: what the machine does besides falls on all alike.
    for (let i = 0; i < RUNS + 2; i++)
      for (const name of names) {
        const sample = await sampleCommand(process.execPath, [bin, ...(commands[name] ?? [])], env)
        if (i >= 2) samples.get(name)?.push(sample)
      }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
  return names.map((name) => measurement(name, samples.get(name) ?? []))
}
