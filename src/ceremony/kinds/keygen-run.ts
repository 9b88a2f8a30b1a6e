import { utf8 } from '../../lib/bytes.ts'
import type { Scheme } from '../../mpc/scheme.ts'
import type { KeygenDefinition } from '../../records/kinds/keygen.ts'
import { outcomeCodec, recordCodec } from '../../records/outcome.ts'
import { installEpoch } from '../epoch/install.ts'
import { keygenOutcome } from '../epoch/keygen-outcome.ts'
import { falseProof, isTrueProof, keepProofs } from '../epoch/proofs.ts'
import { proveRecord } from '../epoch/prove.ts'
import { everyProven } from '../epoch/proven.ts'
import { everyStaged, stage } from '../epoch/stage.ts'
import { recordOf, type StagedRecord, stagedRecords } from '../epoch/staged-record.ts'
import { followVote, vote, votedBefore, votedElsewhere } from '../epoch/vote.ts'
import { hedged } from '../hedge.ts'
import type { Session } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { HeldAttempt } from '../store/record-store.ts'
import type { CeremonyKind, Duties, FoundFault, KindRun } from './kind.ts'

/** Makes a key: run, stage, prove, vote; the votes of all make it usable. */
class KeygenRun implements KindRun {
  readonly #ceremony: Ceremony
  readonly #protocols: Scheme
  readonly #duties: Duties
  /** The record that this site proved shares for, or voted for. */
  #record: StagedRecord | undefined

  constructor(ceremony: Ceremony, protocols: Scheme, duties: Duties) {
    this.#ceremony = ceremony
    this.#protocols = protocols
    this.#duties = duties
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
    const definition = ceremony.authority.definition as KeygenDefinition
    // Durable before this site says anything in it: from here it follows no single vote for an older record (see mayFollow).
    await ceremony.log.barrier()
    const box = session.mailbox(protocols.keygen)
    const input = { threshold: definition.threshold, parties: definition.sites.length }
    const made = await protocols.keygen.run(box, input, {
      random: hedged(ceremony.site, attempt.hash, protocols.keygen.id),
    })
    const outcome = keygenOutcome(definition, ceremony.authority.hash, attempt.hash, session.transcript(), made)
    const { share, envelope } = await stage(ceremony, outcome, made.share).finally(() => made.share.wipe())
    try {
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

  commit(): Promise<void> {
    if (this.#record === undefined) throw new Error('nothing was voted for')
    return installEpoch(this.#ceremony, this.#record, this.#duties)
  }

  outputs(): ReadonlyMap<string, Uint8Array> {
    return new Map([['public-key.hex', utf8(`${this.#record?.outcome.publicKey}\n`)]])
  }

  /** False proofs of any record that this site staged its shard for, however late they come. */
  faults(): readonly FoundFault[] {
    return stagedRecords(this.#ceremony).flatMap((record) => {
      const fault = falseProof(this.#ceremony, this.#protocols, record)
      return fault === undefined
        ? []
        : [{ fault, rest: [recordCodec.encode(record.record), outcomeCodec.encode(record.outcome)] }]
    })
  }
}

/** A key is made anew: nothing has to be there before. */
export const prepareKeygen: CeremonyKind<KeygenDefinition>['prepare'] = async () => ({
  base: null,
  epoch: undefined,
  message: undefined,
  noteIn: () => undefined,
  begin: (ceremony, protocols, duties) => new KeygenRun(ceremony, protocols, duties),
})
