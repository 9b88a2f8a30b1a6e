import type { KmsKey } from '../kms/port.ts'
import type { Hash } from '../lib/brand.ts'
import { equal, toHex, u32 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { tupleHash } from '../lib/hash.ts'
import type { Secret } from '../lib/secret.ts'
import { type Access, accessRules } from '../records/access.ts'
import type { ShardSlot } from '../records/sealed-shard.ts'
import { damagedShare } from './damage.ts'
import { cuts, type Pieces } from './pieces.ts'

/** The context that the KMS binds to a wrapped piece: this shard, this slot. */
const slotContext = (core: Uint8Array, slot: number): Hash =>
  toHex(tupleHash('quorate shard slot v1', core, u32(slot))) as Hash

const slotCommitment = (core: Uint8Array, slot: number, piece: Secret): Uint8Array =>
  tupleHash('quorate shard piece v1', core, u32(slot), piece.reveal())

/** A piece in a slot, by the KMS key of that slot. Throws what the KMS throws. */
export const wrapPiece = async (core: Uint8Array, number: number, piece: Secret, kms: KmsKey): Promise<ShardSlot> => {
  const { provider, key, version, ciphertext } = await kms.wrap(piece, slotContext(core, number))
  return { provider, key, version, wrapped: ciphertext, commitment: slotCommitment(core, number, piece) }
}

const isNamed = ({ provider, key }: ShardSlot, { ref }: KmsKey): boolean => ref.provider === provider && ref.key === key

/**
 * The key that the slot names. A key file or an alias may have moved since: where no key has that name, those of the same
 * provider, one after the other. The slot's commitment tells whether it was the right one.
 */
const keysFor = (slot: ShardSlot, keys: readonly KmsKey[]): readonly KmsKey[] => {
  const same = keys.filter(({ ref }) => ref.provider === slot.provider)
  const named = same.filter((kms) => isNamed(slot, kms))
  return named.length > 0 ? named : same
}

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

/** An envelope's core and slots, with the rule by which they open. */
export interface Slotted {
  readonly core: Uint8Array
  readonly access: Access
  readonly slots: readonly ShardSlot[]
}

/** The piece in one slot, from 1. Throws E_SHARD, and what the last of the keys throws. */
const unwrapPiece = async (
  { core, access, slots }: Slotted,
  number: number,
  keys: readonly KmsKey[],
): Promise<Secret> => {
  const slot = slots[number - 1] as ShardSlot
  const { provider, key, version, wrapped } = slot
  let failure: unknown
  for (const kms of keysFor(slot, keys)) {
    try {
      const piece = await kms.unwrap({ provider, key, version, ciphertext: wrapped }, slotContext(core, number))
      if (piece.length === cuts[access].length && equal(slotCommitment(core, number, piece), slot.commitment))
        return piece
      piece.wipe()
      failure = damagedShare(
        `the sealed shard does not open: the KMS returned another piece than was wrapped under ${provider}:${key}`,
      )
    } catch (error) {
      failure = error
    }
  }
  throw keys.some((kms) => isNamed(slot, kms)) ? failure : underAnother(slot, keys, failure)
}

/** One slot after the other: undefined where it opens, else the fault of it. */
export const trySlots = async (
  slotted: Slotted,
  keys: readonly KmsKey[],
): Promise<readonly (QuorateError | undefined)[]> =>
  Promise.all(
    slotted.slots.map(async (_, at) => {
      try {
        ;(await unwrapPiece(slotted, at + 1, keys)).wipe()
        return undefined
      } catch (error) {
        if (error instanceof QuorateError) return error
        throw error
      }
    }),
  )

const tooFew = (enough: number, total: number, failures: readonly unknown[]): unknown => {
  const [first] = failures
  const told = failures.filter((failure) => failure instanceof QuorateError)
  // A fault that is none of a KMS is a bug, which no sentence here should cover.
  if (total === 1 || told.length < failures.length) return failures.find((one) => !told.includes(one as never)) ?? first
  const opened = total - failures.length
  return new QuorateError(
    told.find(({ code }) => code === 'E_KMS_UNAVAILABLE')?.code ?? (told[0] as QuorateError).code,
    `${opened === 0 ? 'none' : `only ${opened}`} of the ${total} KMS keys opened its piece of the shard, and ${enough} are needed: ${told.map(({ message }) => message).join('; ')}`,
    `${enough - opened === 1 ? 'one of them more is enough' : `${enough - opened} of them more are needed`}. ${told[0]?.hint ?? ''}`,
    {},
    first,
  )
}

/**
 * Pieces that open the shard: all keys are asked at once, and the first that are enough do, so that a key that is gone
 * costs no wait. `all`: each slot has to open. Throws E_SHARD, E_KMS_DENIED or E_KMS_UNAVAILABLE, which names every slot.
 * The caller wipes them.
 */
export const openPieces = (slotted: Slotted, keys: readonly KmsKey[], wanted: 'enough' | 'all'): Promise<Pieces> => {
  const { slots, enough } = accessRules[slotted.access]
  const needed = wanted === 'all' ? slots : enough
  return new Promise((resolve, reject) => {
    const pieces = new Map<number, Secret>()
    const failures: unknown[] = []
    let settled = 0
    let over = false
    const end = (): void => {
      settled += 1
      if (over || (pieces.size < needed && settled < slots)) return
      over = true
      if (pieces.size >= needed) resolve(pieces)
      else {
        for (const piece of pieces.values()) piece.wipe()
        reject(tooFew(needed, slots, failures))
      }
    }
    for (let number = 1; number <= slots; number++)
      unwrapPiece(slotted, number, keys).then(
        (piece) => {
          if (over) piece.wipe()
          else pieces.set(number, piece)
          end()
        },
        (error: unknown) => {
          failures.push(error)
          end()
        },
      )
  })
}
