import { keyId, openRecord } from '../../identity/dsse.ts'
import { parseIdentity } from '../../identity/identity.ts'
import type { Hash, Identity, KeyHex, SiteId } from '../../lib/brand.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Clock } from '../../lib/ports.ts'
import { Watch } from '../../lib/watch.ts'
import { testSignerSets } from '../../mpc/test-signature.ts'
import { everyone, refusal } from '../../records/admission.ts'
import type { Attempt, Hello } from '../../records/attempt.ts'
import { DecodeError } from '../../records/codec.ts'
import { sharesIn } from '../../records/definition.ts'
import type { Certificate, Purpose } from '../../records/identity.ts'
import type { Ready } from '../../records/outcome.ts'
import type { Author, RecordFacts, RecordRow } from '../../records/record-row.ts'
import { keepingRecords, type RecordName, type RecordValue, recordNames, rowOf } from '../../records/record-table.ts'
import { type Blame, blameCodec } from '../../records/round.ts'
import { recordHash, type Signed } from '../../records/signed.ts'
import { signedUnder } from '../blame/record-faults.ts'
import type { Authority } from '../definition/authority.ts'
import { type Held, Shelf } from './shelf.ts'

// Over 350 lines, and one story: the maps of what is held, and the one door by which a record gets into them.

export interface HeldAttempt {
  readonly hash: Hash
  readonly value: Attempt
  /** Envelope of each participant's signature. */
  readonly signatures: Map<SiteId, Uint8Array>
}

interface HeldCertificate {
  readonly value: Certificate
  readonly envelope: Uint8Array
  readonly hash: Hash
}

export interface Admitted {
  readonly name: RecordName
  readonly bytes: Uint8Array
  /** Its author; of blame, the accuser. */
  readonly site: SiteId | null
  /** Of a signature of an attempt: which. */
  readonly attempt?: Hash
}

/** Records of one site that no honest site signs: what a claim by this check of record-faults.ts is made of. */
export interface RecordFault {
  readonly site: SiteId
  readonly check: string
  readonly records: readonly { readonly key: KeyHex; readonly envelope: Uint8Array }[]
}

const MOST_REFUSED = 512

/**
 * All signed records of one ceremony that this site holds. The record table says of each whose it is, whether it is
 * admitted, and which place it takes. A second, different record of one author for one place is kept where it proves
 * that its author said two things.
 */
export class RecordStore extends Watch {
  readonly authority: Authority
  readonly #self: SiteId | undefined
  readonly #shelves: ReadonlyMap<RecordName, Shelf<unknown>>
  readonly #everyone: readonly Identity[]
  readonly #facts: RecordFacts
  readonly #identityKeys: ReadonlyMap<string, KeyHex>
  /** Keys certified here, by purpose and id. */
  readonly #keys = new Map<string, KeyHex>()
  readonly #certified = new Map<Identity, HeldCertificate[]>()
  /** Each site's newest hello, as it came from itself. */
  readonly hellos = new Map<SiteId, Held<Hello>>()
  /** Every hello held, by hash: attempts name them. */
  readonly hellosByHash = new Map<Hash, Held<Hello>>()
  readonly attempts = new Map<Hash, HeldAttempt>()
  readonly blames = new Map<Hash, { value: Blame; bytes: Uint8Array }>()
  /**
   * Verdicts that stand, by the hash of what was judged (a claim's bytes, a proof's envelope): each is judged once, however
   * often this store changes.
   */
  readonly verdicts = new Map<Hash, boolean>()
  /** By the hash of their bytes. */
  readonly #byHash = new Map<Hash, { readonly name: RecordName; readonly bytes: Uint8Array }>()
  /** Signed records that did not hold, by hash. */
  readonly #refused = new Set<Hash>()
  #onFault: (fault: RecordFault) => void = () => undefined
  #isNeeded: (name: RecordName, held: Held<unknown>) => boolean = () => false

