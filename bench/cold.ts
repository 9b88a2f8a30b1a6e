import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Measurement, measurement, type Sample, type Wanted } from './measure.ts'
import { sampleCommand } from './processes.ts'

const bin = fileURLToPath(new URL('../bin/quorate.js', import.meta.url))
const RUNS = 21

/** What starting costs, beside the cheapest command that oclif itself parses and runs, in the same minute. */
const commands = (folder: string): Readonly<Record<string, readonly string[]>> => ({
  'cold/empty': ['completion', 'bash'],
  'cold/version': ['--version'],
  'cold/status': ['keygen', 'status', '--offline', '--home', join(folder, 'eu')],
  'cold/verify': [
    'audit',
    'verify',
    '--bundle',
    join(folder, 'keygen.bundle'),
    '--trust',
    join(folder, 'trusted-sites.txt'),
  ],
})

export default async (wanted: Wanted): Promise<Measurement[]> => {
  const names = Object.keys(commands('')).filter(wanted)
  if (names.length === 0) return []
  const parent = mkdtempSync(join(tmpdir(), 'quorate-cold-'))
  const folder = join(parent, 'demo')
  const env = { PATH: process.env['PATH'], HOME: parent }
  const samples = new Map<string, Sample[]>(names.map((name) => [name, []]))
  try {
    execFileSync(process.execPath, [bin, 'demo', '--quiet', '--json', '--folder', folder], {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    // In turn, not one after the other: what the machine does besides falls on all alike.
    for (let i = 0; i < RUNS + 2; i++)
      for (const name of names) {
        const sample = await sampleCommand(process.execPath, [bin, ...(commands(folder)[name] ?? [])], env)
        if (i >= 2) samples.get(name)?.push(sample)
      }
  } finally {
    rmSync(parent, { recursive: true, force: true })
  }
  return names.map((name) => measurement(name, samples.get(name) ?? []))
}
