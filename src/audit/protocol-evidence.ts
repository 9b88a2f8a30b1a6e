import type { Hash, Index, KeyHex, Party } from '../lib/brand.ts'
import type { Attempt } from '../records/attempt.ts'
import type { Definition } from '../records/definition.ts'
import type { EpochRecord, Outcome } from '../records/outcome.ts'
import type { ProofRules } from '../records/proofs.ts'
import type { Blame, Verdict } from '../records/round.ts'

/** A message of a session, as its sender signed it; `payload` is undefined where only the header was kept. */
export interface LoggedMessage {
  readonly protocol: string
  /** 32 bytes: hash of the attempt, or id of a sub-session. */
  readonly session: Uint8Array
  readonly round: string
  readonly from: Party
  /** 0: to all. */
  readonly to: number
  readonly headerBytes: Uint8Array
  readonly signature: Uint8Array
  readonly payload: Uint8Array | undefined
}

/** The facts that a blame record is judged by. */
interface JudgeFacts {
  readonly definition: Definition
  /** Signed by all its participants; undefined where the claim names none such. */
  readonly attempt: Attempt | undefined
  /** By the hash of their bytes. */
  readonly outcomes: ReadonlyMap<Hash, Outcome>
  readonly records: ReadonlyMap<Hash, EpochRecord>
  readonly message: Uint8Array | undefined
}

/** A session that an attempt runs: its own, or one inside it. */
export interface AttemptSession {
  readonly id: Hash
  readonly protocol: string
  /** Its rounds, without echoes and confirmations. */
  readonly rounds: Readonly<Record<string, 'all' | 'each'>>
  /** Places in the attempt, in party order. */
  readonly members: readonly number[]
  /** Its messages are part of the attempt's transcript. */
  readonly inTranscript: boolean
}

/** Protocols that an attempt may have run. */
export interface AttemptProtocol {
  readonly id: string
  /** The attempt's own first. */
  readonly sessions: readonly AttemptSession[]
  /**
   * Of what makes an epoch: key and verifying shares that its broadcasts give. Throws DecodeError where a proof fails or a
   * message is not here. undefined too where the epoch that it builds on is not here.
   */
  derive?(posts: readonly LoggedMessage[]): {
    readonly publicKey: Uint8Array
    readonly verifyingShares: readonly Uint8Array[]
  }
}

/** Functions of sessions, lint and one protocol that verify needs; all of them pure. */
export interface ProtocolEvidence extends ProofRules {
  /** Protocols that this attempt may have run: today's first, then those that older versions ran. */
  protocolsOf(attempt: Hash, facts: JudgeFacts): readonly [AttemptProtocol, ...AttemptProtocol[]]
  /** Throws DecodeError. */
  readSignedMessage(bytes: Uint8Array): LoggedMessage
  signedBy(post: LoggedMessage, key: KeyHex): boolean
  /** The private messages that a confirmation names, by their headers; none of any other message. */
  confirmedBy(post: LoggedMessage): readonly LoggedMessage[]
  /** Hash over the headers of an attempt's transcript, in any order; echoes and confirmations are left out. */
  transcriptOf(headers: readonly Uint8Array[]): Hash
  /** Sets of indices that give a record's test signatures. */
  testSignerSets(sites: number, threshold: number): readonly (readonly Index[])[]
  judge(blame: Blame, facts: JudgeFacts): Verdict
  /** Faults of a definition, one line each; empty where a site could have approved it. */
  faultsOf(definition: Definition): readonly string[]
}

/** Loads what a definition's protocol needs. */
export type EvidenceOf = (definition: Definition) => Promise<ProtocolEvidence>
