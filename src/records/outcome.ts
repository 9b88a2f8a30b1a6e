import * as v from 'valibot'
import type { SiteId } from '../lib/brand.ts'
import { type Codec, jsonCodec, readAs, withOlder } from './codec.ts'
import { protocolIds } from './definition-fields.ts'
import { hash, hexOf, index, siteId, whole } from './fields.ts'

const outcomeSchema = v.strictObject({
  ceremony: hash,
  attempt: hash,
  transcript: hash,
  protocol: v.picklist(protocolIds),
  threshold: whole(2, 255),
  /** In the curve's own encoding. */
  publicKey: hexOf(32, 64),
  /** In index order. */
  verifyingShares: v.pipe(v.array(hexOf(32, 64)), v.minLength(2), v.maxLength(32)),
  base: v.nullable(hash),
})
/** The result of a key-changing protocol, before anything is sealed. Its hash at keygen is the key's id. */
export type Outcome = v.InferOutput<typeof outcomeSchema>
export const outcomeCodec: Codec<Outcome> = jsonCodec('outcome/v1', outcomeSchema)

const recordSchema = v.strictObject({
  outcome: hash,
  /** Hashes of the sealed envelopes, in index order. */
  envelopes: v.pipe(v.array(hash), v.minLength(2), v.maxLength(32)),
})
/** Outcome and envelopes: the same bytes at every site, and what everybody votes for. */
export type EpochRecord = v.InferOutput<typeof recordSchema>
export const recordCodec: Codec<EpochRecord> = jsonCodec('record/v1', recordSchema)

const stagedSchema = v.strictObject({
  ceremony: hash,
  attempt: hash,
  site: siteId,
  index,
  outcome: hash,
  envelope: hash,
})
/** "My shard is durable and its envelope has this hash." */
export type Staged = v.InferOutput<typeof stagedSchema>
export const stagedCodec: Codec<Staged> = jsonCodec('staged/v1', stagedSchema)

const possessionSchema = v.strictObject({ ceremony: hash, record: hash, site: siteId, index, proof: hexOf(64, 256) })
/** Schnorr proof by the share reopened from disk through the KMS, over the record's hash. */
export type Possession = v.InferOutput<typeof possessionSchema>
export const possessionCodec: Codec<Possession> = jsonCodec('possession/v1', possessionSchema)

const testSignatureSchema = v.strictObject({
  ceremony: hash,
  record: hash,
  site: siteId,
  signers: v.pipe(v.array(index), v.minLength(2), v.maxLength(32)),
  signature: hexOf(64, 256),
})
/** One signer set's signature over the fixed test message of a record, as one member states it. */
export type TestSignature = v.InferOutput<typeof testSignatureSchema>
export const testSignatureCodec: Codec<TestSignature> = jsonCodec('test-signature/v1', testSignatureSchema)

const readySchema = v.strictObject({ ceremony: hash, site: siteId, record: hash, base: v.nullable(hash) })
/** A site's vote for a record: one a definition, for ever. */
export type Ready = v.InferOutput<typeof readySchema>
export const readyCodec: Codec<Ready> = jsonCodec('ready/v1', readySchema)

const receiptSchema = v.strictObject({ ceremony: hash, site: siteId, record: hash })
/** "The ready set is durable here and the epoch is in use." */
export type Installed = v.InferOutput<typeof receiptSchema>
export const installedCodec: Codec<Installed> = jsonCodec('installed/v1', receiptSchema)

const retiredSchema = v.strictObject({ ceremony: hash, site: siteId, record: hash, base: hash })
/** "My share of `base`, which `record` replaces, is destroyed." */
export type Retired = v.InferOutput<typeof retiredSchema>
export const retiredCodec: Codec<Retired> = jsonCodec('retired/v1', retiredSchema)

const fencedSchema = v.strictObject({ ceremony: hash, site: siteId, key: hash })
/** "This site has suspended `key`, of which it holds a share: its ledger says so, and it opens that share no more." */
export type Fenced = v.InferOutput<typeof fencedSchema>
export const fencedCodec: Codec<Fenced> = jsonCodec('fenced/v1', fencedSchema)

const resultFields = {
  ceremony: hash,
  attempt: hash,
  /** Record of the epoch that signed. */
  base: hash,
  publicKey: hexOf(32, 64),
  /** SHA-256 of the message signed. */
  message: hash,
  signature: hexOf(64, 256),
}
const resultSchema = v.strictObject({
  ...resultFields,
  site: siteId,
  /** Hash of the messages that its site made the signature from; null: it took the signature from another site. */
  transcript: v.nullable(hash),
})
/** A verified signature, as one site states it. `site` is null where the statement names none (v1). */
export type SignResult = Omit<v.InferOutput<typeof resultSchema>, 'site'> & { readonly site: SiteId | null }
export const resultCodec: Codec<SignResult> = withOlder(
  jsonCodec<SignResult>('result/v2', resultSchema),
  readAs(jsonCodec('result/v1', v.strictObject({ ...resultFields, transcript: hash })), (old) => ({
    ...old,
    site: null,
  })),
)

/** The signature alone: equal in the statements of all sites, whichever version they are of. */
export const signatureIn = ({ attempt, base, publicKey, message, signature }: SignResult): string =>
  [attempt, base, publicKey, message, signature].join()
