import type { Hash, Party } from '../lib/brand.ts'
import type { ErrorCode } from '../lib/errors.ts'
import type { Random } from '../lib/ports.ts'
import type { Codec } from '../records/codec.ts'
import type { Verdict } from '../records/round.ts'

/** How one round goes over the wire. The payload's size limit is the codec's. */
export interface Round<T, To extends 'all' | 'each'> {
  readonly codec: Codec<T>
  /** 'all': one broadcast; 'each': one private message a peer. */
  readonly to: To
  /**
   * How honest parties learn that they hold the same broadcasts: 'round' exchanges signed vectors before the round
   * ends; 'rides' sends this party's vector with the NEXT broadcast, and all vectors are compared before that next
   * round returns; 'none' where nothing secret depends on it.
   */
  readonly echo: 'round' | 'rides' | 'none'
  /** Longest wait for this round's messages, in seconds; without it, the one that the definition gives to every round. */
  readonly seconds?: number
}
// biome-ignore lint/suspicious/noExplicitAny: rounds of any payload
export type Rounds = Readonly<Record<string, Round<any, 'all' | 'each'>>>
export type Payload<R extends Rounds, K extends keyof R> = R[K] extends Round<infer T, 'all' | 'each'> ? T : never
export type Broadcasts<R extends Rounds> = { [K in keyof R]: R[K]['to'] extends 'all' ? K : never }[keyof R] & string
export type Privates<R extends Rounds> = { [K in keyof R]: R[K]['to'] extends 'each' ? K : never }[keyof R] & string

/**
 * The typed rounds of one session. Each call resolves only with exactly one signed message of every peer, decoded; it
 * throws at a deadline, at proven blame, or when the session ends. A party is a place in the attempt's list.
 */
export interface Mailbox<R extends Rounds> {
  readonly self: Party
  readonly peers: readonly Party[]
  /** Unique to this session for ever; bound into every proof. */
  readonly session: Hash
  /** Includes this party's own payload. */
  broadcast<K extends Broadcasts<R>>(round: K, own: Payload<R, K>): Promise<ReadonlyMap<Party, Payload<R, K>>>
  /** Peers only. */
  scatter<K extends Privates<R>>(
    round: K,
    to: (peer: Party) => Payload<R, K>,
  ): Promise<ReadonlyMap<Party, Payload<R, K>>>
  /**
   * The last round of a protocol with private messages: broadcasts the signed headers of all private messages sent and
   * got, and ends only when every sender and receiver agree. `round` is the name it goes by.
   */
  confirm(round: string): Promise<void>
  /**
   * A sub-session of some of the parties (places in this session), with an id and places of its own; this party must be
   * one of them. The label distinguishes two sub-sessions of one protocol. Its messages are logged like any other.
   */
  within<S extends Rounds>(
    protocol: Pick<ProtocolRules<S, never>, 'id' | 'rounds'>,
    label: string,
    parties: readonly Party[],
  ): Mailbox<S>
  /** Ends the session with blame: the accused's messages of the named rounds (and, of broadcasts it depends on, everybody's) are the evidence. */
  blame(who: Party, check: string, rounds: readonly (keyof R & string)[]): never
}

/** Tools that a protocol may use besides its input. `random` is hedged: see hedged.ts. */
export interface Tools {
  readonly random: Random
}

/**
 * Everything that a stranger needs to judge a claim: its messages are already verified as signed by whom they say, and
 * where others' broadcasts are among them, as those that the accused signed to have seen.
 */
export interface JudgedMessage {
  readonly round: string
  readonly from: Party
  /** 0 in a broadcast. */
  readonly to: number
  readonly payload: Uint8Array
}
export interface Claim<Context> {
  readonly session: Hash
  readonly check: string
  readonly accused: Party
  readonly messages: readonly JudgedMessage[]
  readonly context: Context
}

/** A named check that a party's messages can fail, as people read it. */
export interface ProtocolCheck {
  readonly code: ErrorCode
  /** The guilty party's deed, to be read after its name. */
  readonly what: string
  /** The last round whose messages the check looks at. */
  readonly round: string
}

/** Facts of a protocol that need no mathematics. */
export interface ProtocolFacts {
  /** Stands in the header of every message. */
  readonly id: string
  /** By the name that a claim gives. */
  readonly checks: Readonly<Record<string, ProtocolCheck>>
  /** From its own message of this round on, a party's part may be used without it: it can no longer say that nothing happened. */
  readonly boundFrom?: string
}

/**
 * The rules by which a stranger reads a protocol's sessions. `Context` is the public part of the input (roster indices,
 * threshold, public key and verifying shares): with it and the signed messages alone, `judge` decides, at the accuser
 * and at a stranger alike. It answers `undecidable` only where a part of the context is not there and the answer rests
 * on it; a claim that lacks messages of its own is refuted.
 */
export interface ProtocolRules<R extends Rounds, Context> extends ProtocolFacts {
  /** In the order in which they run. */
  readonly rounds: R
  /**
   * Protocols that it runs in sub-sessions of its own, by id. Their messages are part of the transcript where all parties
   * are in the sub-session: of others nobody outside could check that they are the same everywhere.
   */
  readonly within?: Readonly<Record<string, SubProtocol<Context>>>
  judge(claim: Claim<Context>): Verdict
}

/** A protocol that another one runs inside its session. */
interface SubProtocol<Context> {
  // biome-ignore lint/suspicious/noExplicitAny: of any rounds and context
  readonly rules: ProtocolRules<any, any>
  /** Every sub-session of it that an honest run opens; `members` are places in the outer session, all of them where none are named. */
  sessions(outer: Context): readonly { readonly label: string; readonly members?: readonly Party[] }[]
  /** Public context of the sub-session of that label. */
  context(outer: Context, label: string): unknown
}

/** One straight-line function over a typed mailbox. */
export interface Protocol<R extends Rounds, Context, In extends Context, Out> extends ProtocolRules<R, Context> {
  run(box: Mailbox<R>, input: In, tools: Tools): Promise<Out>
}
