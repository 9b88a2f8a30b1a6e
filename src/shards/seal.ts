import { hkdfSync } from 'node:crypto'
import type { KmsKey } from '../kms/port.ts'
import { openAead, sealAead } from '../lib/aead.ts'
import type { Hash } from '../lib/brand.ts'
import { equal } from '../lib/bytes.ts'
import type { QuorateError } from '../lib/errors.ts'
import { tupleHash } from '../lib/hash.ts'
import type { Random } from '../lib/ports.ts'
import { Secret } from '../lib/secret.ts'
import { accessRules } from '../records/access.ts'
import { DecodeError } from '../records/codec.ts'
import {
  envelopeHash,
  type SealedShard,
  type ShardCore,
  shardCiphertextCodec,
  shardCoreCodec,
  shardSlotsCodec,
} from '../records/sealed-shard.ts'
import { damagedShare } from './damage.ts'
import { cuts, DATA_KEY } from './pieces.ts'
import { openPieces, type Slotted, wrapPiece } from './slots.ts'

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
 * Seals a share (8 to 4000 bytes) under one KMS key a slot, as the access rule of its core says: a fresh data key, cut into
 * one piece a slot and wrapped by the KMS, derives the AES-256-GCM key that seals the share. Consumes nothing: the caller
 * wipes the share. Throws E_KMS_DENIED or E_KMS_UNAVAILABLE where one of the keys does not wrap its piece.
 */
export const sealShard = async (wanted: {
  readonly core: ShardCore
  readonly share: Secret
  /** In slot order. */
  readonly keys: readonly KmsKey[]
  readonly random: Random
}): Promise<SealedShard> => {
  const { access } = wanted.core
  if (wanted.keys.length !== accessRules[access].slots)
    throw new TypeError(`${access} sealing takes another number of KMS keys than ${wanted.keys.length}`)
  const core = shardCoreCodec.encode(wanted.core)
  const dataKey = new Secret(wanted.random(DATA_KEY))
  const pieces = cuts[access].split(dataKey, wanted.random)
  try {
    const wrapped = await Promise.allSettled(
      wanted.keys.map((kms, at) => wrapPiece(core, at + 1, pieces[at] as Secret, kms)),
    )
    const refused = wrapped.find((one) => one.status === 'rejected')
    if (refused !== undefined) throw refused.reason
    const slots = shardSlotsCodec.encode(wrapped.flatMap((one) => (one.status === 'fulfilled' ? one.value : [])))
    const salt = wanted.random(32)
    const binding = bindingOf(core, slots)
    const keys = derive(dataKey, salt, binding)
    const sealed = sealAead(keys.key, keys.nonce, wanted.share.reveal(), binding)
    const ciphertext = shardCiphertextCodec.encode({ salt, commitment: keys.commitment, sealed })
    keys.wipe()
    return { core, slots, ciphertext }
  } finally {
    for (const one of [dataKey, ...pieces]) one.wipe()
  }
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

const slottedIn = ({ core, slots: bytes }: SealedShard): Slotted => {
  const { access } = decoded(() => shardCoreCodec.decode(core))
  const slots = decoded(() => shardSlotsCodec.decode(bytes))
  if (slots.length !== accessRules[access].slots)
    throw refused(`${access} sealing has ${accessRules[access].slots} slots`)
  return { core, access, slots }
}

/** The data key, from as many slots as are enough, or from all. */
const openDataKey = async (slotted: Slotted, keys: readonly KmsKey[], wanted: 'enough' | 'all'): Promise<Secret> => {
  const pieces = await openPieces(slotted, keys, wanted)
  try {
    const dataKey = cuts[slotted.access].combine(pieces)
    if (dataKey === undefined) throw refused('its pieces are of two keys')
    return dataKey
  } finally {
    for (const piece of pieces.values()) piece.wipe()
  }
}

/**
 * The share in an envelope whose hash is `expected`, as the epoch's record names it, by as many of its slots as are enough;
 * `all`: each of them has to open, as it must when the shard was just sealed. Throws E_SHARD where a byte is another, and
 * what the KMS throws.
 */
export const openShard = async (
  envelope: SealedShard,
  expected: Hash,
  keys: readonly KmsKey[],
  wanted: 'enough' | 'all' = 'enough',
): Promise<Secret> => {
  if (envelopeHash(envelope) !== expected) throw refused('it is not the one that the record names')
  const { core, slots } = envelope
  const slotted = slottedIn(envelope)
  const { salt, commitment, sealed } = decoded(() => shardCiphertextCodec.decode(envelope.ciphertext))
  const dataKey = await openDataKey(slotted, keys, wanted)
  try {
    const binding = bindingOf(core, slots)
    const derived = derive(dataKey, salt, binding)
    try {
      if (!equal(derived.commitment, commitment)) throw refused('its key commitment does not hold')
      const share = openAead(derived.key, derived.nonce, sealed, binding)
      if (share === undefined) throw refused('its ciphertext was changed')
      return new Secret(share)
    } finally {
      derived.wipe()
    }
  } finally {
    dataKey.wipe()
  }
}
