import * as v from 'valibot'
import type { Identity } from '../../lib/brand.ts'
import { commonFields } from '../definition-fields.ts'
import { hash, line, siteId, whole } from '../fields.ts'
import type { RecordKind } from './kind.ts'

const schema = v.strictObject({
  kind: v.literal('readmit'),
  ...commonFields,
  /** The key whose quorum decides: hash of its keygen outcome. */
  key: hash,
  /** The record of the epoch that the sites hold; the site that returns holds its share too. */
  base: hash,
  /** The site whose ledger went back. Its own approval is its signed word for the head below. */
  returning: siteId,
  /** The head of its ledger as it is now: what it shows from now on extends this one. */
  ledger: v.strictObject({ size: whole(1, 2 ** 40), root: hash }),
  /** Sites that take it back and show it what it promised. In the order of the sites. */
  helpers: v.pipe(
    v.array(siteId),
    v.minLength(2, 'expected two sites or more'),
    v.maxLength(31, 'expected at most 31 sites'),
  ),
  /** Why its ledger went back. */
  reason: line(280),
})
export type ReadmitDefinition = v.InferOutput<typeof schema>

/** Undefined where no site is called so. */
export const returningIdentity = ({ sites, returning }: ReadmitDefinition): Identity | undefined =>
  sites.find(({ name }) => name === returning)?.identity

/** A site whose ledger went back takes part again: it approves with its new head, and a quorum of the others. */
export const readmit = {
  schema,
  topic: 'recover',
  approvals: ({ sites, returning, approvers, threshold }) => ({
    all: [...sites.filter(({ name }) => name === returning).map(({ identity }) => identity), ...approvers],
    some: sites.filter(({ name }) => name !== returning).map(({ identity }) => identity),
    quorum: threshold,
  }),
  dealers: () => [],
  receivers: ({ sites }) => sites.map(({ name }) => name),
  replaces: () => null,
  seats: ({ sites, returning, helpers }) => {
    const candidates = sites.map(({ name }) => name).filter((name) => name === returning || helpers.includes(name))
    return { candidates, count: candidates.length }
  },
  key: ({ key }) => key,
  epoch: () => null,
  opensNoShare: true,
  buildsOn: 'record',
  makes: 'proof',
} as const satisfies RecordKind<ReadmitDefinition>
