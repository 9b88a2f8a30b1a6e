import * as v from 'valibot'
import { commonFields } from '../definition-fields.ts'
import { epochFields } from './epoch-fields.ts'
import type { RecordKind } from './kind.ts'

const schema = v.strictObject({
  kind: v.literal('refresh'),
  ...commonFields,
  ...epochFields,
})
export type RefreshDefinition = v.InferOutput<typeof schema>

const names = ({ sites }: RefreshDefinition) => sites.map((site) => site.name)

/** New shares of the same key for the same sites: all approve, all deal, and each ends with a share. */
export const refresh = {
  schema,
  topic: 'rotate',
  approvals: ({ sites, approvers }) => ({
    all: [...sites.map((site) => site.identity), ...approvers],
    some: [],
    quorum: 0,
  }),
  dealers: names,
  receivers: names,
  replaces: (definition) => ({ threshold: definition.threshold, sites: names(definition) }),
  seats: (definition) => ({ candidates: names(definition), count: definition.sites.length }),
  key: (definition) => definition.key,
  epoch: (definition) => definition.epoch,
  buildsOn: 'record',
  makes: 'key',
} as const satisfies RecordKind<RefreshDefinition>
