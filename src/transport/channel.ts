import type { Hash, SiteId } from '../lib/brand.ts'

/** Sealed, reliable and ordered messages to one peer over a lossy wire; one peer, many topics. */
export interface Channel {
  readonly peer: SiteId
  /** Handshake hash of the newest handshake: what attestation signs. Changes when the peer or this side starts anew. */
  readonly binding: Hash
  /** Resolves when the peer's end has it (acknowledged end to end), rejects when the channel is replaced or closed. */
  send(topic: Hash, message: Uint8Array): Promise<void>
}
