import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { memoryChain } from '../test/support/bundles.ts'
import { type DraftEvent, forge } from '../test/support/forge.ts'
import { type Measurement, measurement, type Sample, type Wanted } from './measure.ts'
import { sampleCommand } from './processes.ts'

const bin = fileURLToPath(new URL('../bin/quorate.js', import.meta.url))
const RUNS = 5

/** A valid bundle of about this many events: three sites that came back again and again before they closed. */
const bundleOf = async (chain: Awaited<ReturnType<typeof memoryChain>>, events: number): Promise<Uint8Array> =>
  forge(chain, chain.keygenBundle, (draft) => {
    for (const [site, log] of draft.logs) {
      const joined = log.find(({ what }) => what === 'joined')
      const missing = Math.ceil(events / draft.logs.size) - log.length
      if (joined === undefined || missing <= 0) continue
      const more = Array.from({ length: missing }, (_, n): DraftEvent => ({ ...joined, at: joined.at + n }))
      const closing = log.pop()
      draft.logs.set(site, [...log, ...more, ...(closing === undefined ? [] : [closing])])
    }
  })

/** The command as an auditor runs it, from start to exit; a small bundle beside it shows what does not grow. */
export default async (wanted: Wanted): Promise<Measurement[]> => {
  const sizes = [1_000, 100_000].filter((size) => wanted(`verify/${size}`))
  if (sizes.length === 0) return []
  const folder = mkdtempSync(join(tmpdir(), 'quorate-verify-'))
  const env = { PATH: process.env['PATH'], HOME: folder }
  try {
    const chain = await memoryChain()
    const all: Measurement[] = []
    for (const size of sizes) {
      const path = join(folder, `${size}.bundle`)
      writeFileSync(path, await bundleOf(chain, size))
      const samples: Sample[] = []
      const args = [bin, 'audit', 'verify', '--bundle', path, '--trust-stated']
      // Throws where the verdict is not `valid`: a refusal could be quick.
      execFileSync(process.execPath, args, { env, stdio: 'ignore' })
      for (let i = 0; i < RUNS; i++) samples.push(await sampleCommand(process.execPath, args, env))
      all.push(measurement(`verify/${size}`, samples))
    }
    return all
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
