import * as v from 'valibot'
import type { Hash } from '../../lib/brand.ts'
import { fromHex } from '../../lib/bytes.ts'
import { hashOf } from '../../lib/hash.ts'
import { commonFields } from '../definition-fields.ts'
import { hash, hexOf, line, siteId, whole } from '../fields.ts'
import type { RecordKind } from './kind.ts'

/**
 * The message: the bytes of a file or hex (then `sha256` is over exactly those), or a digest that nobody can decode.
 */
const signMessage = v.variant('form', [
  v.strictObject({ form: v.literal('file'), name: line(255), size: whole(0, 67_108_864), sha256: hash }),
  v.strictObject({ form: v.literal('hex'), size: whole(0, 1_048_576), sha256: hash }),
  /** `blind` says why people sign what they cannot read. */
  v.strictObject({ form: v.literal('digest'), digest: hexOf(20, 64), blind: line(280) }),
])
export type SignMessage = v.InferOutput<typeof signMessage>

/** SHA-256 of the bytes that the protocol signs. */
export const messageHash = (message: SignMessage): Hash =>
  message.form === 'digest' ? hashOf(fromHex(message.digest)) : message.sha256

const schema = v.strictObject({
  kind: v.literal('sign'),
  ...commonFields,
  /** The key: hash of its keygen outcome. */
  key: hash,
  /** The record of the epoch that was newest when this was planned. */
  base: hash,
  message: signMessage,
  /** Names in roster order, or any quorum of the roster. */
  signers: v.union(
    [
      v.literal('any'),
      v.pipe(
        v.array(siteId),
        v.minLength(2, 'expected two signers or more'),
        v.maxLength(32, 'expected at most 32 signers'),
      ),
    ],
    'expected any, or a list of site names',
  ),
})
export type SignDefinition = v.InferOutput<typeof schema>

const named = ({ signers, sites }: SignDefinition) =>
  sites.filter((site) => signers === 'any' || signers.some((name) => name === site.name))

/** The named signers approve and sit; of `any`, a quorum does. */
export const sign = {
  schema,
  topic: 'sign',
  approvals: (definition) => {
    const { signers, approvers, threshold } = definition
    const asked = named(definition).map((site) => site.identity)
    return signers === 'any'
      ? { all: approvers, some: asked, quorum: threshold }
      : { all: [...asked, ...approvers], some: [], quorum: 0 }
  },
  dealers: () => [],
  receivers: ({ sites }) => sites.map((site) => site.name),
  seats: (definition) => {
    const candidates = named(definition).map((site) => site.name)
    return { candidates, count: definition.signers === 'any' ? definition.threshold : candidates.length }
  },
  replaces: () => null,
  key: (definition) => definition.key,
  epoch: () => null,
  buildsOn: 'record',
  makes: 'signature',
} as const satisfies RecordKind<SignDefinition>
