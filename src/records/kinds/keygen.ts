import * as v from 'valibot'
import { commonFields } from '../definition-fields.ts'
import type { RecordKind } from './kind.ts'

const schema = v.strictObject({
  kind: v.literal('keygen'),
  ...commonFields,
  base: v.null('expected null: a keygen builds on nothing'),
})
export type KeygenDefinition = v.InferOutput<typeof schema>

const names = ({ sites }: KeygenDefinition) => sites.map((site) => site.name)

/** All sites approve, all sit, and each ends with a share. */
export const keygen = {
  schema,
  topic: 'keygen',
  approvals: ({ sites, approvers }) => ({
    all: [...sites.map((site) => site.identity), ...approvers],
    some: [],
    quorum: 0,
  }),
  dealers: names,
  receivers: names,
  replaces: () => null,
  seats: (definition) => ({ candidates: names(definition), count: definition.sites.length }),
  key: () => null,
  epoch: () => 1,
  buildsOn: 'nothing',
  makes: 'key',
} as const satisfies RecordKind<KeygenDefinition>
