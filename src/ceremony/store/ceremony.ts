import type { Checkpoint, Log } from '../../audit/log.ts'
import { toEnvelope } from '../../identity/dsse.ts'
import { limitedSigner } from '../../identity/identity-key.ts'
import { type JoinKeys, joinKeys } from '../../identity/join-keys.ts'
import type { Hash, SiteId } from '../../lib/brand.ts'
import { toHex } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Random } from '../../lib/ports.ts'
import type { Scheme } from '../../mpc/scheme.ts'
import type { Hello } from '../../records/attempt.ts'
import { DecodeError } from '../../records/codec.ts'
import type { Definition } from '../../records/definition.ts'
import type { CeremonyEventName, LedgerEventName, LogEvent } from '../../records/event.ts'
import {
  messageKeyTypes,
  type RecordName,
  type RecordValue,
  recordOfEvent,
  recordRow,
  recordTable,
} from '../../records/record-table.ts'
import { recordHash, type Signed, type Signer } from '../../records/signed.ts'
import { type Authority, type Member, ownSeat } from '../definition/authority.ts'
import { hedged } from '../hedge.ts'
import type { CeremonyKind } from '../kinds/kind.ts'
import { type Phase, phaseAfter, phaseOf } from '../lifecycle.ts'
import type { Site } from '../ports.ts'
import type { Progress } from '../progress.ts'
import { ledgerWord, ledgerWords, refuseLostLog } from './ledger-words.ts'
import { writeNote } from './notes.ts'
import { type Admitted, RecordStore } from './record-store.ts'

/** A peer shows a word of this site that this home does not have: it forgot what it had made durable. */
export const forgottenRecord = (site: SiteId, word: Hash): QuorateError =>
  new QuorateError(
    'E_SITE_ROLLED_BACK',
    `a peer shows a word that ${site} gave in this ceremony and that this home does not know of`,
    'this home was restored or cloned, or its disk lost what it said was written: this ceremony is not run from it again; keep it as evidence, and sign with the other sites',
    { site, word },
  )

export interface JoinOptions {
  readonly progress: (event: Progress) => void
  /** Aborted when the operator stops; the reason is the error that ends the join. */
  readonly signal: AbortSignal
  /** Bytes that a sign ceremony signs. */
  readonly message: Uint8Array | null
  /** Preflight and gather, then leave. */
  readonly check: boolean
  /** The mathematics that this site runs by, in place of the scheme of the definition: a rehearsal has sites that lie. */
  readonly schemeFor?: (scheme: Scheme) => Scheme
  /** Told once how others may reach into the running join. */
  readonly control?: (control: JoinControl) => void
}

/** Requests of another command of this home to a running join. */
export interface JoinControl {
  /** This site's word that it ends the ceremony; durable when it resolves. Throws E_NOT_ALLOWED once it is bound. */
  abort(reason: string): Promise<void>
  /** There are new approvals in this home's folder. */
  approved(): Promise<void>
}

type KindRules = Pick<CeremonyKind<Definition>, 'lifecycle' | 'boundBy' | 'protocols' | 'context'>

/** One site's side of one ceremony: its log, the records that it holds, the keys of this join. */
export class Ceremony {
  readonly site: Site
  readonly authority: Authority
  readonly kind: KindRules
  readonly seat: Member
  readonly store: RecordStore
  readonly log: Log
  readonly keys: JoinKeys
  readonly signer: Signer
  readonly options: JoinOptions
  readonly #fault = new AbortController()
  /** Attempts that this site has signed, in order. */
  readonly attempts: Hash[] = []
  /** Signatures of attempts that the log holds. */
  readonly #kept = new Set<Hash>()
  readonly #random: Random
  #sequence = 0
  /** The head of this site's ledger that its newest hello names: other ceremonies may have let the ledger grow since. */
  greeted: Checkpoint | undefined
  #phase: Phase = 'approved'
  #left = false
  #noted: Promise<unknown> = Promise.resolve()
  /** Set once this site leaves; ends when it has said so. */
  aborting: Promise<void> | undefined
  #send: ((name: RecordName, bytes: Uint8Array) => void) | undefined

