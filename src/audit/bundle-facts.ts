import { fromEnvelope, keyId } from '../identity/dsse.ts'
import { parseIdentity } from '../identity/identity.ts'
import type { Hash, Identity, Index, KeyHex, SiteId } from '../lib/brand.ts'
import { fromHex, toHex } from '../lib/bytes.ts'
import { hashOf } from '../lib/hash.ts'
import { type Attempt, attemptCodec, type Hello, helloCodec } from '../records/attempt.ts'
import { type Codec, DecodeError } from '../records/codec.ts'
import type { Definition } from '../records/definition.ts'
import type { LogEvent } from '../records/event.ts'
import {
  type Approval,
  approvalCodec,
  type Certificate,
  certificateCodec,
  type Note,
  noteCodec,
  type Purpose,
} from '../records/identity.ts'
import { type LedgerExcerpt, ledgerExcerptCodec } from '../records/ledger-excerpt.ts'
import {
  type EpochRecord,
  type Installed,
  installedCodec,
  type Outcome,
  outcomeCodec,
  type Possession,
  possessionCodec,
  type Ready,
  readyCodec,
  recordCodec,
  resultCodec,
  type SignResult,
  type Staged,
  stagedCodec,
  type TestSignature,
  testSignatureCodec,
} from '../records/outcome.ts'
import { type Blame, blameCodec } from '../records/round.ts'
import { decodeEnvelope, recordHash, type Signed } from '../records/signed.ts'
import type { BundleReader } from './bundle.ts'
import { OrderWatch } from './event-order.ts'
import { Frontier } from './merkle.ts'
import { ceremonyOrigin, ledgerOrigin, openCheckpoint, parseCheckpoint, type TreeHead } from './note.ts'
import type { LoggedMessage, ProtocolEvidence } from './protocol-evidence.ts'
import type { Trust } from './trust.ts'

/** The first event of one name about one object and site in a log. */
interface Entry {
  readonly what: LogEvent['what']
  readonly seq: number
  readonly at: number
  readonly site: SiteId | null
  readonly object: Hash | null
}

export interface LogFacts {
  readonly site: SiteId
  readonly size: number
  readonly root: Hash
  /** In order; repetitions of one name about one object and site are left out. */
  readonly entries: readonly Entry[]
  readonly last: Entry | undefined
  /** The first event that stands where it may not. */
  readonly orderFault: string | undefined
  /** The log is not a list of events: it ends where it could not be read. */
  readonly readFault: string | undefined
  readonly checkpoint: TreeHead | undefined
  /** Its checkpoint is signed by a key that its identity certified for logs. */
  readonly signed: boolean
}

export interface LedgerFacts {
  readonly part: LedgerExcerpt
  readonly head: TreeHead | undefined
  readonly signed: boolean
}

interface Seat {
  readonly name: SiteId
  readonly index: Index
  readonly identity: Identity
  readonly key: KeyHex | undefined
}

/** A signed record that verifies under a certified key of its author. */
export interface Held<T> {
  readonly value: T
  readonly site: SiteId
  readonly key: KeyHex
  /** Hash of what was signed, by which other records name it. */
  readonly hash: Hash
  /** Hash of the envelope, by which logs name it. */
  readonly object: Hash
}

export interface HeldAttempt {
  readonly hash: Hash
  readonly value: Attempt
  readonly signers: ReadonlySet<SiteId>
}

/** Something that a log names under a name that it does not deserve. */
interface Fault {
  readonly what: LogEvent['what']
  readonly object: Hash
  readonly log: SiteId
  readonly why: string
}

