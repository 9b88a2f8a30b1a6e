import type { Checkpoint, Log } from '../../audit/log.ts'
import { verifyConsistency } from '../../audit/merkle.ts'
import { ledgerOrigin, openCheckpoint, parseCheckpoint } from '../../audit/note.ts'
import type { Hash, Identity, KeyHex } from '../../lib/brand.ts'
import { fromHex, fromUtf8, toHex } from '../../lib/bytes.ts'

/**
 * The newest head of each other site's ledger that one home knows: from its own ledger, and from all of its ceremonies that
 * run. Each head that is taken in was proven to extend the one before, so the heads of a site are one chain, and two copies
 * of a home cannot go on in two ways in two ceremonies at once.
 */
export class KnownHeads {
  readonly #newest = new Map<string, Checkpoint>()

  /** Ceremonies that ran at once may have noted heads in another order than they were signed in: the largest counts. */
  constructor(ledger: Log) {
    for (const event of ledger.replay()) {
      const note = event.what === 'peer-ledger' && event.object !== null ? ledger.body(event.object) : undefined
      if (note === undefined) continue
      // Verified when it was taken in.
      const { origin, size, root } = parseCheckpoint(note)
      if (size < (this.#newest.get(origin)?.size ?? 0)) continue
      this.#newest.set(origin, { size, root: toHex(root) as Hash, note: fromUtf8(note) })
    }
  }

  of(identity: Identity): Checkpoint | undefined {
    return this.#newest.get(ledgerOrigin(identity))
  }

  /** Only a head that extends the newest one. */
  take(identity: Identity, head: Checkpoint): void {
    this.#newest.set(ledgerOrigin(identity), head)
  }
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
