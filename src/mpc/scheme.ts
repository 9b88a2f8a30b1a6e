import type { Hash, Index, Party } from '../lib/brand.ts'
import type { Random } from '../lib/ports.ts'
import type { Secret } from '../lib/secret.ts'
import type { ProtocolId } from '../records/definition-fields.ts'
import type { JudgedMessage, Protocol, ProtocolRules, Rounds } from './mailbox.ts'

/** Public facts before a key generation. A party's place is the index of its share. */
export interface KeygenContext {
  readonly threshold: number
  readonly parties: number
}
export interface KeygenPublic {
  /** Encoded element; compressed with its Y also for BIP-340, after the BIP-341 tweak. */
  readonly publicKey: Uint8Array
  /** Encoded elements in index order: share·G. */
  readonly verifyingShares: readonly Uint8Array[]
}
export interface KeygenOutput extends KeygenPublic {
  /** Encoded scalar. */
  readonly share: Secret
}

/** Public facts before the shares of a key are made anew for the same sites. A party's place is the index of its share. */
export interface RefreshContext {
  readonly threshold: number
  readonly parties: number
  readonly publicKey: Uint8Array
  /** Of the old epoch, in index order. */
  readonly verifyingShares: readonly Uint8Array[]
}
export interface RefreshInput extends RefreshContext {
  /** Of the old epoch. */
  readonly share: Secret
}

/** A place in the session, and the index of the share that its site has. */
export interface ShareHolder {
  readonly party: Party
  readonly index: Index
}

/** Public facts before the shares of a key are dealt anew to another roster or for another threshold. */
export interface ReshareContext {
  readonly publicKey: Uint8Array
  /** Of the old epoch, in index order. */
  readonly verifyingShares: readonly Uint8Array[]
  readonly oldThreshold: number
  /** At least an old threshold of old sites, indices ascending. */
  readonly dealers: readonly ShareHolder[]
  /** The n-th gets index n of the new epoch. A party that is neither dealer nor receiver looks on. */
  readonly receivers: readonly Party[]
  /** Of the new epoch. */
  readonly threshold: number
}
export interface ReshareInput extends ReshareContext {
  /** Of the old epoch: dealers have one, and nobody else. */
  readonly share: Secret | undefined
}
export interface ReshareOutput extends KeygenPublic {
  /** Of the new epoch: receivers get one, and nobody else. */
  readonly share: Secret | undefined
}

/** Public facts before a lost share is made again, the same as it was. */
export interface RepairContext {
  readonly publicKey: Uint8Array
  /** Of the whole roster, in index order. */
  readonly verifyingShares: readonly Uint8Array[]
  readonly threshold: number
  /** Exactly as many as the threshold. A party that is neither helper nor mended looks on. */
  readonly helpers: readonly ShareHolder[]
  readonly mended: ShareHolder
}
export interface RepairInput extends RepairContext {
  /** Helpers have one, and nobody else. */
  readonly share: Secret | undefined
}
export interface RepairOutput {
  /** At the mended site alone. */
  readonly share: Secret | undefined
}

/** Public facts before a signature. */
export interface SignContext {
  readonly threshold: number
  /** As key generation gave it. */
  readonly publicKey: Uint8Array
  /** Each party's index, in party order. */
  readonly indices: readonly Index[]
  /** Of the whole roster, in index order. */
  readonly verifyingShares: readonly Uint8Array[]
  /** undefined only for a judge that does not have it. */
  readonly message: Uint8Array | undefined
}
export interface SignInput extends SignContext {
  readonly message: Uint8Array
  /** Encoded scalar. */
  readonly share: Secret
}
export interface SignOutput {
  /** Ed25519 and Ed448 as RFC 8032, BIP-340, otherwise RFC 9591 appendix A. */
  readonly signature: Uint8Array
}

/** The rules of a protocol that makes a key, or new shares of one. */
export interface KeyRules<R extends Rounds, Context> extends ProtocolRules<R, Context> {
  /**
   * Key and verifying shares that the broadcasts of a whole session give; every check is run again. Throws DecodeError
   * that names the party whose message fails one, or the value that no key may have.
   */
  derive(context: Context, session: Hash, messages: readonly JudgedMessage[]): KeygenPublic
}
export type KeyProtocol<R extends Rounds, Context, In extends Context, Out> = KeyRules<R, Context> &
  Protocol<R, Context, In, Out>

/** All that one protocol id can do, over the fastest backend that this machine has. */
export interface Scheme {
  readonly id: ProtocolId
  readonly keygen: KeyProtocol<Rounds, KeygenContext, KeygenContext, KeygenOutput>
  readonly refresh: KeyProtocol<Rounds, RefreshContext, RefreshInput, KeygenOutput>
  readonly reshare: KeyProtocol<Rounds, ReshareContext, ReshareInput, ReshareOutput>
  readonly repair: KeyProtocol<Rounds, RepairContext, RepairInput, RepairOutput>
  readonly sign: Protocol<Rounds, SignContext, SignInput, SignOutput>
  /** Protocols that older versions ran under this id: their bundles are read by these, and nothing runs them. */
  readonly past: { readonly keygen: readonly KeyRules<Rounds, KeygenContext>[] }
  /** Strict; never throws. */
  verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** Proves, for one context (a record's hash), that whoever runs this holds the share of `index`. Throws RangeError for what is no share. */
  provePossession(share: Secret, index: Index, context: Hash, random: Random): Uint8Array
  /** Never throws: what does not decode proves nothing. */
  verifyPossession(verifyingShare: Uint8Array, index: Index, context: Hash, proof: Uint8Array): boolean
  /** The key as its users show it: x only for BIP-340, as it is otherwise. */
  shownKey(publicKey: Uint8Array): Uint8Array
}
