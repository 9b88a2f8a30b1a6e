import * as v from 'valibot'
import type { SiteId } from '../../lib/brand.ts'
import { commonFields } from '../definition-fields.ts'
import { hash, hexOf, siteId, sorted, whole } from '../fields.ts'
import type { RecordKind } from './kind.ts'

const point = hexOf(32, 64)
const names = v.pipe(
  v.array(siteId),
  v.minLength(2, 'expected two sites or more'),
  v.maxLength(32, 'expected at most 32 sites'),
)

const schema = v.strictObject({
  kind: v.literal('reshare'),
  ...commonFields,
  /** The key: hash of its keygen outcome. */
  key: hash,
  /** The record whose shares are replaced; nothing newer may be there. */
  base: hash,
  /** Number of the epoch that is made; that of the keygen is 1. */
  epoch: whole(2, 1_000_000),
  /** Records of this key that some site voted for and that never came true there: the one that is made replaces them too. */
  supersedes: sorted(hash, 32),
  /** How many sites hold a share afterwards: the first of `sites`. The others only hold one of the old. */
  receivers: whole(2, 32),
  /** The epoch that is replaced, as its outcome says it: a site that holds no share of it has no other word of it. */
  from: v.strictObject({
    threshold: whole(2, 255),
    /** In the order of their indices. */
    sites: names,
    publicKey: point,
    /** In the same order. */
    verifyingShares: v.pipe(v.array(point), v.minLength(2), v.maxLength(32)),
    /** Those of them that deal: as many as sign together, or more. In the same order. */
    dealers: names,
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
