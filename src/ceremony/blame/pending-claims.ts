import type { Hash, SiteId } from '../../lib/brand.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Blame } from '../../records/round.ts'
import type { FoundFault } from '../kinds/kind.ts'
import type { Peers } from '../peers/peers.ts'
import { BlameError } from '../session/endings.ts'
import { isProven, type JudgeFacts, publishProof, recordBlame, verdictOn } from './claims.ts'

/** Claims of one peer that wait to be judged. */
const MOST_PENDING_CLAIMS = 4
/** Proofs against one site that this site makes itself: the first convicts it. */
const MOST_PROOFS = 4

/** The proofs that peers show, and those that this site's own records give. */
export class Claims {
  readonly #facts: JudgeFacts
  readonly #peers: Peers
  /** Claims that are undecidable here: what they rest on may still come. */
  readonly #pending = new Map<Hash, { readonly bytes: Uint8Array; readonly from: SiteId | null }>()

  constructor(facts: JudgeFacts, peers: Peers) {
    this.#facts = facts
    this.#peers = peers
  }

  /**
   * A claim that a peer shows is judged here before it is believed, and told on only once it is proven. A refuted one is
   * dropped. One that rests on what is not here yet waits: the peer may be ahead.
   */
  accept(bytes: Uint8Array, from: SiteId | null): BlameError | undefined {
    const { ceremony } = this.#facts
    const hash = hashOf(bytes)
    const held = ceremony.store.blames.get(hash)
    if (held === undefined) return undefined
    const verdict = verdictOn(this.#facts, held.value, hash)
    if (verdict !== 'proven') {
      ceremony.store.blames.delete(hash)
      const waiting = [...this.#pending.values()].filter((one) => one.from === from)
      if (verdict === 'undecidable' && waiting.length < MOST_PENDING_CLAIMS) this.#pending.set(hash, { bytes, from })
      return undefined
    }
    if (!ceremony.closed) ceremony.note('evidence', bytes, held.value.accused)
    this.#peers.broadcast({ is: 'object', name: 'blame', bytes })
    const error = new BlameError(held.value)
    this.#peers.failSession(error, held.value.accused)
    ceremony.store.changed()
    return error
  }

  /** True while a claim waits for a fact that it rests on. */
  get waiting(): boolean {
    return this.#pending.size > 0
  }

  /** Judges again what waits. Returns a proof against a site that may sit in this ceremony. */
  judgePending(): BlameError | undefined {
    const { ceremony } = this.#facts
    const pending = [...this.#pending]
    this.#pending.clear()
    let found: BlameError | undefined
    for (const [, { bytes, from }] of pending)
      if (ceremony.store.admit('blame', bytes, from) !== undefined) found ??= this.accept(bytes, from)
    return found !== undefined && isCandidate(this.#facts, found.blame.accused) ? found : undefined
  }

  /** A proof from this site's own records: ends what it concerns at once, and is published. */
  accuse(blame: Blame): void {
    const { ceremony } = this.#facts
    const held = ceremony.events('evidence').filter((event) => event.site === blame.accused)
    if (held.length >= MOST_PROOFS || !isProven(this.#facts, blame)) return
    // Before anything else happens here: what follows from it must not wait for the disk.
    this.#peers.failSession(new BlameError(blame), blame.accused)
    publishProof(this.#facts, this.#peers, blame).then(
      () => ceremony.store.changed(),
      (error: unknown) => ceremony.fail(error),
    )
  }

  accuseAll(faults: readonly FoundFault[]): void {
    for (const { fault, rest, attempt } of faults) this.accuse(recordBlame(this.#facts.ceremony, fault, rest, attempt))
  }
}

export const isCandidate = ({ ceremony }: JudgeFacts, site: SiteId): boolean =>
  ceremony.authority.candidates.some((member) => member.name === site)