/** Everything that a bundle says, read once; what does not decode or verify is a fault, never an error. */
export interface BundleFacts {
  readonly bundle: BundleReader
  readonly definition: Definition
  readonly ceremony: Hash
  readonly evidence: ProtocolEvidence
  readonly trust: Trust | 'stated' | undefined
  readonly at: number | undefined
  readonly roster: readonly Seat[]
  readonly logs: ReadonlyMap<SiteId, LogFacts>
  readonly ledgers: ReadonlyMap<SiteId, LedgerFacts>
  readonly faults: readonly Fault[]
  /** Named by a log as a body and not in the bundle. */
  readonly missing: readonly Fault[]
  readonly certificates: readonly { readonly value: Certificate; readonly object: Hash; readonly hash: Hash }[]
  readonly approvals: readonly { readonly value: Approval; readonly object: Hash }[]
  readonly hellos: ReadonlyMap<Hash, Held<Hello>>
  readonly attempts: ReadonlyMap<Hash, HeldAttempt>
  readonly posts: readonly { readonly post: LoggedMessage; readonly object: Hash }[]
  readonly outcomes: ReadonlyMap<Hash, Outcome>
  readonly records: ReadonlyMap<Hash, EpochRecord>
  readonly staged: readonly Held<Staged>[]
  readonly possessions: readonly Held<Possession>[]
  readonly testSignatures: readonly Held<TestSignature>[]
  readonly ready: readonly Held<Ready>[]
  readonly installed: readonly Held<Installed>[]
  readonly results: readonly Held<SignResult>[]
  /** Notes that took their author out of the ceremony, by its note key. */
  readonly aborts: readonly { readonly value: Note; readonly object: Hash }[]
  readonly blames: readonly { readonly value: Blame; readonly object: Hash }[]
  /** Who signed a record under a message key, whatever a log says of it. */
  readonly authors: ReadonlyMap<Hash, SiteId>
  /** Bytes that a sign ceremony signs, where they are known and are those of the definition. */
  readonly message: Uint8Array | undefined
  /** Keys that an identity certified for a purpose, home keys and those of this ceremony. */
  keys(identity: Identity, purpose: Purpose): readonly KeyHex[]
  seat(site: SiteId): Seat | undefined
}

const why = (error: unknown): string => {
  if (error instanceof DecodeError || error instanceof RangeError) return error.message
  throw error
}

/** undefined where the bytes are not what they should be. */
const attempt = <T>(work: () => T): T | undefined => {
  try {
    return work()
  } catch (error) {
    why(error)
    return undefined
  }
}

const readLogFacts = async (bundle: BundleReader, site: SiteId): Promise<Omit<LogFacts, 'checkpoint' | 'signed'>> => {
  const frontier = new Frontier()
  const watch = new OrderWatch(site)
  const seen = new Set<string>()
  const entries: Entry[] = []
  let last: Entry | undefined
  let readFault: string | undefined
  try {
    for await (const batch of bundle.events(site))
      for (const { event, leaf } of batch) {
        frontier.append(leaf)
        watch.see(event)
        if (event.ceremony !== bundle.manifest.ceremony) watch.fault ??= `event ${event.seq}: of another ceremony`
        last = event
        const key = `${event.what} ${event.site ?? ''} ${event.object ?? ''}`
        if (seen.has(key)) continue
        seen.add(key)
        entries.push(event)
      }
  } catch (error) {
    readFault = why(error)
  }
  const root = toHex(frontier.root()) as Hash
  return { site, size: frontier.size, root, entries, last, orderFault: watch.fault, readFault }
}

/** Opens envelopes by the key that each names: a hostile bundle may certify very many. */
class Keyring {
  readonly #byId: ReadonlyMap<string, KeyHex>

  constructor(keys: Iterable<KeyHex>) {
    this.#byId = new Map([...keys].map((key) => [keyId(key), key]))
  }

  open<T>(codec: Codec<T>, bytes: Uint8Array): Signed<T> {
    const key = this.#byId.get(decodeEnvelope(bytes, codec.limit).keyid)
    return fromEnvelope(codec, bytes, key === undefined ? [] : [key])
  }
}

/** Calls `read` once for each object that some log names so; what it throws becomes a fault. */
type Reader = (bytes: Uint8Array, object: Hash, entry: Entry, log: SiteId) => void

interface VerifyInput {
  readonly trust: Trust | 'stated' | undefined
  readonly at: number | undefined
  /** The signed file, where it is not in the bundle. */
  readonly message: Uint8Array | undefined
}

const messageOf = async (bundle: BundleReader, given: Uint8Array | undefined): Promise<Uint8Array | undefined> => {
  const { definition } = bundle
  if (!('message' in definition)) return undefined
  const { message } = definition
  if (message.form === 'digest') return fromHex(message.digest)
  const bytes = given ?? (await bundle.output('message'))
  return bytes !== undefined && bytes.length === message.size && hashOf(bytes) === message.sha256 ? bytes : undefined
}

