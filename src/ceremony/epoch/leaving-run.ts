import type { Hash } from '../../lib/brand.ts'
import { utf8 } from '../../lib/bytes.ts'
import type { Mailbox, Rounds } from '../../mpc/mailbox.ts'
import type { KeygenPublic, KeyRules, Scheme } from '../../mpc/scheme.ts'
import { outcomeCodec, recordCodec } from '../../records/outcome.ts'
import type { Duties, FoundFault, KindRun } from '../kinds/kind.ts'
import type { Session } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { HeldAttempt } from '../store/record-store.ts'
import type { Epoch } from './epoch.ts'
import { epochOutcome } from './epoch-outcome.ts'
import { awaitReadySet, awaitReceipts } from './install.ts'
import { falseProofs, isTrueProof, keepProofs } from './proofs.ts'
import { everyProven } from './proven.ts'
import { awaitRetired, retireBase } from './retire.ts'
import { refuseOtherParts } from './rivals.ts'
import { everyStaged } from './stage.ts'
import { recordOf } from './staged-record.ts'

/** The part of a site in a new epoch of which it holds no share. */
interface Leaving {
  readonly rules: Pick<KeyRules<Rounds, never>, 'id' | 'rounds' | 'checks'>
  /** The epoch that is replaced. */
  readonly base: Epoch
  /** In the curve's own encoding. */
  readonly publicKey: string
  /** Deals this site's old share. */
  deal(box: Mailbox<Rounds>, attempt: HeldAttempt): Promise<KeygenPublic>
}

/**
 * A site whose old share is replaced and that receives no new one: it deals, or only looks on, and has no vote. It
 * destroys its old share once all receivers voted for the record and enough of them installed it.
 */
export class LeavingRun implements KindRun {
  readonly #ceremony: Ceremony
  readonly #protocols: Scheme
  readonly #duties: Duties
  readonly #leaving: Leaving
  /** The record that it saw proven. */
  #proven: Hash | undefined

  constructor(ceremony: Ceremony, protocols: Scheme, duties: Duties, leaving: Leaving) {
    this.#ceremony = ceremony
    this.#protocols = protocols
    this.#duties = duties
    this.#leaving = leaving
    ceremony.store.whenFull((name, held) => isTrueProof(ceremony, protocols, name, held))
  }

  /** Of as many voters as sign together one is honest, and takes part in nothing else: no other record can be ready. */
  #decided(): Hash | undefined {
    const { store, authority } = this.#ceremony
    const decided = [...store.votedFor()].find((record) => store.votes(record).size >= authority.threshold)
    return store.readySet() ?? decided
  }

  isSettled(): boolean {
    return this.#decided() !== undefined
  }

  async settle(): Promise<boolean> {
    return this.isSettled()
  }

  async attempt(session: Session, attempt: HeldAttempt): Promise<void> {
    const ceremony = this.#ceremony
    const { definition, hash } = ceremony.authority
    // Durable before it looks for another ceremony, which looks for this one in the same order: one of them sees the other.
    await ceremony.log.barrier()
    await refuseOtherParts(ceremony.site, definition)
    const made = await this.#leaving.deal(session.mailbox(this.#leaving.rules), attempt)
    const outcome = epochOutcome(definition, hash, attempt.hash, session.transcript(), made)
    ceremony.note('outcome', outcomeCodec.encode(outcome))
    const record = recordOf(outcome, await everyStaged(ceremony, session, attempt, outcome, undefined))
    ceremony.note('record', recordCodec.encode(record.record))
    this.#duties.judge()
    await everyProven(ceremony, session, this.#protocols, record)
    keepProofs(ceremony, this.#protocols, record)
    this.#proven = record.hash
  }

  async commit(): Promise<void> {
    const ceremony = this.#ceremony
    const record = this.#decided() ?? this.#proven
    if (record === undefined) throw new Error('nothing was proven')
    await awaitReadySet(ceremony, record, this.#duties.postNote)
    if (ceremony.events('ready-set').length === 0) ceremony.note('ready-set', undefined, null, record)
    await awaitReceipts(ceremony, record, false)
    // Its log has the votes and receipts before the share is gone: a crash in between is finished by them.
    await ceremony.barrier()
    await retireBase(ceremony, { hash: record }, this.#leaving.base)
    await awaitRetired(ceremony, record)
  }

  outputs(): ReadonlyMap<string, Uint8Array> {
    return new Map([['public-key.hex', utf8(`${this.#leaving.publicKey}\n`)]])
  }

  faults(): readonly FoundFault[] {
    return falseProofs(this.#ceremony, this.#protocols)
  }
}
