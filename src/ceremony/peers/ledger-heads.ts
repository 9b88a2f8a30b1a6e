import type { Checkpoint, Log } from '../../audit/log.ts'
import { verifyConsistency } from '../../audit/merkle.ts'
import { ledgerOrigin, openCheckpoint, parseCheckpoint } from '../../audit/note.ts'
import type { Hash, Identity, KeyHex } from '../../lib/brand.ts'
import { fromHex, fromUtf8, toHex } from '../../lib/bytes.ts'

/**
 * The largest head of each other site's ledger that this site's own ledger holds, by origin. Ceremonies that run at once
 * may note them in another order than they were signed in.
 */
export const rememberedHeads = (ledger: Log): ReadonlyMap<string, Uint8Array> => {
  const heads = new Map<string, Uint8Array>()
  const sizes = new Map<string, number>()
  for (const event of ledger.replay()) {
    const note = event.what === 'peer-ledger' && event.object !== null ? ledger.body(event.object) : undefined
    if (note === undefined) continue
    const { origin, size } = parseCheckpoint(note)
    if (size < (sizes.get(origin) ?? 0)) continue
    sizes.set(origin, size)
    heads.set(origin, note)
  }
  return heads
}

/** A head that this ledger's key signed; undefined for anything else. */
export const openHead = (note: Uint8Array, identity: Identity, keys: readonly KeyHex[]): Checkpoint | undefined => {
  for (const key of keys) {
    try {
      const { size, root } = openCheckpoint(note, ledgerOrigin(identity), key)
      return { size, root: toHex(root) as Hash, note: fromUtf8(note) }
    } catch {
      // Another key's, or no checkpoint at all: the same to the caller.
    }
  }
  return undefined
}

/** True where `head` extends `old`. */
export const extendsHead = (old: Checkpoint, head: Checkpoint, proof: readonly Uint8Array[]): boolean =>
  old.size <= head.size && verifyConsistency(old.size, head.size, fromHex(old.root), fromHex(head.root), proof)
