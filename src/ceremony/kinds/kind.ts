import type { LogView } from '../../audit/disk-log.ts'
import type { Hash, SiteId } from '../../lib/brand.ts'
import type { Scheme } from '../../mpc/scheme.ts'
import type { KindSessions } from '../blame/judge-context.ts'
import type { Finding } from '../definition/finding.ts'
import type { KeyBase } from '../definition/lint-key.ts'
import type { Epoch } from '../epoch/epoch.ts'
import type { UndecidedVote } from '../epoch/rivals.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Site } from '../ports.ts'
import type { Session } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { HeldAttempt, RecordFault } from '../store/record-store.ts'

/** A key and, of a sign ceremony, the signature that this site voted for or stated. */
export interface CeremonyResult {
  /** null where none is made or used. */
  readonly key: { readonly id: Hash; readonly protocol: string; readonly publicKey: string } | null
  /** Hex. */
  readonly signature: string | null
  readonly signers: readonly SiteId[]
  /** Sites whose endings belong into the bundle. */
  readonly sites: readonly SiteId[]
}

/** A record of a peer that does not hold, and everything that a stranger needs to see it. */
export interface FoundFault {
  readonly fault: RecordFault
  /** Bytes that the check is decided by, besides the faulty records. */
  readonly rest: readonly Uint8Array[]
  readonly attempt?: HeldAttempt | undefined
}

/** Calls that a run makes to the engine. */
export interface Duties {
  /** Called when more can be judged than before. */
  judge(): void
  /** Called at the last moment before this site binds itself. Throws where it may not. */
  mayBind(): void
  /** Posts a note with all that this site holds now, for those who are not connected. */
  postNote(): Promise<void>
}

/** One run of one kind, from the moment when this site can meet others. */
export interface KindRun {
  /** True where everything is here that an attempt was to make, or that a peer made without this site. Looks only. */
  isSettled(): boolean
  /** Takes over what is settled, and binds this site to it. False where nothing is. */
  settle(): Promise<boolean>
  /** One agreed attempt, from its first round to the promise that binds this site. */
  attempt(session: Session, attempt: HeldAttempt): Promise<void>
  /** From the promise to the end. Throws E_NOT_FINISHED where others' promises are still missing. */
  commit(): Promise<void>
  /** Files of the bundle besides the logs, by name. */
  outputs(): ReadonlyMap<string, Uint8Array>
  /** Faults in the records that are held now. */
  faults(): readonly FoundFault[]
}

/** Everything that a kind needs before its site meets anybody. */
export interface Prepared {
  /** Record of the epoch that is used; null where a key is made anew. */
  readonly base: Hash | null
  readonly epoch: Epoch | undefined
  /** Bytes that are to be signed. */
  readonly message: Uint8Array | undefined
  /** Logs what an auditor needs to read this log alone. Called once, when the log begins. */
  noteIn(ceremony: Ceremony): void
  begin(ceremony: Ceremony, protocols: Scheme, duties: Duties): KindRun
}

/** One kind of ceremony at one site: what is particular to it, and nothing else. */
export interface CeremonyKind<D> extends KindSessions {
  readonly lifecycle: Lifecycle
  /** Throws E_NOT_FOUND where this home lacks what the definition needs. */
  prepare(site: Site, definition: D, message: Uint8Array | null): Promise<Prepared>
  /** Undefined where this site is not bound to anything yet. */
  result(ceremony: Ceremony): CeremonyResult | undefined
  /** Findings particular to this kind, beside those of every definition. */
  lint(definition: D): readonly Finding[]
  /**
   * Checks before somebody approves, beside the definition: the key that it uses, as far as this home knows it,
   * and the bytes that are to be signed. Throws E_DEFINITION, E_NOT_FINISHED, E_REFUSED and E_FILE.
   */
  refuseUnfit(
    definition: D,
    given: {
      readonly base: KeyBase | undefined
      readonly message: Uint8Array | undefined
      /** Votes of this home for records of the same key that are undecided here. */
      readonly undecided?: readonly UndecidedVote[] | undefined
    },
  ): void
  /** Why this site cannot leave any more; undefined: it can. Others may finish without it, and its word that nothing happened would be false. */
  boundBy(log: LogView, site: SiteId, definition: D): string | undefined
}
