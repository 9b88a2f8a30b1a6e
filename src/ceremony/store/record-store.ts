import { fromEnvelope } from '../../identity/dsse.ts'
import { parseIdentity } from '../../identity/identity.ts'
import type { Hash, Identity, KeyHex, SiteId } from '../../lib/brand.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Clock } from '../../lib/ports.ts'
import { type Attempt, attemptCodec, type Hello, helloCodec } from '../../records/attempt.ts'
import { type Codec, DecodeError } from '../../records/codec.ts'
import {
  type Approval,
  approvalCodec,
  type Certificate,
  certificateCodec,
  type Note,
  noteCodec,
  type Purpose,
} from '../../records/identity.ts'
import {
  type Installed,
  installedCodec,
  type Possession,
  possessionCodec,
  type Ready,
  readyCodec,
  resultCodec,
  type SignResult,
  type Staged,
  stagedCodec,
  type TestSignature,
  testSignatureCodec,
} from '../../records/outcome.ts'
import { type Blame, blameCodec } from '../../records/round.ts'
import { recordHash, type Signed } from '../../records/signed.ts'
import { fitsTerms, signedUnder } from '../blame/record-faults.ts'
import { type Authority, roleIn } from '../definition/authority.ts'
import type { RecordName } from '../peers/peer-message.ts'

/** A verified record and the envelope bytes it came in. */
export interface Held<T> {
  readonly signed: Signed<T>
  readonly envelope: Uint8Array
  readonly site: SiteId
}

export interface HeldAttempt {
  readonly hash: Hash
  readonly value: Attempt
  /** Envelope of each participant's signature. */
  readonly signatures: Map<SiteId, Uint8Array>
}

export interface Admitted {
  readonly name: RecordName
  readonly bytes: Uint8Array
  /** Whose word it is; of blame, the accuser. */
  readonly site: SiteId | null
  /** Whether it goes into this site's log. */
  readonly logged: boolean
  /** Of a signature of an attempt: which. */
  readonly attempt?: Hash
}

/** Words of one site that no honest site signs: what a claim by this check of word-faults.ts is made of. */
export interface RecordFault {
  readonly site: SiteId
  readonly check: string
  readonly records: readonly { readonly key: KeyHex; readonly envelope: Uint8Array }[]
}

const MOST_KEYS = 128
const MOST_ATTEMPTS = 512
/** Of one site; older ones are forgotten first. */
const MOST_HELLOS = 128
const MOST_BLAMES = 64
const MOST_REFUSED = 512
/** Proofs kept against one site: the first convicts it, and more may not crowd out those against others. */
const MOST_BLAMES_EACH = 4

/**
 * All signed records of one ceremony that this site holds, each verified under its author's certified key and kept once
 * in the place it claims. A second, different word of one author for one place is refused, and kept where it proves that
 * its author said two things.
 */
export class RecordStore {
  readonly authority: Authority
  readonly #clock: Clock
  readonly #listeners = new Set<() => void>()
  readonly #certificates = new Map<Identity, Map<KeyHex, { value: Certificate; envelope: Uint8Array; hash: Hash }>>()
  readonly approvals = new Map<Identity, { signed: Signed<Approval>; envelope: Uint8Array }>()
  /** Each site's newest hello, as it came from itself. */
  readonly hellos = new Map<SiteId, Held<Hello>>()
  /** Every hello seen, by hash: attempts name them. */
  readonly hellosByHash = new Map<Hash, Held<Hello>>()
  readonly attempts = new Map<Hash, HeldAttempt>()
  readonly staged = new Map<Hash, Map<SiteId, Held<Staged>>>()
  readonly possessions = new Map<Hash, Map<SiteId, Held<Possession>>>()
  readonly testSignatures = new Map<Hash, Map<string, Held<TestSignature>>>()
  readonly ready = new Map<SiteId, Held<Ready>>()
  readonly installed = new Map<SiteId, Held<Installed>>()
  readonly results = new Map<SiteId, Held<SignResult>>()
  /** Notes that take their author out of this ceremony, for good. */
  readonly aborts = new Map<Identity, { signed: Signed<Note>; envelope: Uint8Array }>()
  readonly blames = new Map<Hash, { value: Blame; bytes: Uint8Array }>()
  /**
   * Verdicts that stand, by the hash of what was judged (a claim's bytes, a proof's envelope): each is judged once, however
   * often this store changes.
   */
  readonly verdicts = new Map<Hash, boolean>()
  /** Votes of sites that voted for another record first: they bind their site all the same. */
  readonly #otherVotes: Held<Ready>[] = []
  /** Signed records that did not hold, by hash. */
  readonly #refused = new Set<Hash>()
  #onFault: (fault: RecordFault) => void = () => undefined

