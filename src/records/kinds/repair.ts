import * as v from 'valibot'
import type { SiteId } from '../../lib/brand.ts'
import { commonFields } from '../definition-fields.ts'
import { epochFields, point, siteNames } from './epoch-fields.ts'
import type { RecordKind } from './kind.ts'

const schema = v.strictObject({
  kind: v.literal('repair'),
  ...commonFields,
  ...epochFields,
  /** The epoch that is mended, as its outcome says it: the new machine has no other word of it. */
  from: v.strictObject({
    /** In the order of their indices. All but the one that lost its share stand in `sites` too, each in the same place. */
    sites: siteNames,
    publicKey: point,
    /** In the same order. */
    verifyingShares: v.pipe(v.array(point), v.minLength(2), v.maxLength(32)),
    /** As many as sign together: they make the lost share again. In the same order. */
    helpers: siteNames,
  }),
})
export type RepairDefinition = v.InferOutput<typeof schema>

const names = ({ sites }: RepairDefinition): readonly SiteId[] => sites.map((site) => site.name)

/** The place, from 0, of the machine that gets the lost share. Lint sees that there is exactly one; −1: there is none. */
export const mendedPlace = ({ sites, from }: RepairDefinition): number =>
  sites.findIndex(({ name }) => !from.sites.includes(name))

/** The same share again, for another machine in the place of a site that lost it; nobody else's share changes. */
export const repair = {
  schema,
  topic: 'recover',
  approvals: ({ sites, approvers }) => ({
    all: [...sites.map((site) => site.identity), ...approvers],
    some: [],
    quorum: 0,
  }),
  dealers: ({ from }) => from.helpers,
  receivers: names,
  replaces: ({ threshold, from }) => ({ threshold, sites: from.sites }),
  seats: (definition) => ({ candidates: names(definition), count: definition.sites.length }),
  key: ({ key }) => key,
  epoch: ({ epoch }) => epoch,
  keepsShares: true,
  buildsOn: 'record',
  makes: 'key',
} as const satisfies RecordKind<RepairDefinition>
