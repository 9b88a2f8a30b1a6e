import type { Hash } from '../../lib/brand.ts'
import { utf8 } from '../../lib/bytes.ts'
import type { Mailbox, Rounds } from '../../mpc/mailbox.ts'
import type { KeygenOutput, KeyRules, Scheme } from '../../mpc/scheme.ts'
import { recordCodec } from '../../records/outcome.ts'
import type { Duties, FoundFault, KindRun } from '../kinds/kind.ts'
import type { Session } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { HeldAttempt } from '../store/record-store.ts'
import type { Epoch } from './epoch.ts'
import { epochOutcome } from './epoch-outcome.ts'
import { installEpoch } from './install.ts'
import { falseProofs, isTrueProof, keepProofs } from './proofs.ts'
import { proveRecord } from './prove.ts'
import { everyProven } from './proven.ts'
import { awaitRetired, retireBase } from './retire.ts'
import { refuseOtherParts } from './rivals.ts'
import { everyStaged, stage } from './stage.ts'
import { recordOf, type StagedRecord } from './staged-record.ts'
import { followVote, vote, votedBefore, votedElsewhere } from './vote.ts'

/** A new epoch of a key, whatever makes it. */
export interface EpochChange {
  readonly rules: Pick<KeyRules<Rounds, never>, 'id' | 'rounds' | 'checks'>
  /** The epoch that is replaced, where this site holds a share of it. */
  readonly base: Epoch | undefined
  /** Undecided records that the definition names. */
  readonly supersedes: readonly Hash[]
  /** Runs the protocol. The caller wipes the share. */
  make(box: Mailbox<Rounds>, attempt: HeldAttempt): Promise<KeygenOutput>
}

/** Makes an epoch: run, stage, prove, vote; the votes of all make it usable, and then the one before it is retired. */
export class EpochRun implements KindRun {
  readonly #ceremony: Ceremony
  readonly #protocols: Scheme
  readonly #duties: Duties
  readonly #change: EpochChange
  /** The record that this site proved shares for, or voted for. */
  #record: StagedRecord | undefined

  constructor(ceremony: Ceremony, protocols: Scheme, duties: Duties, change: EpochChange) {
    this.#ceremony = ceremony
    this.#protocols = protocols
    this.#duties = duties
    this.#change = change
    ceremony.store.whenFull((name, held) => isTrueProof(ceremony, protocols, name, held))
  }

  isSettled(): boolean {
    return this.#settled() !== undefined
  }

  #settled(): StagedRecord | undefined {
    return votedBefore(this.#ceremony) ?? votedElsewhere(this.#ceremony, this.#protocols)
  }

  async settle(): Promise<boolean> {
    const settled = this.#settled()
    if (settled === undefined) return false
    this.#record = settled
    if (votedBefore(this.#ceremony) === undefined)
      await followVote(this.#ceremony, this.#protocols, settled, this.#duties)
    return true
  }

  async attempt(session: Session, attempt: HeldAttempt): Promise<void> {
    const ceremony = this.#ceremony
    const protocols = this.#protocols
    const { definition, hash } = ceremony.authority
    // Durable before this site says anything in it: from here it follows no single vote for an older record (see mayFollow).
    await ceremony.log.barrier()
    const box = session.mailbox(this.#change.rules)
    const made = await this.#change.make(box, attempt)
    const outcome = epochOutcome(definition, hash, attempt.hash, session.transcript(), made)
    const { share, envelope } = await stage(ceremony, outcome, made.share, this.#change.supersedes).finally(() =>
      made.share.wipe(),
    )
    try {
      // A ceremony in which this site is about to deal its old share away sees the new one, or is seen here.
      await refuseOtherParts(ceremony.site, definition)
      const record = recordOf(outcome, await everyStaged(ceremony, session, attempt, outcome, envelope))
      ceremony.note('record', recordCodec.encode(record.record))
      this.#record = record
      this.#duties.judge()
      await proveRecord(ceremony, protocols, box, outcome, record.hash, share)
      await everyProven(ceremony, session, protocols, record)
      keepProofs(ceremony, protocols, record)
      await vote(ceremony, record, () => {
        // A proof that came after the last wait ended the session; nobody waits on it any more.
        session.signal.throwIfAborted()
        this.#duties.mayBind()
      })
    } finally {
      share.wipe()
    }
  }

  async commit(): Promise<void> {
    if (this.#record === undefined) throw new Error('nothing was voted for')
    await installEpoch(this.#ceremony, this.#record, this.#duties)
    if (this.#change.base !== undefined)
      await retireBase(
        this.#ceremony,
        { hash: this.#record.hash, outcome: this.#record.record.outcome },
        this.#change.base,
      )
    await awaitRetired(this.#ceremony, this.#record.hash)
  }

  outputs(): ReadonlyMap<string, Uint8Array> {
    return new Map([['public-key.hex', utf8(`${this.#record?.outcome.publicKey}\n`)]])
  }

  /** False proofs of any record that this site staged its shard for, however late they come. */
  faults(): readonly FoundFault[] {
    return falseProofs(this.#ceremony, this.#protocols)
  }
}
