import * as v from 'valibot'
import { commonFields } from '../definition-fields.ts'
import type { RecordKind } from './kind.ts'

const schema = v.strictObject({ kind: v.literal('probe'), ...commonFields, base: v.null() })
export type ProbeDefinition = v.InferOutput<typeof schema>

const names = ({ sites }: ProbeDefinition) => sites.map((site) => site.name)

/** All sites approve and sit; nobody keeps a share. */
export const probe = {
  schema,
  topic: 'rotate',
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
  epoch: () => null,
  buildsOn: 'nothing',
  makes: 'proof',
} as const satisfies RecordKind<ProbeDefinition>
