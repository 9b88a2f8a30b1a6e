import type { Hash, SiteId } from '../../lib/brand.ts'
import { hashOf } from '../../lib/hash.ts'

/** Taken from one peer: many times what the log of a whole ceremony of 32 sites names. */
const MOST_BYTES = 64 * 2 ** 20

/** Bodies that the logs of others name, by hash: asked of them, and taken where they were asked for. */
export class Bodies {
  readonly held = new Map<Hash, Uint8Array>()
  readonly wanted = new Set<Hash>()
  readonly #asked = new Map<SiteId, Set<Hash>>()
  /** Those of them that have not come, from anybody. */
  readonly #missing = new Map<SiteId, Set<Hash>>()
  readonly #taken = new Map<SiteId, number>()

  /** A new channel: its peer may be asked again. */
  connected(site: SiteId): void {
    this.#asked.delete(site)
    this.#missing.delete(site)
  }

  /** Those to be asked of this peer: each once on a channel, whoever else was asked, for that one may never answer. */
  toAsk(of: SiteId, hashes: readonly Hash[]): readonly Hash[] {
    const asked = this.#asked.get(of) ?? new Set<Hash>()
    this.#asked.set(of, asked)
    const missing = this.#missing.get(of) ?? new Set<Hash>()
    this.#missing.set(of, missing)
    const fresh = hashes.filter((hash) => !asked.has(hash))
    for (const hash of fresh) {
      asked.add(hash)
      missing.add(hash)
      this.wanted.add(hash)
    }
    return fresh
  }

  /** True where something that this peer was asked for has not come, from anybody. */
  lacks(of: SiteId): boolean {
    return (this.#missing.get(of)?.size ?? 0) > 0
  }

  /** True where one of them is such a one. */
  someAwaited(of: SiteId, isSuch: (hash: Hash) => boolean): boolean {
    for (const hash of this.#missing.get(of) ?? []) if (isSuch(hash)) return true
    return false
  }

  /** False where nobody asked for it, or too much came from this peer. */
  take(from: SiteId, bytes: Uint8Array): boolean {
    const hash = hashOf(bytes)
    const taken = (this.#taken.get(from) ?? 0) + bytes.length
    if (taken > MOST_BYTES || !this.wanted.delete(hash)) return false
    this.#taken.set(from, taken)
    for (const missing of this.#missing.values()) missing.delete(hash)
    this.held.set(hash, bytes)
    return true
  }
}
