import * as v from 'valibot'
import type { Hash } from '../lib/brand.ts'
import { toHex } from '../lib/bytes.ts'
import { tupleHash } from '../lib/hash.ts'
import { accessNames } from './access.ts'
import { type Codec, cborCodec } from './codec.ts'
import { protocolIds } from './definition-fields.ts'
import { bytes, hash, hexOf, index, label, line, sorted, whole } from './fields.ts'

const coreSchema = v.strictObject({
  /** The kind of ceremony that made the share. */
  kind: v.picklist(['keygen', 'refresh', 'reshare', 'repair', 'emergency']),
  /** The key: hash of its keygen outcome. */
  key: hash,
  protocol: v.picklist(protocolIds),
  /** Generation of the key's shares, from 1. */
  epoch: whole(1, 1_000_000),
  index,
  threshold: whole(2, 255),
  sites: whole(2, 255),
  /** Public counterpart of the share, in the curve's own encoding. */
  verifyingShare: hexOf(32, 64),
  outcome: hash,
  jurisdiction: line(64),
  /** By which rule the slots open the shard. */
  access: v.picklist(accessNames),
})
/** All that a sealed shard says of itself. */
export type ShardCore = v.InferOutput<typeof coreSchema>
export const shardCoreCodec: Codec<ShardCore> = cborCodec('shard-core/v1', coreSchema, 2048)

const slotSchema = v.strictObject({
  provider: label,
  /** Key and version as the provider returned them. */
  key: line(512),
  version: line(128),
  wrapped: bytes(1, 8192),
  /** SHA-256 of (label, core, slot number, piece): a wrong piece is named before it is used. */
  commitment: bytes(32, 32),
})
export type ShardSlot = v.InferOutput<typeof slotSchema>
const slotsSchema = v.pipe(v.array(slotSchema), v.minLength(1), v.maxLength(8))
/** In slot order; a slot's number is its place, from 1. */
type ShardSlots = v.InferOutput<typeof slotsSchema>
export const shardSlotsCodec: Codec<ShardSlots> = cborCodec('shard-slots/v1', slotsSchema, 65_536)

const ciphertextSchema = v.strictObject({
  salt: bytes(32, 32),
  /** From the same key derivation as the AEAD key: AES-GCM alone commits to no key. */
  commitment: bytes(32, 32),
  /** AES-256-GCM ciphertext and tag. */
  sealed: bytes(17, 4096),
})
type ShardCiphertext = v.InferOutput<typeof ciphertextSchema>
export const shardCiphertextCodec: Codec<ShardCiphertext> = cborCodec('shard-ciphertext/v1', ciphertextSchema, 8192)

/** A sealed shard: the exact bytes of its three parts. */
export interface SealedShard {
  readonly core: Uint8Array
  readonly slots: Uint8Array
  readonly ciphertext: Uint8Array
}

/** The file that holds a shard without its wrapped pieces: core and ciphertext. */
export const shardFileCodec: Codec<[Uint8Array, Uint8Array]> = cborCodec(
  'shard-file/v1',
  v.strictTuple([bytes(1, 2048), bytes(1, 8192)]),
  12_288,
)

/** The file that stands in the place of a destroyed share: its core, and the record that replaced its epoch. */
export const retiredFileCodec: Codec<[Uint8Array, Hash]> = cborCodec(
  'shard-retired/v1',
  v.strictTuple([bytes(1, 2048), hash]),
  4096,
)

/** The file beside a share that was sealed anew: the ceremony in which it was, and the envelope that opens it since. */
export const envelopeFileCodec: Codec<[Hash, Hash]> = cborCodec('shard-envelope/v1', v.strictTuple([hash, hash]), 512)

/** The file beside a share that names each store into which an envelope of it was ever put, and each such envelope. */
export const storesFileCodec: Codec<[string[], Hash[]]> = cborCodec(
  'shard-stores/v1',
  v.strictTuple([sorted(line(512), 256), sorted(hash, 1024)]),
  262_144,
)

/** The file beside a share that names the records which its epoch supersedes, as the definition does. */
export const supersedesFileCodec: Codec<Hash[]> = cborCodec('shard-supersedes/v1', sorted(hash, 32), 4096)

/** The hash that the epoch's record names: H(core, slots, ciphertext). */
export const envelopeHash = ({ core, slots, ciphertext }: SealedShard): Hash =>
  toHex(tupleHash('quorate sealed shard v1', core, slots, ciphertext)) as Hash