  constructor(authority: Authority, clock: Clock) {
    this.authority = authority
    this.#clock = clock
  }

  /** Public keys that a site has certified for a purpose in this ceremony. */
  keys(site: SiteId, purpose: Purpose): readonly KeyHex[] {
    const identity = this.authority.member(site)?.identity
    return identity === undefined ? [] : this.keysOf(identity, purpose)
  }

  keysOf(identity: Identity, purpose: Purpose): readonly KeyHex[] {
    return [...(this.#certificates.get(identity)?.values() ?? [])]
      .filter(({ value }) => value.purpose === purpose)
      .map(({ value }) => value.key)
  }

  certificate(site: SiteId, key: KeyHex): { value: Certificate; envelope: Uint8Array; hash: Hash } | undefined {
    const identity = this.authority.member(site)?.identity
    return identity === undefined ? undefined : this.#certificates.get(identity)?.get(key)
  }

  approved(): ReadonlySet<Identity> {
    return new Set([...this.approvals.keys()].filter((id) => !this.goneIdentities().has(id)))
  }

  /** Who left. Beside a vote of the same site an abort decides nothing, whichever of them came first. */
  goneIdentities(): ReadonlySet<Identity> {
    const voters = new Set(this.authority.roster.filter(({ name }) => this.ready.has(name)).map((one) => one.identity))
    return new Set([...this.aborts.keys()].filter((identity) => !voters.has(identity)))
  }

  /**
   * Takes a record in. `undefined`: held already, or of no use. Throws DecodeError where it is not what it claims.
   * `from` is the peer that sent it, null for this site's own and for what the disk and notes bring.
   */
  admit(name: RecordName, bytes: Uint8Array, from: SiteId | null): Admitted | undefined {
    const admitted = this.#admit(name, bytes, from)
    if (admitted !== undefined) this.changed()
    return admitted
  }

  #admit(name: RecordName, bytes: Uint8Array, from: SiteId | null): Admitted | undefined {
    switch (name) {
      case 'certificate':
        return this.#admitCertificate(bytes)
      case 'approval':
        return this.#admitApproval(bytes)
      case 'hello':
        return this.#admitHello(bytes, from)
      case 'attempt':
        return this.#admitAttempt(bytes)
      case 'staged': {
        const held = this.#open(stagedCodec, bytes)
        const index = this.authority.member(held.site)?.index
        if (held.signed.value.index !== index) throw new DecodeError('staged/v1: another index')
        return this.#place(name, nested(this.staged, held.signed.value.attempt), held.site, held)
      }
      case 'possession': {
        const held = this.#open(possessionCodec, bytes)
        if (held.signed.value.index !== this.authority.member(held.site)?.index)
          throw new DecodeError('possession/v1: another index')
        return this.#place(name, nested(this.possessions, held.signed.value.record), held.site, held)
      }
      case 'test-signature': {
        const held = this.#open(testSignatureCodec, bytes)
        const { record, signers } = held.signed.value
        return this.#place(name, nested(this.testSignatures, record), `${held.site}|${signers.join(',')}`, held)
      }
      case 'ready':
        return this.#admitVote(bytes)
      case 'installed':
        return this.#admitReceipt(bytes)
      case 'result':
        return this.#place(name, this.results, undefined, this.#open(resultCodec, bytes))
      case 'aborted':
        return this.#admitAbort(bytes)
      case 'blame':
        return this.#admitBlame(bytes)
    }
  }

  #everyone(): readonly Identity[] {
    const { definition } = this.authority
    return [...definition.sites.map((site) => site.identity), ...definition.approvers]
  }

