import * as v from 'valibot'
import { commonFields } from '../definition-fields.ts'
import { hash, sorted, whole } from '../fields.ts'
import type { RecordKind } from './kind.ts'

const schema = v.strictObject({
  kind: v.literal('refresh'),
  ...commonFields,
  /** The key: hash of its keygen outcome. */
  key: hash,
  /** The record whose shares are replaced; nothing newer may be there. */
  base: hash,
  /** Number of the epoch that is made; that of the keygen is 1. */
  epoch: whole(2, 1_000_000),
  /** Records of this key that some site voted for and that never came true there: the one that is made replaces them too. */
  supersedes: sorted(hash, 32),
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
