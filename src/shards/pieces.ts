import { concat, equal } from '../lib/bytes.ts'
import type { Random } from '../lib/ports.ts'
import { Secret } from '../lib/secret.ts'
import type { Access } from '../records/access.ts'

/** Bytes of a data key, and of each part that it is split into. */
export const DATA_KEY = 32

/** Pieces of a data key by slot, from 1: as many as open the shard. */
export type Pieces = ReadonlyMap<number, Secret>

/** How a data key is cut into one piece a slot, and put together again. */
interface Cut {
  /** Bytes of one piece. */
  readonly length: number
  /** Pieces in slot order. Consumes nothing: the caller wipes the key and the pieces. */
  split(dataKey: Secret, random: Random): readonly Secret[]
  /** undefined where the pieces are of two keys. */
  combine(pieces: Pieces): Secret | undefined
}

const xor = (...parts: readonly Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(DATA_KEY)
  for (const part of parts) for (let at = 0; at < DATA_KEY; at++) out[at] = (out[at] ?? 0) ^ (part[at] ?? 0)
  return out
}

/** The parts that the piece of a slot holds: all but the one of its own number. */
const heldBy = (slot: number): readonly number[] => [1, 2, 3].filter((part) => part !== slot)

/**
 * Replicated secret sharing (Ito, Saito, Nishizeki 1987): the key is the XOR of three parts, and each piece holds all but
 * one of them. Any two pieces hold all three; one alone lacks a part, and says nothing about the key.
 */
const twoOfThree: Cut = {
  length: 2 * DATA_KEY,
  split(dataKey, random) {
    const [first, second] = [random(DATA_KEY), random(DATA_KEY)]
    const parts = [first, second, xor(dataKey.reveal(), first, second)]
    const pieces = [1, 2, 3].map(
      (slot) => new Secret(concat(...heldBy(slot).map((part) => parts[part - 1] as Uint8Array))),
    )
    for (const part of parts) part.fill(0)
    return pieces
  },
  combine(pieces) {
    const parts = new Map<number, Uint8Array>()
    let same = true
    for (const [slot, piece] of pieces)
      for (const [at, part] of heldBy(slot).entries()) {
        const bytes = piece.reveal().subarray(at * DATA_KEY, (at + 1) * DATA_KEY)
        same = equal(parts.get(part) ?? bytes, bytes) && same
        parts.set(part, bytes)
      }
    return same && parts.size === 3 ? new Secret(xor(...parts.values())) : undefined
  },
}

/** The piece is the key. */
const oneKey: Cut = {
  length: DATA_KEY,
  split: (dataKey) => [new Secret(Uint8Array.from(dataKey.reveal()))],
  combine: (pieces) => new Secret(Uint8Array.from((pieces.get(1) as Secret).reveal())),
}

export const cuts: Readonly<Record<Access, Cut>> = { 'one-key': oneKey, 'two-of-three': twoOfThree }
