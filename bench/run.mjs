// npm run bench -- [NAME] [--json]
//
// Runs every bench/*.ts whose measurements' names begin with NAME. Each module's default export takes a function that
// says whether a name is wanted and returns measurements: { name, median_ms, min_ms, p95_ms, cpu_ms, n, peak_mib }, or
// counts: { name, bytes }.
import { readdirSync } from 'node:fs'
import { register } from 'node:module'
import { buildIfStale } from '../scripts/build.mjs'

register('../scripts/ts-hooks.mjs', import.meta.url)
await buildIfStale()

const words = process.argv.slice(2)
const json = words.includes('--json')
const wanted = words.find((word) => !word.startsWith('-')) ?? ''
/** A module may hold `sign/frost-ed25519/maths` when `sign` is asked for, and the other way round. */
const filter = (name) => name.startsWith(wanted) || (name.endsWith('/') && wanted.startsWith(name))

const column = (value, digits = 1) => (value === null ? '—' : value.toFixed(digits)).padStart(10)
if (!json)
  console.log(
    `${'name'.padEnd(36)}${['median ms', 'min ms', 'p95 ms', 'cpu ms', 'n', 'peak MiB'].map((head) => head.padStart(10)).join('')}`,
  )

const all = []
for (const file of readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.ts'))
  .sort()) {
  const { default: measureAll } = await import(`./${file}`)
  if (measureAll === undefined) continue
  for (const one of await measureAll(filter)) {
    if (!filter(one.name)) continue
    all.push(one)
    if (!json && one.bytes !== undefined) console.log(`${one.name.padEnd(36)}${String(one.bytes).padStart(14)} bytes`)
    else if (!json) {
      const { name, median_ms, min_ms, p95_ms, cpu_ms, n, peak_mib } = one
      console.log(
        `${name.padEnd(36)}${column(median_ms, 2)}${column(min_ms, 2)}${column(p95_ms, 2)}${column(cpu_ms, 2)}${column(n, 0)}${column(peak_mib)}`,
      )
    }
  }
}
if (json) console.log(JSON.stringify(all, null, 2))
if (all.length === 0) {
  console.error('error   no measurement has such a name\nhint    npm run bench lists them all')
  process.exitCode = 2
}
