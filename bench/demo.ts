import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Measurement, measurement, type Sample, type Wanted } from './measure.ts'
import { sampleCommand } from './processes.ts'

const bin = fileURLToPath(new URL('../bin/quorate.js', import.meta.url))
const RUNS = 5

/** The whole demo: relay, three sites, a key, a signature, both bundles verified. CPU is of all its processes. */
export default async (wanted: Wanted): Promise<Measurement[]> => {
  if (!wanted('demo')) return []
  const parent = mkdtempSync(join(tmpdir(), 'quorate-bench-'))
  const samples: Sample[] = []
  try {
    for (let i = 0; i < RUNS; i++) {
      const folder = join(parent, String(i))
      const args = [bin, 'demo', '--quiet', '--json', '--folder', folder]
      samples.push(await sampleCommand(process.execPath, args, { PATH: process.env['PATH'], HOME: parent }))
    }
  } finally {
    rmSync(parent, { recursive: true, force: true })
  }
  return [measurement('demo', samples)]
}
