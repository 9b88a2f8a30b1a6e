import * as v from 'valibot'
import { commonFields, kmsKeys } from '../definition-fields.ts'
import { hash, siteId } from '../fields.ts'
import { point } from './epoch-fields.ts'
import type { RecordKind } from './kind.ts'

const schema = v.strictObject({
  kind: v.literal('rewrap'),
  ...commonFields,
  /** The key: hash of its keygen outcome. */
  key: hash,
  /** The record whose share is sealed anew; nothing newer may be there. */
  base: hash,
  /** That epoch, as its outcome says it: witnesses and auditors hold the proof against it. */
  of: v.strictObject({
    publicKey: point,
    /** In the order of the sites. */
    verifyingShares: v.pipe(v.array(point), v.minLength(2), v.maxLength(32)),
  }),
  /** Its share is sealed anew, under the KMS keys of its entry. */
  site: siteId,
  /** The envelope that opens the share until then, and the KMS keys that it lies under. */
  old: v.strictObject({ envelope: hash, kms: kmsKeys }),
  /** Sites that check the proof and cosign it. In the order of the sites. */
  witnesses: v.pipe(
    v.array(siteId),
    v.minLength(1, 'expected a witness'),
    v.maxLength(31, 'expected at most 31 witnesses'),
  ),
})
export type RewrapDefinition = v.InferOutput<typeof schema>

/** The entry of the site whose share is sealed anew; undefined where no site is called so. */
export const rewrappedEntry = ({ site, sites }: RewrapDefinition): RewrapDefinition['sites'][number] | undefined =>
  sites.find(({ name }) => name === site)

/** One site's share under another KMS key: that site approves, and others cosign that it holds the share still. */
export const rewrap = {
  schema,
  topic: 'rotate',
  approvals: (definition) => ({
    all: [...[rewrappedEntry(definition)].flatMap((entry) => entry?.identity ?? []), ...definition.approvers],
    some: [],
    quorum: 0,
  }),
  dealers: () => [],
  receivers: ({ sites }) => sites.map(({ name }) => name),
  seals: ({ site }) => [site],
  replaces: () => null,
  seats: ({ sites, site, witnesses }) => {
    const candidates = sites.map(({ name }) => name).filter((name) => name === site || witnesses.includes(name))
    return { candidates, count: candidates.length }
  },
  key: ({ key }) => key,
  epoch: () => null,
  buildsOn: 'record',
  makes: 'proof',
} as const satisfies RecordKind<RewrapDefinition>
