import { readFileSync } from 'node:fs'
import type { Edit } from './variant.ts'

/** A kind of ceremony made for tests: one small file a layer (test/variants/probe), and its lines in each table. */

export const layers = ['records', 'ceremony', 'audit', 'cli'] as const

export const fileOf = (layer: (typeof layers)[number]): string => `src/${layer}/kinds/probe.ts`

export const probeFiles: Readonly<Record<string, string>> = Object.fromEntries(
  layers.map((layer) => [
    fileOf(layer),
    readFileSync(new URL(`../variants/probe/${layer}.ts`, import.meta.url), 'utf8'),
  ]),
)

/** A line of import and one in the table, in each layer. */
export const probeEdits: readonly Edit[] = layers.flatMap((layer) => {
  const file = `src/${layer}/kinds/index.ts`
  return [
    { file, find: "from './sign.ts'\n", replace: "from './sign.ts'\nimport { probe } from './probe.ts'\n" },
    { file, find: ' keygen,', replace: ' probe, keygen,' },
  ]
})
