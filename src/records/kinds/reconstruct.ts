import * as v from 'valibot'
import { commonFields } from '../definition-fields.ts'
import { base64, hash, hexOf, label, line, siteId } from '../fields.ts'
import type { RecordKind } from './kind.ts'

const point = hexOf(32, 64)

/** Somebody outside of all sites who gets the whole key. Shape only: recipients/ looks at the keys themselves. */
const recipient = v.variant('form', [
  v.strictObject({
    form: v.literal('age'),
    /** As people call it. */
    name: label,
    recipient: v.custom<string>(
      (x) => typeof x === 'string' && /^age1[02-9ac-hj-np-z]{58}$/.test(x),
      'expected an age X25519 recipient: age1…',
    ),
  }),
  v.strictObject({ form: v.literal('x509'), name: label, certificate: base64(4096) }),
])
export type Recipient = v.InferOutput<typeof recipient>

const schema = v.strictObject({
  kind: v.literal('reconstruct'),
  ...commonFields,
  approvers: v.pipe(
    commonFields.approvers,
    v.minLength(2, 'expected two approvers or more, who operate no site of the key'),
  ),
  /** The key: hash of its keygen outcome. */
  key: hash,
  /** The record whose shares are given; nothing newer may be there. */
  base: hash,
  /** That epoch, as its outcome says it: whoever opens the key has no other word of it. */
  of: v.strictObject({
    publicKey: point,
    /** In the order of the sites. */
    verifyingShares: v.pipe(v.array(point), v.minLength(2), v.maxLength(32)),
  }),
  /** Sites that give their share. In the order of the sites. */
  givers: v.pipe(
    v.array(siteId),
    v.minLength(2, 'expected two sites or more'),
    v.maxLength(32, 'expected at most 32 sites'),
  ),
  /** Each of them gets the whole key. */
  recipients: v.pipe(
    v.array(recipient),
    v.minLength(1, 'expected a recipient'),
    v.maxLength(8, 'expected at most 8 recipients'),
  ),
  /** Why the key is no longer kept apart. */
  reason: line(280),
})
export type ReconstructDefinition = v.InferOutput<typeof schema>

const giving = ({ givers, sites }: ReconstructDefinition) => sites.filter(({ name }) => givers.includes(name))

/** The whole key for recipients outside of all sites: those who give their share approve, and two who operate none. */
export const reconstruct = {
  schema,
  topic: 'recover',
  approvals: (definition) => ({
    all: [...giving(definition).map(({ identity }) => identity), ...definition.approvers],
    some: [],
    quorum: 0,
  }),
  dealers: () => [],
  receivers: ({ sites }) => sites.map(({ name }) => name),
  replaces: () => null,
  seats: (definition) => {
    const candidates = giving(definition).map(({ name }) => name)
    return { candidates, count: candidates.length }
  },
  key: ({ key }) => key,
  epoch: () => null,
  buildsOn: 'record',
  makes: 'proof',
} as const satisfies RecordKind<ReconstructDefinition>
