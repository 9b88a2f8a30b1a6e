import * as v from 'valibot'
import type { SiteId } from '../../lib/brand.ts'
import { commonFields } from '../definition-fields.ts'
import { whole } from '../fields.ts'
import { epochFields, point, siteNames } from './epoch-fields.ts'
import type { RecordKind } from './kind.ts'

const schema = v.strictObject({
  kind: v.literal('reshare'),
  ...commonFields,
  ...epochFields,
  /** How many sites hold a share afterwards: the first of `sites`. The others only hold one of the old. */
  receivers: whole(2, 32),
  /** The epoch that is replaced, as its outcome says it: a site that holds no share of it has no other word of it. */
  from: v.strictObject({
    threshold: whole(2, 255),
    /** In the order of their indices. */
    sites: siteNames,
    publicKey: point,
    /** In the same order. */
    verifyingShares: v.pipe(v.array(point), v.minLength(2), v.maxLength(32)),
    /** Those of them that deal: as many as sign together, or more. In the same order. */
    dealers: siteNames,
  }),
})
export type ReshareDefinition = v.InferOutput<typeof schema>

const receiversOf = ({ sites, receivers }: ReshareDefinition): readonly SiteId[] =>
  sites.slice(0, receivers).map(({ name }) => name)

/** Receivers and dealers, in the order of the sites. */
const seated = (definition: ReshareDefinition) => {
  const names = new Set([...receiversOf(definition), ...definition.from.dealers])
  return definition.sites.filter(({ name }) => names.has(name))
}

/** Shares of the same key for other sites, or another quorum: those who deal and those who receive approve. */
export const reshare = {
  schema,
  topic: 'rotate',
  approvals: (definition) => ({
    all: [...seated(definition).map(({ identity }) => identity), ...definition.approvers],
    some: [],
    quorum: 0,
  }),
  dealers: ({ from }) => from.dealers,
  receivers: receiversOf,
  replaces: ({ from }) => from,
  seats: (definition) => {
    const candidates = seated(definition).map(({ name }) => name)
    return { candidates, count: candidates.length }
  },
  key: ({ key }) => key,
  epoch: ({ epoch }) => epoch,
  buildsOn: 'record',
  makes: 'key',
} as const satisfies RecordKind<ReshareDefinition>