  /** `self`: the site whose store it is, where it is one that may vote. */
  constructor(authority: Authority, clock: Clock, self?: SiteId) {
    super(clock)
    const { definition } = authority
    this.authority = authority
    this.#self = self
    this.#shelves = new Map(recordNames.map((name) => [name, new Shelf(rowOf(name), rowOf(name).most(definition))]))
    this.#everyone = everyone(definition)
    const keys = new Map(this.#everyone.map((one) => [one, parseIdentity(one)?.key]))
    this.#identityKeys = new Map([...keys.values()].flatMap((key) => (key === undefined ? [] : [[keyId(key), key]])))
    this.#facts = {
      definition,
      ceremony: authority.hash,
      testSets: testSignerSets(sharesIn(definition), definition.threshold),
      identityKey: (identity) => keys.get(identity),
      started: (hash) => this.started(hash)?.value,
      owners: (key) => this.#owners(key, 'message'),
      voted: (site, record) => this.votes(record).has(site),
    }
  }

  #shelf<N extends RecordName>(name: N): Shelf<RecordValue<N>> {
    return this.#shelves.get(name) as Shelf<RecordValue<N>>
  }

  /** Records of one name by group, and in each group by their author. */
  held<N extends RecordName>(name: N): ReadonlyMap<string, ReadonlyMap<string, Held<RecordValue<N>>>> {
    return this.#shelf(name).groups
  }

  /** Records of a name that has one group, by their author. */
  #only<K extends string, N extends RecordName>(name: N): ReadonlyMap<K, Held<RecordValue<N>>> {
    return this.#shelf(name).group('') as ReadonlyMap<string, Held<RecordValue<N>>> as ReadonlyMap<
      K,
      Held<RecordValue<N>>
    >
  }

  get approvals() {
    return this.#only<Identity, 'approval'>('approval')
  }

  get staged() {
    return this.held('staged') as ReadonlyMap<Hash, ReadonlyMap<SiteId, Held<RecordValue<'staged'>>>>
  }

  get possessions() {
    return this.held('possession') as ReadonlyMap<Hash, ReadonlyMap<SiteId, Held<RecordValue<'possession'>>>>
  }

  get testSignatures() {
    return this.held('test-signature') as ReadonlyMap<Hash, ReadonlyMap<string, Held<RecordValue<'test-signature'>>>>
  }

  get ready() {
    return this.#only<SiteId, 'ready'>('ready')
  }

  get installed() {
    return this.#only<SiteId, 'installed'>('installed')
  }

  get fenced() {
    return this.#only<SiteId, 'fenced'>('fenced')
  }

  get retired() {
    return this.#only<SiteId, 'retired'>('retired')
  }

  get results() {
    return this.#only<SiteId, 'result'>('result')
  }

  /** Shares that sites gave to the recipients of the whole key. */
  get releases() {
    return this.#only<SiteId, 'release'>('release')
  }

  /** Words of those who take a site back. */
  get readmitted() {
    return this.#only<SiteId, 'readmitted'>('readmitted')
  }

  /** The word of the site that returns. */
  get rebound() {
    return this.#only<SiteId, 'rebound'>('rebound')
  }

  /** The word of the site whose share is sealed anew. */
  get rewrapped() {
    return this.#only<SiteId, 'rewrapped'>('rewrapped')
  }

  get witnessed() {
    return this.#only<SiteId, 'witnessed'>('witnessed')
  }

  get replaced() {
    return this.#only<SiteId, 'replaced'>('replaced')
  }

  /** Notes that take their author out of this ceremony, for good. */
  get aborts() {
    return this.#only<Identity, 'aborted'>('aborted')
  }

  /** Public keys that a site has certified for a purpose in this ceremony. */
  keys(site: SiteId, purpose: Purpose): readonly KeyHex[] {
    return this.certificates(site, purpose).map(({ value }) => value.key)
  }

  certificates(site: SiteId, purpose: Purpose): readonly HeldCertificate[] {
    const identity = this.authority.member(site)?.identity
    return identity === undefined ? [] : this.#certificatesOf(identity).filter(({ value }) => value.purpose === purpose)
  }

  #certificatesOf(identity: Identity): readonly HeldCertificate[] {
    return this.#certified.get(identity) ?? []
  }

  /** The certificate of a site's message key. */
  certificate(site: SiteId, key: KeyHex): HeldCertificate | undefined {
    return this.certificates(site, 'message').find(({ value }) => value.key === key)
  }

  /** The certificate that a hello names. */
  certificateOf({ site, signed }: Held<Hello>): HeldCertificate | undefined {
    return this.certificates(site, 'message').find(({ hash }) => hash === signed.value.certificate)
  }

  #owners(key: KeyHex, purpose: Purpose): readonly Identity[] {
    return this.#everyone.filter((identity) =>
      this.#certificatesOf(identity).some(({ value }) => value.key === key && value.purpose === purpose),
    )
  }

  approved(): ReadonlySet<Identity> {
    return new Set([...this.approvals.keys()].filter((id) => !this.aborts.has(id)))
  }

  /** True where a site said what it cannot leave any more: others may have finished with it. */
  hasBound(site: SiteId): boolean {
    return keepingRecords.some((name) => this.#only(name).has(site))
  }

  /** Identities that left. Beside what binds the same site an abort decides nothing, whichever came first. */
  goneIdentities(): ReadonlySet<Identity> {
    const bound = this.authority.roster.filter(({ name }) => this.hasBound(name))
    const still = new Set(bound.map(({ identity }) => identity))
    return new Set([...this.aborts.keys()].filter((identity) => !still.has(identity)))
  }

  /** An attempt that all its participants signed. */
  started(hash: Hash): HeldAttempt | undefined {
    const attempt = this.attempts.get(hash)
    return attempt?.signatures.size === attempt?.value.participants.length ? attempt : undefined
  }

  /**
   * Takes a record in. `undefined`: held already, or of no use. Throws DecodeError where it is not what it claims.
   * `from` is the peer that sent it, null for this site's own and for what the disk and notes bring.
   */
  admit(name: RecordName, bytes: Uint8Array, from: SiteId | null): Admitted | undefined {
    const admitted = name === 'blame' ? this.#admitBlame(bytes) : this.#admit(name, bytes, from)
    if (admitted !== undefined) this.changed()
    return admitted
  }

  #admit(name: RecordName, bytes: Uint8Array, from: SiteId | null): Admitted | undefined {
    const row = rowOf(name)
    const signed = openRecord(row.codec, bytes, (id) =>
      row.signedBy === 'identity' ? this.#identityKeys.get(id) : this.#keys.get(`${row.signedBy} ${id}`),
    )
    const author = this.#authorOf(row, signed)
    const held: Held<unknown> = { signed, envelope: bytes, author, site: author.site as SiteId }
    const refused = refusal(row, signed, author, this.#facts)
    if (refused?.check !== undefined) this.#fault(held, refused.check, [held])
    if (refused !== undefined) {
      this.#receiptWithoutVote(name, held)
      throw new DecodeError(`${row.codec.type}: ${refused.why}`)
    }
    const placed = this.#shelf(name).place(
      held as Held<never>,
      () => this.#isVital(name, held) || this.#isNeeded(name, held),
    )
    if (placed.is === 'twice') {
      if (row.twice !== null) this.#fault(held, row.twice.check, [placed.first, held])
      if (row.twice !== null && !row.bindsTwice) throw new DecodeError(`${row.codec.type}: a second one for one place`)
      if (
        !row.bindsTwice ||
        !this.#shelf(name)
          .of(author.identity)
          .includes(held as Held<never>)
      )
        return undefined
    }
    const index = this.#indexes[name]
    const news =
      index === undefined ? placed.is !== 'known' && placed.is !== 'full' : index(held as Held<never>, placed.is, from)
    if (!news) return undefined
    if (placed.is !== 'known') this.#byHash.set(hashOf(bytes), { name, bytes })
    const attempt = name === 'attempt' ? { attempt: recordHash(signed) } : {}
    return { name, bytes, site: author.site, ...attempt }
  }

  #authorOf(row: RecordRow<unknown>, { value, key }: Signed<unknown>): Author {
    const identity = row.author(value, key, this.#facts)
    const certificates =
      identity === undefined
        ? []
        : this.#certificatesOf(identity).filter((one) => one.value.key === key && one.value.purpose === row.signedBy)
    if (identity === undefined || (row.signedBy !== 'identity' && certificates.length === 0))
      throw new DecodeError(`${row.codec.type}: signed by no key of its author`)
    const member = this.authority.roster.find((one) => one.identity === identity)
    return { identity, site: member?.name ?? null, index: member?.index ?? null, key, certificates }
  }

  /**
   * Fills the maps by which this store looks records up; the table knows none of them. Each says whether there is news.
   */
  readonly #indexes: Partial<
    Record<RecordName, (held: Held<never>, placed: 'new' | 'known' | 'full' | 'twice', from: SiteId | null) => boolean>
  > = {
    certificate: ({ signed, envelope, author }: Held<Certificate>, placed) => {
      if (placed !== 'new') return false
      const { value } = signed
      this.#keys.set(`${value.purpose} ${keyId(value.key)}`, value.key)
      const one = { value, envelope, hash: recordHash(signed) }
      this.#certified.set(author.identity, [...this.#certificatesOf(author.identity), one])
      return true
    },
    hello: (held: Held<Hello>, placed, from) => {
      const hash = recordHash(held.signed)
      if (placed === 'new') {
        this.hellosByHash.set(hash, held)
        this.#forgetHellos(held)
      }
      const newest = this.hellos.get(held.site)
      const newer =
        newest === undefined ||
        newest.signed.key !== held.signed.key ||
        newest.signed.value.sequence < held.signed.value.sequence
      if ((from !== held.site && from !== null) || !newer) return placed === 'new'
      this.hellos.set(held.site, this.hellosByHash.get(hash) ?? held)
      return true
    },
    attempt: ({ signed, envelope, site }: Held<Attempt>, placed) => {
      if (placed !== 'new') return false
      const hash = recordHash(signed)
      const attempt = this.attempts.get(hash) ?? { hash, value: signed.value, signatures: new Map() }
      this.attempts.set(hash, attempt)
      attempt.signatures.set(site, envelope)
      return true
    },
  }

  /** The newest by its number stays, however many older ones come after it: it is the one that proposals name. */
  #forgetHellos({ author, site }: Held<Hello>): void {
    const newest = this.hellos.get(site)
    const kept = new Set([...this.#shelf('hello').of(author.identity), ...(newest === undefined ? [] : [newest])])
    for (const [hash, held] of this.hellosByHash)
      if (held.author.identity === author.identity && !kept.has(held)) {
        this.hellosByHash.delete(hash)
        this.#byHash.delete(hashOf(held.envelope))
      }
  }

  /** A vote, or receipt, for the record that this site voted for itself: no junk of its author keeps it away. */
  #isVital(name: RecordName, { site, signed }: Held<unknown>): boolean {
    if (this.#self === undefined || site === this.#self) return site === this.#self
    const own = this.ready.get(this.#self)?.signed.value.record
    return own !== undefined && (name === 'ready' || name === 'installed') && (signed.value as Ready).record === own
  }

  /** `isNeeded`: asked of a record for which its author has no room left; true: this site needs it, and it is kept. */
  whenFull(isNeeded: (name: RecordName, held: Held<unknown>) => boolean): void {
    this.#isNeeded = isNeeded
  }

  /** Every vote for a record, by site. */
  votes(record: Hash): ReadonlyMap<SiteId, Held<Ready>> {
    const held = [...this.#shelf('ready').all()].filter(({ signed }) => signed.value.record === record)
    return new Map(held.map((one) => [one.site, one]))
  }

  /** Records that somebody voted for. */
  votedFor(): ReadonlySet<Hash> {
    return new Set([...this.#shelf('ready').all()].map(({ signed }) => signed.value.record))
  }

  /** Record of which all votes are here. */
  readySet(): Hash | undefined {
    return [...this.votedFor()].find((record) => this.votes(record).size === this.authority.receivers.length)
  }

  /** Called with each fault that admitted or refused records show. */
  whenFaulty(act: (fault: RecordFault) => void): void {
    this.#onFault = act
  }

  #fault({ site }: Held<unknown>, check: string, records: readonly Held<unknown>[]): void {
    if (site === null) return
    this.#onFault({ site, check, records: records.map(({ signed, envelope }) => ({ key: signed.key, envelope })) })
  }

  /** A receipt for another record than its site voted for; where no vote is here yet, it says nothing. */
  #receiptWithoutVote(name: RecordName, held: Held<unknown>): void {
    const vote = name === 'installed' ? this.ready.get(held.site) : undefined
    if (vote !== undefined) this.#fault(held, 'receipt-without-vote', [vote, held])
  }

  /** True where a site's message key signed the refused bytes: then the fault is that site's. */
  refused(bytes: Uint8Array): void {
    const hash = hashOf(bytes)
    // A record says the same however often it is shown.
    if (this.#refused.has(hash)) return
    const key = signedUnder(bytes, (id) => this.#keys.get(`message ${id}`))
    if (key === undefined) return
    const [oldest] = this.#refused
    if (oldest !== undefined && this.#refused.size >= MOST_REFUSED) this.#refused.delete(oldest)
    this.#refused.add(hash)
    for (const { name } of this.authority.roster)
      if (this.keys(name, 'message').includes(key))
        this.#onFault({ site: name, check: 'malformed-record', records: [{ key, envelope: bytes }] })
  }

  #admitBlame(bytes: Uint8Array): Admitted | undefined {
    const { definition, hash: ceremony } = this.authority
    const value = blameCodec.decode(bytes)
    const hash = hashOf(bytes)
    if (value.ceremony !== ceremony) throw new DecodeError('blame/v1: of another ceremony')
    const same = [...this.blames.values()].filter((one) => one.value.accused === value.accused).length
    if (this.blames.has(hash) || this.authority.member(value.accused) === undefined) return undefined
    if (same >= rowOf('blame').most(definition)) return undefined
    this.blames.set(hash, { value, bytes })
    this.#byHash.set(hash, { name: 'blame', bytes })
    return { name: 'blame', bytes, site: value.accuser }
  }

  /** One proof against each site that any accuses, sorted: as many as a hello has room for, which names them. */
  proofs(): readonly Hash[] {
    const first = new Map<SiteId, Hash>()
    for (const [hash, { value }] of this.blames) if (!first.has(value.accused)) first.set(value.accused, hash)
    return [...first.values()].sort()
  }

  /** Records of one author, in the order in which they came. */
  of<N extends RecordName>(name: N, identity: Identity): readonly Held<RecordValue<N>>[] {
    return this.#shelf(name).of(identity)
  }

  /** Everything that a peer may lack, in the table's order: each can be verified by those before it. */
  *all(): Generator<{ name: RecordName; bytes: Uint8Array; author: SiteId | null }> {
    for (const name of recordNames)
      if (name !== 'hello')
        for (const { envelope, author } of this.#shelf(name).all()) yield { name, bytes: envelope, author: author.site }
    for (const { bytes, value } of this.blames.values()) yield { name: 'blame', bytes, author: value.accuser }
  }

  /** A record that is held, hellos too, by the hash of its bytes. */
  find(hash: Hash): { readonly is: 'object'; readonly name: RecordName; readonly bytes: Uint8Array } | undefined {
    const found = this.#byHash.get(hash)
    return found && { is: 'object', ...found }
  }
}
