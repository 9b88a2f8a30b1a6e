import type * as v from 'valibot'
import type { Hash, Identity, SiteId, Time } from '../../lib/brand.ts'

/** Approvals that a definition needs: of every one of `all`, and of any `quorum` of `some`. */
export interface ApprovalRule {
  readonly all: readonly Identity[]
  readonly some: readonly Identity[]
  readonly quorum: number
}

/** Seats of one attempt. Where there are as many seats as candidates, all of them sit; else any `count` of them. */
export interface Seats {
  /** In roster order. */
  readonly candidates: readonly SiteId[]
  readonly count: number
}

/** The holders of an epoch's shares, in index order, and how many of them sign together. */
interface Roster {
  readonly threshold: number
  readonly sites: readonly SiteId[]
}

/** A key that a ceremony takes out of use, and who holds its shares: in index order, by identity. */
export interface Fence {
  readonly key: Hash
  /** Its newest record. */
  readonly base: Hash
  readonly name: string
  readonly threshold: number
  readonly holders: readonly { readonly name: SiteId; readonly identity: Identity }[]
  readonly reason: string
  /** Until when a signature of it is taken for one that moves what it protects. */
  readonly sweep: Time
}

/** The commands that run a ceremony: `quorate TOPIC plan` and so on. */
export type Topic = 'keygen' | 'sign' | 'rotate' | 'recover'

/** One kind of ceremony as the records see it: the form of its definition, and the rules that follow from it alone. */
export interface RecordKind<D> {
  /** Strict; its `kind` is the name of this row. */
  readonly schema: v.GenericSchema<unknown, D>
  readonly topic: Topic
  approvals(definition: D): ApprovalRule
  /** Sites that deal: they make the first shares, or hold those of the base. In the order of their indices there. */
  dealers(definition: D): readonly SiteId[]
  /** Sites that hold a share of the epoch that this makes, or uses: the first in `sites`, in the order of their indices. */
  receivers(definition: D): readonly SiteId[]
  /** The epoch that this replaces; null where it replaces none. */
  replaces(definition: D): Roster | null
  seats(definition: D): Seats
  /** The key that its holders promise to leave alone; left out of a kind that asks for no such promise. */
  fences?(definition: D): Fence
  /** The key that is used: hash of its keygen outcome; null where one is made. */
  key(definition: D): Hash | null
  /** Number of the epoch that it makes; null where it makes none. */
  epoch(definition: D): number | null
  /** The shares of the epoch that it makes are those of the one before: no share is younger by it, and a lost one still counts. */
  readonly keepsShares?: true
  /** Sites that seal a share; left out of a kind where those do that receive one of the epoch which it makes. */
  seals?(definition: D): readonly SiteId[]
  /** No share of the key is opened: a site that suspended the key takes part too. */
  readonly opensNoShare?: true
  /** `nothing`: an attempt names no record. `record`: it names the record of the epoch that it uses, or replaces. */
  readonly buildsOn: 'nothing' | 'record'
  /**
   * `key`: a set of ready votes makes an epoch usable. `signature`: a verified signature ends the definition. `proof`:
   * the sites' own signed records are all that is made.
   */
  readonly makes: 'key' | 'signature' | 'proof'
}
