import { hkdfSync } from 'node:crypto'
import type { KmsKey } from '../kms/port.ts'
import { openAead, sealAead } from '../lib/aead.ts'
import type { Hash } from '../lib/brand.ts'
import { equal, toHex, u32 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { tupleHash } from '../lib/hash.ts'
import type { Random } from '../lib/ports.ts'
import { Secret } from '../lib/secret.ts'
import { DecodeError } from '../records/codec.ts'
import {
  envelopeHash,
  type SealedShard,
  type ShardCore,
  type ShardSlot,
  shardCiphertextCodec,
  shardCoreCodec,
  shardSlotsCodec,
} from '../records/sealed-shard.ts'
import { damagedShare } from './damage.ts'

const DATA_KEY = 32

/** The context that the KMS binds to a wrapped piece: this shard, this slot. */
const slotContext = (core: Uint8Array, slot: number): Hash =>
  toHex(tupleHash('quorate shard slot v1', core, u32(slot))) as Hash

const slotCommitment = (core: Uint8Array, slot: number, piece: Secret): Uint8Array =>
  tupleHash('quorate shard piece v1', core, u32(slot), piece.reveal())

/** One derivation a data key, and a data key a shard: the nonce need not be stored. */
const derive = (dataKey: Secret, salt: Uint8Array, binding: Uint8Array) => {
  const out = new Uint8Array(hkdfSync('sha256', dataKey.reveal(), salt, binding, 76))
  return {
    key: out.subarray(0, 32),
    nonce: out.subarray(32, 44),
    commitment: out.slice(44),
    wipe: () => out.fill(0, 0, 44),
  }
}

const bindingOf = (core: Uint8Array, slots: Uint8Array): Uint8Array => tupleHash('quorate shard key v1', core, slots)

/**
 * Seals a share (8 to 4000 bytes) under one KMS key a slot: a fresh data key, wrapped by the KMS, derives the AES-256-GCM
 * key that seals the share. Consumes nothing: the caller wipes the share. Throws E_KMS_DENIED or E_KMS_UNAVAILABLE.
 */
export const sealShard = async (wanted: {
  readonly core: ShardCore
  readonly share: Secret
  /** One, since the access rule is one-key. */
  readonly keys: readonly KmsKey[]
  readonly random: Random
}): Promise<SealedShard> => {
  const [kms] = wanted.keys
  if (kms === undefined || wanted.keys.length !== 1) throw new TypeError('one-key sealing takes one KMS key')
  const core = shardCoreCodec.encode(wanted.core)
  const piece = new Secret(wanted.random(DATA_KEY))
  const wrapped = await kms.wrap(piece, slotContext(core, 1)).catch((error: unknown) => {
    piece.wipe()
    throw error
  })
  const slot: ShardSlot = {
    provider: wrapped.provider,
    key: wrapped.key,
    version: wrapped.version,
    wrapped: wrapped.ciphertext,
    commitment: slotCommitment(core, 1, piece),
  }
  const slots = shardSlotsCodec.encode([slot])
  const salt = wanted.random(32)
  const binding = bindingOf(core, slots)
  const keys = derive(piece, salt, binding)
  const sealed = sealAead(keys.key, keys.nonce, wanted.share.reveal(), binding)
  const ciphertext = shardCiphertextCodec.encode({ salt, commitment: keys.commitment, sealed })
  keys.wipe()
  piece.wipe()
  return { core, slots, ciphertext }
}

const refused = (what: string, cause?: unknown): QuorateError =>
  damagedShare(`the sealed shard does not open: ${what}`, cause)

const decoded = <T>(decode: () => T): T => {
  try {
    return decode()
  } catch (error) {
    throw error instanceof DecodeError ? refused('it is damaged', error) : error
  }
}

/**
 * The key that the slot names. A key file or an alias may have moved since: where no key has that name, those of the same
 * provider, one after the other. The slot's commitment tells whether it was the right one.
 */
const keysFor = (slot: ShardSlot, keys: readonly KmsKey[]): readonly KmsKey[] => {
  const same = keys.filter(({ ref }) => ref.provider === slot.provider)
  const named = same.filter((kms) => isNamed(slot, kms))
  return named.length > 0 ? named : same
}

const isNamed = ({ provider, key }: ShardSlot, { ref }: KmsKey): boolean => ref.provider === provider && ref.key === key

/** None of the keys has the name that the slot says, and none of them opens it. */
const underAnother = ({ provider, key }: ShardSlot, keys: readonly KmsKey[], cause: unknown): QuorateError => {
  const others = keys.map(({ ref }) => `${ref.provider}:${ref.key}`).join(', ')
  return new QuorateError(
    cause instanceof QuorateError ? cause.code : 'E_KMS_UNAVAILABLE',
    `the shard is sealed under ${provider}:${key}, and site.yaml names ${others === '' ? 'no key' : others}`,
    'to move the shard to the key of site.yaml: quorate rotate rewrap, which opens it by the old key; for anything else put the old key back into site.yaml',
    {},
    cause,
  )
}

/** The data key in a slot. Throws E_SHARD, and what the last of the keys throws. */
const unwrapped = async (
  core: Uint8Array,
  number: number,
  slot: ShardSlot,
  keys: readonly KmsKey[],
): Promise<Secret> => {
  const { provider, key, version, wrapped } = slot
  let failure: unknown
  for (const kms of keysFor(slot, keys)) {
    try {
      const piece = await kms.unwrap({ provider, key, version, ciphertext: wrapped }, slotContext(core, number))
      if (piece.length === DATA_KEY && equal(slotCommitment(core, number, piece), slot.commitment)) return piece
      piece.wipe()
      failure = refused('the KMS returned another piece than was wrapped')
    } catch (error) {
      failure = error
    }
  }
  throw keys.some((kms) => isNamed(slot, kms)) ? failure : underAnother(slot, keys, failure)
}

/**
 * The share in an envelope whose hash is `expected`, as the epoch's record names it. Throws E_SHARD where a byte is
 * another, and what the KMS throws.
 */
export const openShard = async (envelope: SealedShard, expected: Hash, keys: readonly KmsKey[]): Promise<Secret> => {
  if (envelopeHash(envelope) !== expected) throw refused('it is not the one that the record names')
  const { core, slots } = envelope
  decoded(() => shardCoreCodec.decode(core))
  const [slot, ...more] = decoded(() => shardSlotsCodec.decode(slots))
  const { salt, commitment, sealed } = decoded(() => shardCiphertextCodec.decode(envelope.ciphertext))
  if (slot === undefined || more.length > 0) throw refused('one-key sealing has one slot')
  const piece = await unwrapped(core, 1, slot, keys)
  try {
    const binding = bindingOf(core, slots)
    const derived = derive(piece, salt, binding)
    try {
      if (!equal(derived.commitment, commitment)) throw refused('its key commitment does not hold')
      const share = openAead(derived.key, derived.nonce, sealed, binding)
      if (share === undefined) throw refused('its ciphertext was changed')
      return new Secret(share)
    } finally {
      derived.wipe()
    }
  } finally {
    piece.wipe()
  }
}
