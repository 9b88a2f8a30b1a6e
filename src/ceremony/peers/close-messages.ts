import type { SiteId } from '../../lib/brand.ts'
import type { PeerMessage } from './peer-message.ts'

export type CloseMessage = Extract<PeerMessage, { is: 'log' | 'cosignature' | 'manifest' }>

export interface SaidAtClose {
  readonly from: SiteId
  readonly message: CloseMessage
}

/**
 * Words of peers about closing, the newest of each, also those before this site closes. One place for each peer and
 * each thing that it can say: nobody takes the place of another. Those that were taken in are not looked at again.
 */
export class CloseMessages {
  readonly #newest = new Map<string, SaidAtClose>()
  readonly #open = new Set<SaidAtClose>()

  add(said: SaidAtClose): void {
    const { from, message } = said
    const place = `${from} ${message.is} ${message.is === 'cosignature' ? message.of : ''}`
    const before = this.#newest.get(place)
    if (before !== undefined) this.#open.delete(before)
    this.#newest.set(place, said)
    this.#open.add(said)
  }

  /** Words of a bundle that was kept come before those of now. */
  addFirst(said: readonly SaidAtClose[]): void {
    const now = [...this.#open]
    this.#open.clear()
    for (const one of [...said, ...now]) this.#open.add(one)
  }

  /** All that is still to be taken in, in order. */
  open(): Iterable<SaidAtClose> {
    return this.#open
  }

  taken(said: SaidAtClose): void {
    this.#open.delete(said)
  }

  hasSigned(name: SiteId): boolean {
    return this.#newest.has(`${name} manifest `)
  }
}