  private constructor(
    site: Site,
    authority: Authority,
    kind: KindRules,
    log: Log,
    keys: JoinKeys,
    options: JoinOptions,
  ) {
    this.site = site
    this.authority = authority
    this.#random = hedged(site, authority.hash, 'hello nonces')
    this.kind = kind
    this.seat = ownSeat(authority, site.home.identity)
    this.store = new RecordStore(authority, site.machine.clock, this.seat.name)
    this.log = log
    this.keys = keys
    this.signer = limitedSigner(this.seat.name, keys.message.raw, messageKeyTypes)
    this.options = { ...options, signal: AbortSignal.any([options.signal, this.#fault.signal]) }
  }

  /** Ends the join with what went wrong beside its own line of work: in taking what a peer sent, or in closing. */
  fail(error: unknown): void {
    this.#fault.abort(error)
  }

  /** Opens the log, takes back what it holds, and makes this join's keys. */
  static async open(site: Site, authority: Authority, kind: KindRules, options: JoinOptions): Promise<Ceremony> {
    const log = await site.ceremonyLog(authority.hash)
    const { deadlines, window } = authority.terms
    const expires = Math.max(Date.parse(window.closes), site.machine.clock.now()) + deadlines.gather * 1000
    const keys = await joinKeys(site.identityKey, authority.hash, expires, hedged(site, authority.hash, 'join keys'))
    const ceremony = new Ceremony(site, authority, kind, log, keys, options)
    ceremony.#replay()
    await ceremony.#mendLedger()
    return ceremony
  }

  get phase(): Phase {
    return this.#phase
  }

  get closed(): boolean {
    return this.events('closing').length > 0
  }

  /** This site left: it said so itself, and its own log has it. */
  get aborted(): boolean {
    return this.events('abort').some((event) => event.site === this.seat.name)
  }

  events(what: CeremonyEventName): readonly LogEvent[] {
    return [...this.log.replay()].filter((event) => event.what === what)
  }

  #replay(): void {
    this.#phase = phaseOf(this.kind.lifecycle, this.log.replay(), this.seat.name, true)
    for (const event of this.log.replay()) {
      const body = event.object === null ? undefined : this.log.body(event.object)
      if (event.what === 'attempt' && event.object !== null) this.attempts.push(event.object)
      if (event.what === 'attempt-signature' && event.object !== null) this.#kept.add(event.object)
      const name = event.what === 'joined' ? 'certificate' : recordOfEvent.get(event.what)
      if (name === undefined || body === undefined) continue
      try {
        this.store.admit(name, body, null)
      } catch (error) {
        // A log is this site's own word; a record in it that no longer verifies is of no use to the run.
        if (!(error instanceof DecodeError)) throw error
      }
    }
    // Hellos of an earlier join may still show that somebody contradicts them; they greet nobody now.
    this.store.hellos.clear()
  }

  /** A crash between the two barriers leaves the ledger behind the log, never before it. */
  async #mendLedger(): Promise<void> {
    refuseLostLog(this.site.ledger, this.authority.hash, this.log, this.seat.name)
    const said = new Set(
      [...this.site.ledger.replay()]
        .filter((event) => event.ceremony === this.authority.hash)
        .map(({ what, object }) => `${what} ${object}`),
    )
    for (const { what, object } of ledgerWords(this.log, this.seat.name)) {
      if (said.has(`${what} ${object}`)) continue
      said.add(`${what} ${object}`)
      this.noteLedger(what, object)
    }
    await this.site.ledger.barrier()
  }

  /** Appends to the ceremony log; not durable before a barrier. */
  note(what: CeremonyEventName, body?: Uint8Array, site: SiteId | null = null, object?: Hash): void {
    this.#phase = phaseAfter(this.kind.lifecycle, this.#phase, { what, site }, this.seat.name)
    this.log.append(
      {
        at: this.site.machine.clock.now(),
        what,
        ceremony: this.authority.hash,
        site,
        object: body === undefined ? (object ?? null) : hashOf(body),
      },
      body,
    )
  }

  noteLedger(what: LedgerEventName, object: Hash | null = null, body?: Uint8Array, site: SiteId | null = null): void {
    this.site.ledger.append(
      {
        at: this.site.machine.clock.now(),
        what,
        ceremony: this.authority.hash,
        site,
        object: body === undefined ? object : hashOf(body),
      },
      body,
    )
  }

  /** Both logs durable, before anything that depends on them leaves this site; the ledger last. */
  async barrier(): Promise<Checkpoint> {
    const checkpoint = await this.log.barrier()
    await this.site.ledger.barrier()
    return checkpoint
  }

  /**
   * A record of this site: in its log, then in its ledger, and only then where a peer can see it. The store is what every
   * new channel is told, so the record waits outside of it.
   */
  async promise(name: RecordName, bytes: Uint8Array): Promise<void> {
    if (this.#left && name !== 'aborted')
      throw new QuorateError('E_ABORTED', 'this site left this ceremony', 'plan a new definition when all agree')
    this.#fault.signal.throwIfAborted()
    this.note(recordTable[name].event, bytes, this.seat.name)
    await this.log.barrier()
    const entry = ledgerWord(name, bytes)
    if (entry !== undefined) this.noteLedger(entry.what, entry.object)
    await this.site.ledger.barrier()
    this.store.admit(name, bytes, this.seat.name)
  }

  /** Gives the room's way out to peers; what was said before is sent on connecting. */
  attach(send: (name: RecordName, bytes: Uint8Array) => void): void {
    this.#send = send
  }

  /** Takes in a record, logs it where it is to be kept. */
  take(name: RecordName, bytes: Uint8Array, from: SiteId | null): Admitted | undefined {
    const admitted = this.store.admit(name, bytes, from)
    if (name === 'aborted' && admitted?.site === this.seat.name && from !== this.seat.name) return this.#foreignAbort()
    const { durable, logged, event } = recordTable[name]
    if (from !== this.seat.name && admitted?.site === this.seat.name && durable)
      throw forgottenRecord(this.seat.name, hashOf(bytes))
    if (admitted === undefined || this.closed) return admitted
    if (admitted.attempt !== undefined) this.keepAttempt(admitted.attempt)
    else if (logged === 'once' || (logged === 'later' && admitted.site === this.seat.name))
      this.note(event, bytes, admitted.site)
    return admitted
  }

  /**
   * An abort under this site's note key that this home did not write: somebody else has that key. Beside what binds this
   * site it decides nothing; before that the others count this site as gone.
   */
  #foreignAbort(): undefined {
    if (this.kind.boundBy(this.log, this.seat.name, this.authority.definition) !== undefined) return undefined
    throw new QuorateError(
      'E_ABORTED',
      `a note under the note key of ${this.seat.name} says that ${this.seat.name} left, and this home did not write it`,
      'somebody else holds this home’s note key, or a copy of the home: find out who; plan a new definition when all agree',
      { left: [this.seat.name] },
    )
  }

  /**
   * Logs the signatures held of an attempt that this site signed, that all signed, or that such an attempt rests on,
   * through any number of others. Others may be anything: a liar's would make this log one that no stranger accepts.
   */
  keepAttempt(hash: Hash): void {
    // Each once: in a mesh of attempts there are more ways than anybody could go.
    const seen = new Set([hash])
    for (const one of seen) {
      const attempt = this.store.attempts.get(one)
      const whole = attempt?.signatures.size === attempt?.value.participants.length
      if (attempt === undefined || !(one !== hash || whole || this.attempts.includes(one))) continue
      for (const [site, envelope] of attempt.signatures) {
        const object = hashOf(envelope)
        if (this.#kept.has(object) || site === this.seat.name) continue
        this.#kept.add(object)
        this.note('attempt-signature', envelope, site)
      }
      for (const { last } of attempt.value.participants) if (last !== null) seen.add(last)
    }
  }

  /**
   * From this moment this site promises nothing more here: its word that it leaves must stay true. `telling` ends when
   * that word is durable and said.
   */
  abort(telling: () => Promise<void>): Promise<void> {
    this.#left = true
    this.aborting ??= telling()
    return this.aborting
  }

  /** This site's newest note, one after the other; undefined where it is leaving, and no other word may follow that. */
  writeNote(phase: string, abort: string | null): Promise<Uint8Array | undefined> {
    const { home, machine } = this.site
    const written = this.#noted.then(() =>
      this.#left && abort === null ? undefined : writeNote(home, machine.clock, this.store, phase, abort),
    )
    this.#noted = written.catch(() => undefined)
    return written
  }

  /** Signs a record of this site, takes it in (what binds it: made durable first), and tells all peers. */
  async publish<N extends RecordName>(name: N, value: RecordValue<N>): Promise<Signed<RecordValue<N>>> {
    const signed = await this.signer.sign(recordRow(name).codec, value)
    const bytes = toEnvelope(signed)
    if (recordTable[name].durable) await this.promise(name, bytes)
    else this.take(name, bytes, this.seat.name)
    this.#send?.(name, bytes)
    return signed
  }

  /** A new hello: the old one stands in an attempt, or what it says has changed. */
  async hello(facts: Pick<Hello, 'epoch' | 'result' | 'check'>): Promise<Hash> {
    const { ledger, machine } = this.site
    const head = ledger.head
    if (head === undefined) throw new Error('a ledger without a barrier')
    this.greeted = head
    const signed = await this.publish('hello', {
      ceremony: this.authority.hash,
      site: this.seat.name,
      nonce: toHex(this.#random(16)),
      sequence: ++this.#sequence,
      certificate: recordHash(this.keys.message.certificate),
      approvals: [...this.store.approvals.values()].map(({ signed }) => recordHash(signed)).sort(),
      evidence: [...this.store.proofs()],
      ledger: { size: head.size, root: head.root, checkpoint: hashOf(new TextEncoder().encode(head.note)) },
      votes: [...this.store.ready.values()].map(({ signed }) => recordHash(signed)).sort(),
      lastAttempt: this.attempts.at(-1) ?? null,
      attempts: this.attempts.length,
      clock: machine.clock.now(),
      build: machine.build,
      runtime: machine.runtime,
      sdks: [...machine.sdks],
      readySet: this.store.readySet() ?? null,
      ...facts,
    })
    return recordHash(signed)
  }
}
