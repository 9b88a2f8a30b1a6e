import { fromEnvelope } from '../identity/envelope.ts'
import { parseIdentity } from '../identity/identity.ts'
import type { Hash, Identity, KeyHex, SiteId } from '../lib/brand.ts'
import { hashOf } from '../lib/hash.ts'
import type { Clock } from '../lib/ports.ts'
import { type Attempt, attemptCodec, type Hello, helloCodec } from '../records/attempt.ts'
import { type Codec, DecodeError } from '../records/codec.ts'
import {
  type Approval,
  approvalCodec,
  type Certificate,
  certificateCodec,
  type Note,
  noteCodec,
  type Purpose,
} from '../records/identity.ts'
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
} from '../records/outcome.ts'
import { type Blame, blameCodec } from '../records/round.ts'
import { recordHash, type Signed } from '../records/signed.ts'
import { type Authority, roleIn } from './authority.ts'
import type { ObjectName } from './talk.ts'

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
  readonly name: ObjectName
  readonly bytes: Uint8Array
  /** Whose word it is; of blame, the accuser. */
  readonly site: SiteId | null
  /** Whether it goes into this site's log. */
  readonly logged: boolean
}

const MOST_KEYS = 128
const MOST_ATTEMPTS = 512
const MOST_BLAMES = 64

/**
 * All signed records of one ceremony that this site holds, each verified under its author's certified key and kept once
 * in the place it claims. A second, different word of one author for one place is refused, and kept where it proves that
 * its author said two things.
 */
export class Book {
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
  /** Two words of one site for one place: the site and both envelopes. */
  readonly contradictions: { site: SiteId; name: ObjectName; envelopes: readonly [Uint8Array, Uint8Array] }[] = []

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

  goneIdentities(): ReadonlySet<Identity> {
    return new Set(this.aborts.keys())
  }

  /**
   * Takes a record in. `undefined`: held already, or of no use. Throws DecodeError where it is not what it claims.
   * `from` is the peer that sent it, null for this site's own and for what the disk and notes bring.
   */
  admit(name: ObjectName, bytes: Uint8Array, from: SiteId | null): Admitted | undefined {
    const admitted = this.#admit(name, bytes, from)
    if (admitted !== undefined) this.changed()
    return admitted
  }

