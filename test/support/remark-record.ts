import type { Edit } from './variant.ts'

/** A signed record made for tests: one schema, and one row with its import. */

export const remarkFiles: Readonly<Record<string, string>> = {
  'src/records/remark.ts': `import * as v from 'valibot'
import { type Codec, jsonCodec } from './codec.ts'
import { hash, line, siteId } from './fields.ts'

const schema = v.strictObject({ ceremony: hash, site: siteId, text: line(120) })
/** One remark of a site on a ceremony. */
export type Remark = v.InferOutput<typeof schema>
export const remarkCodec: Codec<Remark> = jsonCodec('remark/v1', schema)
`,
}

const file = 'src/records/record-table.ts'
export const remarkEdits: readonly Edit[] = [
  {
    file,
    find: "import { type Blame, blameCodec } from './round.ts'\n",
    replace:
      "import { type Remark, remarkCodec } from './remark.ts'\nimport { type Blame, blameCodec } from './round.ts'\n",
  },
  {
    file,
    find: '  ready: {\n',
    replace: `  remark: {
    ...ofMessageKey,
    codec: remarkCodec,
    event: 'remark',
    ledger: { what: 'remarked', object: (_value, hash) => hash },
    reported: 'votes.records',
    durable: true,
    logged: 'once',
    most: () => 2,
    twice: { check: 'two-remarks', deed: 'made two remarks' },
  } satisfies RecordRow<Remark>,
  ready: {
`,
  },
]
