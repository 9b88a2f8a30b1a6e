import type { Log } from '../audit/log.ts'
import type { Home } from '../identity/home.ts'
import type { IdentityKey } from '../identity/identity-key.ts'
import type { KmsKey } from '../kms/port.ts'
import type { Hash } from '../lib/brand.ts'
import type { Clock, Random } from '../lib/ports.ts'
import type { KmsSlot } from '../records/definition-fields.ts'
import type { Card } from '../records/identity.ts'
import type { Recipient } from '../records/kinds/reconstruct.ts'
import type { ShardStore } from '../shards/store.ts'
import type { NoteBoard, Wire } from '../transport/wire.ts'
import type { Authority } from './definition/authority.ts'
import type { KnownHeads } from './peers/ledger-heads.ts'

/** Ports of the machine besides its disk. */
interface Machine {
  readonly clock: Clock
  /** The system's; what is secret comes from `hedged` (hedge.ts), never from here. */
  readonly random: Random
  readonly processId: number
  /** VM generation id, where the platform has one. */
  readonly vmGeneration: Uint8Array | null
  /** Hash over path and SHA-256 of the shipped files and of those of the dependencies. */
  readonly build: Hash
  /** The same of the packages of each cloud that this site's KMS keys or replicas lie in, in the order of the providers. */
  readonly sdks: readonly { readonly provider: string; readonly build: Hash }[]
  /** Name and version of the program that runs this one, as `node 20.20.2`. */
  readonly runtime: string
}

/** One site, its home opened and its identity unlocked: everything that a ceremony takes from outside. */
export interface Site {
  readonly home: Home
  readonly card: Card
  readonly identityKey: IdentityKey
  readonly machine: Machine
  readonly ledger: Log
  /** One for all ceremonies of the home that run. */
  readonly peerHeads: KnownHeads
  readonly shards: ShardStore
  ceremonyLog(ceremony: Hash): Promise<Log>
  /** All relays of the definition at once. */
  connect(authority: Authority): Promise<Wire & NoteBoard>
  kms(slot: KmsSlot): Promise<KmsKey>
  /** Bytes that this recipient alone opens. */
  sealTo(to: Recipient, plain: Uint8Array): Promise<Uint8Array>
}
