import * as v from 'valibot'
import { type Codec, jsonCodec } from './codec.ts'
import { base64, hash, identity, label, siteId, sorted } from './fields.ts'

const note = base64(4096)

const promised = v.strictObject({
  /** Canonical JSON of another ceremony's definition. */
  definition: base64(131_072),
  /** Certificates of the message keys that signed what follows. */
  certificates: v.pipe(v.array(base64(8192)), v.maxLength(1024)),
  records: v.pipe(
    v.array(v.strictObject({ name: label, envelope: base64(262_144) })),
    v.minLength(1),
    v.maxLength(256),
  ),
})
/** Records of a site in another ceremony, as a peer kept them: they verify by themselves. */
export type PromisedIn = v.InferOutput<typeof promised>

const readmittedSchema = v.strictObject({
  ceremony: hash,
  attempt: hash,
  site: siteId,
  /** The head of the returning site's ledger that this site remembered, as that one signed it. */
  remembered: v.nullable(note),
  /** Promises of the returning site that this site can prove. */
  promises: v.pipe(v.array(promised), v.maxLength(1024)),
})
/** A site's word that it takes another one back, and all that it can prove that one promised. */
export type Readmitted = v.InferOutput<typeof readmittedSchema>
export const readmittedCodec: Codec<Readmitted> = jsonCodec('readmitted/v1', readmittedSchema, 2 ** 21)

const reboundSchema = v.strictObject({
  ceremony: hash,
  attempt: hash,
  site: siteId,
  /** The head of its ledger in which it has all that it was shown. */
  head: note,
  /** RFC 6962, from the head that the definition names. */
  proof: v.pipe(v.array(hash), v.maxLength(64)),
  /** The words of the others that it took in. */
  took: sorted(hash, 32),
})
/** The returning site's word that it is bound again by what the others showed. */
export type Rebound = v.InferOutput<typeof reboundSchema>
export const reboundCodec: Codec<Rebound> = jsonCodec('rebound/v1', reboundSchema, 16_384)

const peerChainSchema = v.strictObject({
  identity,
  /** The key whose quorum took the site back. */
  key: hash,
  /** The head that its later ones extend. */
  head: note,
  /** The head that was remembered before. */
  before: v.nullable(note),
  /** Other keys that this home shares with the site: there it is still one whose ledger went back. */
  owed: sorted(hash, 4096),
})
/** Body of a ledger's `peer-readmitted`: from here on a peer's heads are another chain. */
export type PeerChain = v.InferOutput<typeof peerChainSchema>
export const peerChainCodec: Codec<PeerChain> = jsonCodec('peer-chain/v1', peerChainSchema, 524_288)
