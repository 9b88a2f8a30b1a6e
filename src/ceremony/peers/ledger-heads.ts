import type { LogView } from '../../audit/disk-log.ts'
import type { Checkpoint } from '../../audit/log.ts'
import { verifyConsistency } from '../../audit/merkle.ts'
import { ledgerOrigin, openCheckpoint, parseCheckpoint } from '../../audit/note.ts'
import type { Hash, Identity, KeyHex } from '../../lib/brand.ts'
import { fromBase64, fromHex, fromUtf8, toHex } from '../../lib/bytes.ts'
import { type PeerChain, peerChainCodec } from '../../records/readmission.ts'

/** The heads of one site's ledger. */
interface Chain {
  readonly newest: Checkpoint | undefined
  /** Readmissions of the site that this home had a part in: each begins another chain. */
  readonly readmittedBy: readonly Hash[]
  /** The head that was remembered before the last of them, and the keys whose quorum has not taken the site back. */
  readonly before: Checkpoint | undefined
  readonly owed: readonly Hash[]
}

const FIRST: Chain = { newest: undefined, readmittedBy: [], before: undefined, owed: [] }

/** Verified when it was taken in. */
const headIn = (note: Uint8Array): Checkpoint & { readonly origin: string } => {
  const { origin, size, root } = parseCheckpoint(note)
  return { origin, size, root: toHex(root) as Hash, note: fromUtf8(note) }
}

/**
 * The newest head of each other site's ledger that one home knows: from its own ledger, and from all of its ceremonies that
 * run. Each head that is taken in was proven to extend the one before, so the heads of a site are one chain, and two copies
 * of a home cannot go on in two ways in two ceremonies at once. Only a readmission puts another chain in its place.
 */
export class KnownHeads {
  readonly #chains = new Map<string, Chain>()
  /** Sites that return in a ceremony with a ledger that goes on from the head known here: to this home none went back. */
  readonly #goingOn = new Set<string>()

  /** Ceremonies that ran at once may have noted heads in another order than they were signed in: the largest counts. */
  constructor(ledger: Pick<LogView, 'replay' | 'body'>) {
    for (const event of ledger.replay()) {
      const body = event.object === null ? undefined : ledger.body(event.object)
      if (body === undefined) continue
      if (event.what === 'peer-readmitted' && event.ceremony !== null)
        this.readmit(event.ceremony, peerChainCodec.decode(body))
      if (event.what !== 'peer-ledger') continue
      const { origin, ...head } = headIn(body)
      const chain = this.#chains.get(origin) ?? FIRST
      if (head.size >= (chain.newest?.size ?? 0)) this.#chains.set(origin, { ...chain, newest: head })
    }
  }

  #chain(identity: Identity): Chain {
    return this.#chains.get(ledgerOrigin(identity)) ?? FIRST
  }

  of(identity: Identity): Checkpoint | undefined {
    return this.#chain(identity).newest
  }

  /** Only a head that extends the newest one. */
  take(identity: Identity, head: Checkpoint): void {
    this.#chains.set(ledgerOrigin(identity), { ...this.#chain(identity), newest: head })
  }

  /** From here on the site's heads extend the one that it was taken back with, and never again the one before. */
  readmit(ceremony: Hash, { identity, head, before, owed }: PeerChain): void {
    const { origin: _, ...newest } = headIn(fromBase64(head))
    const last = before === null ? undefined : headIn(fromBase64(before))
    const readmittedBy = [...this.#chain(identity).readmittedBy, ceremony]
    this.#chains.set(ledgerOrigin(identity), { newest, readmittedBy, before: last, owed })
  }

  /** A site that is to be taken back in a ceremony proved that its ledger goes on from the newest head known here. */
  notePeerGoesOn(identity: Identity, ceremony: Hash): void {
    this.#goingOn.add(`${identity} ${ceremony}`)
  }

  goesOn(identity: Identity, ceremony: Hash): boolean {
    return this.of(identity) === undefined || this.#goingOn.has(`${identity} ${ceremony}`)
  }

  hasReadmitted(identity: Identity, ceremony: Hash): boolean {
    return this.#chain(identity).readmittedBy.includes(ceremony)
  }

  /** Which of the chains of a site its heads are of now: a head of an earlier one counts no more. */
  generation(identity: Identity): number {
    return this.#chain(identity).readmittedBy.length
  }

  /** The head that a site contradicts for a key whose quorum has not taken it back; undefined where there is none. */
  refusedFor(identity: Identity, key: Hash | null): Checkpoint | undefined {
    const { before, owed } = this.#chain(identity)
    return key !== null && owed.includes(key) ? before : undefined
  }

  /** Keys for which a site is refused, and the head that it contradicts there. */
  owedBy(identity: Identity): Pick<Chain, 'before' | 'owed'> {
    return this.#chain(identity)
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