  #admit(name: ObjectName, bytes: Uint8Array, from: SiteId | null): Admitted | undefined {
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
        return this.#place(name, nested(this.possessions, held.signed.value.record), held.site, held, 'first')
      }
      case 'test-signature': {
        const held = this.#open(testSignatureCodec, bytes)
        const { record, signers } = held.signed.value
        return this.#place(
          name,
          nested(this.testSignatures, record),
          `${held.site}|${signers.join(',')}`,
          held,
          'first',
        )
      }
      case 'ready':
        return this.#place(name, this.ready, undefined, this.#open(readyCodec, bytes))
      case 'installed':
        return this.#place(name, this.installed, undefined, this.#open(installedCodec, bytes))
      case 'result':
        return this.#place(name, this.results, undefined, this.#open(resultCodec, bytes), 'first')
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
    const owner = new Map(this.#everyone().flatMap((id) => this.keysOf(id, 'note').map((key) => [key, id] as const)))
    const signed = fromEnvelope(noteCodec, bytes, [...owner.keys()])
    const { ceremony, identity, abort } = signed.value
    if (ceremony !== this.authority.hash || owner.get(signed.key) !== identity || abort === null)
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
    if (!known && this.hellosByHash.size < MOST_ATTEMPTS) this.hellosByHash.set(hash, held)
    const newest = this.hellos.get(held.site)
    const newer =
      newest === undefined ||
      newest.signed.key !== held.signed.key ||
      newest.signed.value.sequence < held.signed.value.sequence
    if ((from === held.site || from === null) && newer) this.hellos.set(held.site, held)
    else if (known) return undefined
    return { name: 'hello', bytes, site: held.site, logged: false }
  }

  #admitAttempt(bytes: Uint8Array): Admitted | undefined {
    const keys = this.authority.roster.flatMap((member) => this.keys(member.name, 'message'))
    const signed = fromEnvelope(attemptCodec, bytes, keys)
    if (signed.value.ceremony !== this.authority.hash) throw new DecodeError('attempt/v1: of another ceremony')
    const seat = signed.value.participants.find((one) => one.key === signed.key)
    if (seat === undefined || !this.keys(seat.site, 'message').includes(signed.key))
      throw new DecodeError('attempt/v1: signed by no participant')
    const hash = recordHash(signed)
    let attempt = this.attempts.get(hash)
    if (attempt === undefined) {
      if (this.attempts.size >= MOST_ATTEMPTS) return undefined
      attempt = { hash, value: signed.value, signatures: new Map() }
      this.attempts.set(hash, attempt)
    }
    if (attempt.signatures.has(seat.site)) return undefined
    attempt.signatures.set(seat.site, bytes)
    return { name: 'attempt', bytes, site: seat.site, logged: true }
  }

  #admitBlame(bytes: Uint8Array): Admitted | undefined {
    const value = blameCodec.decode(bytes)
    const hash = hashOf(bytes)
    if (value.ceremony !== this.authority.hash) throw new DecodeError('blame/v1: of another ceremony')
    if (this.blames.has(hash) || this.blames.size >= MOST_BLAMES) return undefined
    this.blames.set(hash, { value, bytes })
    return { name: 'blame', bytes, site: value.accuser, logged: false }
  }

  /** A record under its author's message key; the author is the site that the record names. */
  #open<T extends { ceremony: Hash; site: SiteId } | SignResult>(codec: Codec<T>, bytes: Uint8Array): Held<T> {
    const owner = new Map(
      this.authority.roster.flatMap((member) =>
        this.keys(member.name, 'message').map((key) => [key, member.name] as const),
      ),
    )
    const signed = fromEnvelope(codec, bytes, [...owner.keys()])
    const site = owner.get(signed.key) as SiteId
    if (signed.value.ceremony !== this.authority.hash || ('site' in signed.value && signed.value.site !== site))
      throw new DecodeError(`${codec.type}: of another ceremony or site`)
    return { signed, envelope: bytes, site }
  }

  #place<T, K extends string>(
    name: ObjectName,
    into: Map<K, Held<T>>,
    key: K | undefined,
    held: Held<T>,
    rule: 'first' | 'one' = 'one',
  ): Admitted | undefined {
    const place = key ?? (held.site as unknown as K)
    const known = into.get(place)
    if (known === undefined) {
      if (into.size >= MOST_ATTEMPTS) return undefined
      into.set(place, held)
      return { name, bytes: held.envelope, site: held.site, logged: true }
    }
    if (rule === 'one' && recordHash(known.signed) !== recordHash(held.signed))
      this.contradictions.push({ site: held.site, name, envelopes: [known.envelope, held.envelope] })
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
  *all(): Generator<{ name: ObjectName; bytes: Uint8Array }> {
    for (const known of this.#certificates.values())
      for (const { envelope } of known.values()) yield { name: 'certificate', bytes: envelope }
    for (const { envelope } of this.approvals.values()) yield { name: 'approval', bytes: envelope }
    for (const attempt of this.attempts.values())
      for (const bytes of attempt.signatures.values()) yield { name: 'attempt', bytes }
    const groups = [
      ['staged', [...this.staged.values()].flatMap((map) => [...map.values()])],
      ['possession', [...this.possessions.values()].flatMap((map) => [...map.values()])],
      ['test-signature', [...this.testSignatures.values()].flatMap((map) => [...map.values()])],
      ['ready', [...this.ready.values()]],
      ['installed', [...this.installed.values()]],
      ['result', [...this.results.values()]],
      ['aborted', [...this.aborts.values()]],
    ] as const
    for (const [name, group] of groups) for (const { envelope } of group) yield { name, bytes: envelope }
    for (const { bytes } of this.blames.values()) yield { name: 'blame', bytes }
  }
}

const nested = <K, K2, V>(map: Map<K, Map<K2, V>>, key: K): Map<K2, V> => {
  const inner = map.get(key) ?? new Map<K2, V>()
  if (!map.has(key) && map.size < MOST_ATTEMPTS) map.set(key, inner)
  return inner
}
