import type { Hash, SiteId } from '../../lib/brand.ts'

const MOST_BYTES = 4 * 2 ** 20
/** Of one peer. A session's own messages are far fewer before it begins here. */
const MOST = 1024

interface Early {
  readonly topic: Hash
  readonly from: SiteId
  readonly message: Uint8Array
}

/** A peer that has all signatures may begin a session before this site has: its messages wait, within bounds. */
export class EarlyMessages {
  #kept: readonly Early[] = []

  keep(early: Early): void {
    const same = this.#kept.filter((one) => one.from === early.from)
    const bytes = same.reduce((sum, one) => sum + one.message.length, 0)
    if (same.length < MOST && bytes + early.message.length <= MOST_BYTES) this.#kept = [...this.#kept, early]
  }

  /** Those of a session that begins; the others are of none that this site will be in. */
  take(topic: Hash): readonly Early[] {
    const mine = this.#kept.filter((one) => one.topic === topic)
    this.#kept = []
    return mine
  }
}