/** Reads all of a bundle once: logs as a stream, each body that they name one time. */
export const readFacts = async (
  bundle: BundleReader,
  evidence: ProtocolEvidence,
  input: VerifyInput,
): Promise<BundleFacts> => {
  const { definition } = bundle
  const ceremony = bundle.manifest.ceremony
  const roster: readonly Seat[] = definition.sites.map((site, at) => ({
    name: site.name,
    index: (at + 1) as Index,
    identity: site.identity,
    key: parseIdentity(site.identity)?.key,
  }))
  const seat = (site: SiteId): Seat | undefined => roster.find((one) => one.name === site)

  const logs: Omit<LogFacts, 'checkpoint' | 'signed'>[] = []
  for (const site of bundle.manifest.logs) logs.push(await readLogFacts(bundle, site))

  const faults: Fault[] = []
  const missing: Fault[] = []
  const each = async (what: readonly LogEvent['what'][], read: Reader): Promise<void> => {
    const done = new Set<Hash>()
    for (const log of logs)
      for (const entry of log.entries) {
        const { object } = entry
        if (object === null || !what.includes(entry.what) || done.has(object)) continue
        done.add(object)
        const bytes = await bundle.object(object)
        const fault = { what: entry.what, object, log: log.site }
        if (bytes === undefined) missing.push({ ...fault, why: 'its body is not here' })
        else
          try {
            read(bytes, object, entry, log.site)
          } catch (error) {
            faults.push({ ...fault, why: why(error) })
          }
      }
  }

  await each(['opened', 'definition', 'peer-ledger', 'first-contact'], () => undefined)
  const everyone = [...roster.map((one) => one.identity), ...definition.approvers]
  const identityKeys = new Keyring(everyone.flatMap((one) => parseIdentity(one)?.key ?? []))
  const certificates: { value: Certificate; object: Hash; hash: Hash }[] = []
  await each(['joined', 'certificate'], (bytes, object) => {
    const signed = identityKeys.open(certificateCodec, bytes)
    const { identity, purpose, authority, expires } = signed.value
    const joins = purpose === 'channel' || purpose === 'message'
    if (parseIdentity(identity)?.key !== signed.key) throw new DecodeError('of another identity')
    if (joins ? authority !== ceremony || expires === null : authority !== null || expires !== null)
      throw new DecodeError('for another ceremony, or of a purpose that does not fit')
    certificates.push({ value: signed.value, object, hash: recordHash(signed) })
  })
  const certified = new Map<string, KeyHex[]>()
  for (const { value } of certificates) {
    const use = `${value.identity} ${value.purpose}`
    const known = certified.get(use) ?? []
    certified.set(use, known)
    known.push(value.key)
  }
  const keys = (identity: Identity, purpose: Purpose): readonly KeyHex[] =>
    certified.get(`${identity} ${purpose}`) ?? []
  const owners = new Map<KeyHex, SiteId[]>()
  for (const { name, identity } of roster)
    for (const key of keys(identity, 'message')) owners.set(key, [...(owners.get(key) ?? []), name])
  const messageKeys = new Keyring(owners.keys())
  const authors = new Map<Hash, SiteId>()

  /**
   * All records of one type that logs name, each under a message key of the site that it names. Where it names none, its
   * attempt's seat does: a liar may have certified another's key, and has no seat under it that all signed.
   */
  const all = async <T extends { readonly ceremony: Hash; readonly site?: SiteId }>(
    what: readonly LogEvent['what'][],
    codec: Codec<T>,
    attemptOf: (value: T) => Attempt | undefined = () => undefined,
  ): Promise<Held<T>[]> => {
    const held: Held<T>[] = []
    await each(what, (bytes, object) => {
      const signed = messageKeys.open(codec, bytes)
      const { key, value } = signed
      const known = owners.get(key) ?? []
      if (value.ceremony !== ceremony) throw new DecodeError('of another ceremony')
      const named = value.site ?? attemptOf(value)?.participants.find((one) => one.key === key)?.site ?? known[0]
      const site = known.find((one) => one === named)
      if (site === undefined) throw new DecodeError('signed by another site')
      authors.set(object, site)
      held.push({ value, site, key, hash: recordHash(signed), object })
    })
    return held
  }

  const approvals: { value: Approval; object: Hash }[] = []
  await each(['approval'], (bytes, object) => {
    const signed = identityKeys.open(approvalCodec, bytes)
    const { identity, role } = signed.value
    if (signed.value.ceremony !== ceremony) throw new DecodeError('of another ceremony')
    if (parseIdentity(identity)?.key !== signed.key) throw new DecodeError('signed by another identity')
    const isSite = roster.some((one) => one.identity === identity)
    if (!everyone.includes(identity) || role !== (isSite ? 'site' : 'approver'))
      throw new DecodeError('in another role')
    approvals.push({ value: signed.value, object })
  })

  const hellos = await all(['hello'], helloCodec)
  const attempts = new Map<Hash, { hash: Hash; value: Attempt; signers: Set<SiteId> }>()
  await each(['attempt'], (bytes, object) => {
    const value = attemptCodec.decode(bytes)
    if (value.ceremony !== ceremony) throw new DecodeError('of another ceremony')
    attempts.set(object, { hash: object, value, signers: new Set() })
  })
  for (const { value, site, key, hash } of await all(['attempt-signature'], attemptCodec, (one) => one)) {
    const held = attempts.get(hash) ?? { hash, value, signers: new Set() }
    attempts.set(hash, held)
    if (value.participants.some((one) => one.site === site && one.key === key)) held.signers.add(site)
  }

  const posts: { post: LoggedMessage; object: Hash }[] = []
  await each(['message'], (bytes, object) => posts.push({ post: evidence.readSignedMessage(bytes), object }))
  const outcomes = new Map<Hash, Outcome>()
  await each(['outcome'], (bytes, object) => outcomes.set(object, outcomeCodec.decode(bytes)))
  const records = new Map<Hash, EpochRecord>()
  await each(['record'], (bytes, object) => records.set(object, recordCodec.decode(bytes)))
  const blames: { value: Blame; object: Hash }[] = []
  await each(['evidence'], (bytes, object) => {
    const value = blameCodec.decode(bytes)
    if (value.ceremony !== ceremony) throw new DecodeError('of another ceremony')
    blames.push({ value, object })
  })

  const aborts: { value: Note; object: Hash }[] = []
  const noteKeys = new Keyring(everyone.flatMap((identity) => keys(identity, 'note')))
  await each(['abort'], (bytes, object) => {
    const { value, key } = noteKeys.open(noteCodec, bytes)
    if (value.ceremony !== ceremony || value.abort === null) throw new DecodeError('no abort of this ceremony')
    if (!keys(value.identity, 'note').includes(key)) throw new DecodeError('signed by another identity')
    aborts.push({ value, object })
  })

  const checkpoints = new Map<SiteId, LogFacts>()
  const ledgers = new Map<SiteId, LedgerFacts>()
  const openUnder = (note: Uint8Array | string, origin: string, identity: Identity): boolean =>
    keys(identity, 'log').some((key) => attempt(() => openCheckpoint(note, origin, key))?.note.signatures.length === 1)
  for (const facts of logs) {
    const identity = seat(facts.site)?.identity as Identity
    const note = await bundle.checkpoint(facts.site)
    const signed = openUnder(note, ceremonyOrigin(ceremony, identity), identity)
    checkpoints.set(facts.site, { ...facts, checkpoint: attempt(() => parseCheckpoint(note)), signed })
    try {
      const part = ledgerExcerptCodec.decode(await bundle.ledger(facts.site))
      const ledgerSigned = openUnder(part.head, ledgerOrigin(identity), identity)
      ledgers.set(facts.site, { part, head: attempt(() => parseCheckpoint(part.head)), signed: ledgerSigned })
    } catch (error) {
      faults.push({
        what: 'log-closed',
        object: hashOf(await bundle.ledger(facts.site)),
        log: facts.site,
        why: why(error),
      })
    }
  }

  return {
    bundle,
    definition,
    ceremony,
    evidence,
    trust: input.trust,
    at: input.at,
    roster,
    logs: checkpoints,
    ledgers,
    faults,
    missing,
    certificates,
    approvals,
    hellos: new Map(hellos.map((one) => [one.hash, one])),
    attempts,
    posts,
    outcomes,
    records,
    staged: await all(['staged'], stagedCodec),
    possessions: await all(['possession'], possessionCodec),
    testSignatures: await all(['test-signature'], testSignatureCodec),
    ready: await all(['ready'], readyCodec),
    installed: await all(['installed'], installedCodec),
    results: await all(['result'], resultCodec, (one) => attempts.get(one.attempt)?.value),
    aborts,
    blames,
    authors,
    message: await messageOf(bundle, input.message),
    keys,
    seat,
  }
}