  #siteOf(identity: Identity): SiteId | null {
    return this.authority.roster.find((member) => member.identity === identity)?.name ?? null
  }

  #admitCertificate(bytes: Uint8Array): Admitted | undefined {
    const keys = this.#everyone().flatMap((id) => parseIdentity(id)?.key ?? [])
    const signed = fromEnvelope(certificateCodec, bytes, keys)
    const { identity, authority, key } = signed.value
    if (parseIdentity(identity)?.key !== signed.key || (authority !== null && authority !== this.authority.hash))
      throw new DecodeError('key-certificate/v1: of another identity or ceremony')
    const known = this.#certificates.get(identity) ?? new Map()
    if (known.has(key) || known.size >= MOST_KEYS) return undefined
    known.set(key, { value: signed.value, envelope: bytes, hash: recordHash(signed) })
    this.#certificates.set(identity, known)
    return { name: 'certificate', bytes, site: this.#siteOf(identity), logged: true }
  }

  #admitAbort(bytes: Uint8Array): Admitted | undefined {
    const keys = this.#everyone().flatMap((id) => this.keysOf(id, 'note'))
    const signed = fromEnvelope(noteCodec, bytes, keys)
    const { ceremony, identity, abort } = signed.value
    if (ceremony !== this.authority.hash || !this.keysOf(identity, 'note').includes(signed.key) || abort === null)
      throw new DecodeError('note/v1: not an abort of this ceremony by its author')
    if (this.aborts.has(identity)) return undefined
    this.aborts.set(identity, { signed, envelope: bytes })
    return { name: 'aborted', bytes, site: this.#siteOf(identity), logged: true }
  }

  #admitApproval(bytes: Uint8Array): Admitted | undefined {
    const { definition } = this.authority
    const keys = this.#everyone().flatMap((id) => parseIdentity(id)?.key ?? [])
    const signed = fromEnvelope(approvalCodec, bytes, keys)
    const { ceremony, identity, role } = signed.value
    if (
      ceremony !== this.authority.hash ||
      parseIdentity(identity)?.key !== signed.key ||
      roleIn(definition, identity) !== role
    )
      throw new DecodeError('approval/v1: of another ceremony, identity or role')
    if (this.approvals.has(identity)) return undefined
    this.approvals.set(identity, { signed, envelope: bytes })
    return { name: 'approval', bytes, site: this.#siteOf(identity), logged: true }
  }

  #admitHello(bytes: Uint8Array, from: SiteId | null): Admitted | undefined {
    const held = this.#open(helloCodec, bytes)
    const hash = recordHash(held.signed)
    if (this.certificate(held.site, held.signed.key)?.hash !== held.signed.value.certificate)
      throw new DecodeError('hello/v1: another certificate')
    const known = this.hellosByHash.has(hash)
    const newest = this.hellos.get(held.site)
    const twice = [...this.hellosByHash.values()].find(
      (one) =>
        one.signed.key === held.signed.key &&
        one.signed.value.sequence === held.signed.value.sequence &&
        recordHash(one.signed) !== hash,
    )
    if (twice !== undefined) {
      this.#fault(held.site, 'two-hellos', [signedIn(twice), signedIn(held)])
      throw new DecodeError('hello/v1: a second one of one number')
    }
    const own = [...this.hellosByHash].filter(([, one]) => one.site === held.site)
    if (!known && own.length >= MOST_HELLOS) this.hellosByHash.delete(own[0]?.[0] as Hash)
    this.hellosByHash.set(hash, held)
    const newer =
      newest === undefined ||
      newest.signed.key !== held.signed.key ||
      newest.signed.value.sequence < held.signed.value.sequence
    if ((from === held.site || from === null) && newer) this.hellos.set(held.site, held)
    else if (known) return undefined
    return { name: 'hello', bytes, site: held.site, logged: false }
  }

  #admitVote(bytes: Uint8Array): Admitted | undefined {
    const held = this.#open(readyCodec, bytes)
    if (this.authority.definition.kind === 'keygen' && held.signed.value.base !== null) {
      this.#fault(held.site, 'vote-base', [signedIn(held)])
      throw new DecodeError('ready/v1: for another base')
    }
    const known = this.ready.get(held.site)?.signed.value.record
    const { record } = held.signed.value
    const counted = this.#otherVotes.some((one) => one.site === held.site && one.signed.value.record === record)
    if (known !== undefined && known !== record && !counted && this.#otherVotes.length < MOST_BLAMES)
      this.#otherVotes.push(held)
    return this.#place('ready', this.ready, undefined, held)
  }

  /** A receipt comes after its site's vote for the same record, on every way. */
  #admitReceipt(bytes: Uint8Array): Admitted | undefined {
    const held = this.#open(installedCodec, bytes)
    const { record } = held.signed.value
    if (!this.votes(record).has(held.site)) {
      const vote = this.ready.get(held.site)
      if (vote !== undefined) this.#fault(held.site, 'receipt-without-vote', [signedIn(vote), signedIn(held)])
      throw new DecodeError('installed/v1: of a record that its site did not vote for')
    }
    return this.#place('installed', this.installed, undefined, held)
  }

  /** Every vote for a record, by site. */
  votes(record: Hash): ReadonlyMap<SiteId, Held<Ready>> {
    const held = [...this.ready.values(), ...this.#otherVotes].filter(({ signed }) => signed.value.record === record)
    return new Map(held.map((one) => [one.site, one]))
  }

  /** Records that somebody voted for. */
  votedFor(): ReadonlySet<Hash> {
    return new Set([...this.ready.values(), ...this.#otherVotes].map(({ signed }) => signed.value.record))
  }

  /** Record of which all votes are here. */
  readySet(): Hash | undefined {
    return [...this.votedFor()].find((record) => this.votes(record).size === this.authority.roster.length)
  }

  /** Called with each fault that admitted or refused words show. */
  whenFaulty(act: (fault: RecordFault) => void): void {
    this.#onFault = act
  }

  #fault(site: SiteId, check: string, records: RecordFault['records']): void {
    this.#onFault({ site, check, records })
  }

  /** Whether what was refused is signed by a site's message key all the same: its fault, and not nobody's. */
  refused(bytes: Uint8Array): void {
    const sites = this.authority.roster.map(({ name }) => name)
    const hash = hashOf(bytes)
    // A record says the same however often it is shown.
    if (this.#refused.has(hash)) return
    const keys = sites.flatMap((name) => this.keys(name, 'message'))
    const key = signedUnder(bytes, keys)
    if (key === undefined) return
    const [oldest] = this.#refused
    if (oldest !== undefined && this.#refused.size >= MOST_REFUSED) this.#refused.delete(oldest)
    this.#refused.add(hash)
    for (const name of sites)
      if (this.keys(name, 'message').includes(key)) this.#fault(name, 'malformed-record', [{ key, envelope: bytes }])
  }

  #admitAttempt(bytes: Uint8Array): Admitted | undefined {
    const keys = this.authority.roster.flatMap((member) => this.keys(member.name, 'message'))
    const signed = fromEnvelope(attemptCodec, bytes, keys)
    if (signed.value.ceremony !== this.authority.hash) throw new DecodeError('attempt/v1: of another ceremony')
    const seat = signed.value.participants.find(keyed(signed.key))
    if (seat === undefined || !this.keys(seat.site, 'message').includes(signed.key))
      throw new DecodeError('attempt/v1: signed by no participant')
    const hash = recordHash(signed)
    const own = { key: signed.key, envelope: bytes }
    if (!fitsTerms(signed.value, this.authority)) {
      this.#fault(seat.site, 'attempt-terms', [own])
      throw new DecodeError('attempt/v1: not one of this definition')
    }
    let attempt = this.attempts.get(hash)
    if (attempt?.signatures.has(seat.site) === true) return undefined
    const signedBefore = [...this.attempts.values()].flatMap(({ value, signatures }) => {
      const envelope = signatures.get(seat.site)
      const before = value.participants.find((one) => one.site === seat.site)
      return envelope === undefined || before === undefined ? [] : [{ before, envelope }]
    })
    const twice = signedBefore.find(({ before }) => before.last === seat.last)
    if (twice !== undefined) {
      this.#fault(seat.site, 'two-attempts', [{ key: twice.before.key, envelope: twice.envelope }, own])
      throw new DecodeError('attempt/v1: a second one after the same')
    }
    if (signedBefore.length >= this.authority.definition.attempts) return undefined
    if (attempt === undefined) {
      if (this.attempts.size >= MOST_ATTEMPTS) return undefined
      attempt = { hash, value: signed.value, signatures: new Map() }
      this.attempts.set(hash, attempt)
    }
    attempt.signatures.set(seat.site, bytes)
    return { name: 'attempt', bytes, site: seat.site, logged: true, attempt: hash }
  }

  #admitBlame(bytes: Uint8Array): Admitted | undefined {
    const value = blameCodec.decode(bytes)
    const hash = hashOf(bytes)
    if (value.ceremony !== this.authority.hash) throw new DecodeError('blame/v1: of another ceremony')
    const same = [...this.blames.values()].filter((one) => one.value.accused === value.accused).length
    if (this.blames.has(hash) || this.blames.size >= MOST_BLAMES || same >= MOST_BLAMES_EACH) return undefined
    this.blames.set(hash, { value, bytes })
    return { name: 'blame', bytes, site: value.accuser, logged: false }
  }

  /**
   * A record under its author's message key. A liar may certify a key that it only saw, so the author is whom the record
   * itself names (a result: its attempt's seat), where that site certified the key too.
   */
  #open<T extends { ceremony: Hash; site: SiteId } | SignResult>(codec: Codec<T>, bytes: Uint8Array): Held<T> {
    const keys = this.authority.roster.flatMap((member) => this.keys(member.name, 'message'))
    const signed = fromEnvelope(codec, bytes, keys)
    const { key, value } = signed
    const owners = this.authority.roster
      .map(({ name }) => name)
      .filter((one) => this.keys(one, 'message').includes(key))
    const seat = 'site' in value ? undefined : this.attempts.get(value.attempt)?.value.participants.find(keyed(key))
    const named = 'site' in value ? value.site : (seat?.site ?? (owners.length === 1 ? owners[0] : undefined))
    const site = owners.find((one) => one === named)
    if (value.ceremony !== this.authority.hash || site === undefined)
      throw new DecodeError(`${codec.type}: of another ceremony or site`)
    return { signed, envelope: bytes, site }
  }

  #place<T, K extends string>(
    name: RecordName,
    into: Map<K, Held<T>>,
    key: K | undefined,
    held: Held<T>,
  ): Admitted | undefined {
    const place = key ?? (held.site as unknown as K)
    const known = into.get(place)
    if (known === undefined) {
      if (into.size >= MOST_ATTEMPTS) return undefined
      into.set(place, held)
      return { name, bytes: held.envelope, site: held.site, logged: true }
    }
    const check = twiceChecks[name]
    if (check !== undefined && recordHash(known.signed) !== recordHash(held.signed))
      this.#fault(held.site, check, [signedIn(known), signedIn(held)])
    return undefined
  }

  changed(): void {
    for (const wake of [...this.#listeners]) wake()
  }

  /** Resolves with the first value that `look` finds; undefined at the deadline. Rejects when the signal aborts. */
  until<T>(look: () => T | undefined, ms: number, signal?: AbortSignal): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const timer = new AbortController()
      const done = (act: () => void): void => {
        timer.abort()
        this.#listeners.delete(wake)
        signal?.removeEventListener('abort', ended)
        act()
      }
      const ended = (): void => done(() => reject(signal?.reason))
      const wake = (): void => {
        try {
          const found = look()
          if (found !== undefined) done(() => resolve(found))
        } catch (error) {
          done(() => reject(error))
        }
      }
      this.#listeners.add(wake)
      signal?.addEventListener('abort', ended, { once: true })
      if (signal?.aborted === true) return ended()
      wake()
      this.#clock.sleep(ms, timer.signal).then(
        () => done(() => resolve(undefined)),
        () => undefined,
      )
    })
  }

  /** Everything that a peer may lack, in an order in which each can be verified by those before it. */
  *all(): Generator<{ name: RecordName; bytes: Uint8Array }> {
    for (const known of this.#certificates.values())
      for (const { envelope } of known.values()) yield { name: 'certificate', bytes: envelope }
    for (const { envelope } of this.approvals.values()) yield { name: 'approval', bytes: envelope }
    for (const attempt of this.attempts.values())
      for (const bytes of attempt.signatures.values()) yield { name: 'attempt', bytes }
    const groups = [
      ['staged', [...this.staged.values()].flatMap((map) => [...map.values()])],
      ['possession', [...this.possessions.values()].flatMap((map) => [...map.values()])],
      ['test-signature', [...this.testSignatures.values()].flatMap((map) => [...map.values()])],
      ['ready', [...this.ready.values(), ...this.#otherVotes]],
      ['installed', [...this.installed.values()]],
      ['result', [...this.results.values()]],
      ['aborted', [...this.aborts.values()]],
    ] as const
    for (const [name, group] of groups) for (const { envelope } of group) yield { name, bytes: envelope }
    for (const { bytes } of this.blames.values()) yield { name: 'blame', bytes }
  }
}

/** Records of which a site says one, for ever, for a place. */
const twiceChecks: Readonly<Partial<Record<RecordName, string>>> = {
  staged: 'two-staged',
  ready: 'two-votes',
  installed: 'two-receipts',
}

const keyed =
  (key: KeyHex) =>
  (seat: Attempt['participants'][number]): boolean =>
    seat.key === key

const signedIn = ({ signed, envelope }: Held<unknown>): RecordFault['records'][number] => ({
  key: signed.key,
  envelope,
})

const nested = <K, K2, V>(map: Map<K, Map<K2, V>>, key: K): Map<K2, V> => {
  const inner = map.get(key) ?? new Map<K2, V>()
  if (!map.has(key) && map.size < MOST_ATTEMPTS) map.set(key, inner)
  return inner
}
