import * as v from 'valibot'
import type { SiteId } from '../../lib/brand.ts'
import { commonFields } from '../definition-fields.ts'
import { hash, identity, label, line, siteId, time, whole } from '../fields.ts'
import type { RecordKind } from './kind.ts'

const schema = v.strictObject({
  kind: v.literal('emergency'),
  ...commonFields,
  base: v.null('expected null: a fresh key builds on nothing'),
  /** The old key, which its holders use no more. Their shares stay: what it protects has to be moved. */
  fences: v.strictObject({
    /** Hash of its keygen outcome. */
    key: hash,
    /** Its newest record. */
    base: hash,
    name: label,
    threshold: whole(2, 255),
    /** In the order of their indices; those of them who hold a share of the fresh key too stand in `sites` by their identities. */
    holders: v.pipe(
      v.array(v.strictObject({ name: siteId, identity })),
      v.minLength(2, 'expected two holders or more'),
      v.maxLength(32, 'expected at most 32 holders'),
    ),
    reason: line(280),
    /** Until when a signature of the old key is taken for one that moves what it protects. */
    sweep: time,
  }),
})
export type EmergencyDefinition = v.InferOutput<typeof schema>

const names = ({ sites }: EmergencyDefinition): readonly SiteId[] => sites.map(({ name }) => name)

/**
 * A fresh key by the rule of a key generation; each of its sites that holds a share of the old one promises to leave that
 * alone.
 */
export const emergency = {
  schema,
  topic: 'rotate',
  approvals: ({ sites, approvers }) => ({
    all: [...sites.map(({ identity }) => identity), ...approvers],
    some: [],
    quorum: 0,
  }),
  dealers: names,
  receivers: names,
  replaces: () => null,
  fences: ({ fences }) => fences,
  seats: (definition) => ({ candidates: names(definition), count: definition.sites.length }),
  key: () => null,
  epoch: () => 1,
  buildsOn: 'nothing',
  makes: 'key',
} as const satisfies RecordKind<EmergencyDefinition>
