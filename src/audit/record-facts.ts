import { keyId, openRecord } from '../identity/dsse.ts'
import { parseIdentity } from '../identity/identity.ts'
import type { Hash, Identity, Index, KeyHex, SiteId } from '../lib/brand.ts'
import { everyone, refusal } from '../records/admission.ts'
import { type Attempt, attemptCodec } from '../records/attempt.ts'
import { DecodeError } from '../records/codec.ts'
import type { Definition } from '../records/definition.ts'
import type { LogEvent } from '../records/event.ts'
import type { Certificate, Purpose } from '../records/identity.ts'
import type { Author, Certified, RecordFacts } from '../records/record-row.ts'
import { type RecordName, type RecordValue, recordNames, recordTable, rowOf } from '../records/record-table.ts'
import { recordHash } from '../records/signed.ts'
import type { BundleReader } from './bundle.ts'
import { type Entry, type Fault, type LogEntries, whyUnreadable } from './log-facts.ts'

/** A signed record that the record table admits. */
export interface Held<T> {
  readonly value: T
  /** The author's name in the roster. Of an approver's record, which has none, it is never read. */
  readonly site: SiteId
  readonly author: Author
  readonly key: KeyHex
  /** Hash of what was signed, by which other records name it. */
  readonly hash: Hash
  /** Hash of the envelope, by which logs name it. */
  readonly object: Hash
  /** The fault that it shows by itself, by the id of its proof. */
  readonly fault: string | undefined
}

export interface HeldAttempt {
  readonly hash: Hash
  readonly value: Attempt
  readonly signers: ReadonlySet<SiteId>
}

/** The bodies that logs name, each read once under each name. */
interface Bodies {
  /** Calls `read` once for each object that some log names so; what it throws becomes a fault. */
  each(what: readonly LogEvent['what'][], read: (bytes: Uint8Array, object: Hash, entry: Entry) => void): Promise<void>
  /** Logs that name an object by one of these names. */
  namedBy(what: readonly LogEvent['what'][], object: Hash): readonly SiteId[]
  readonly faults: readonly Fault[]
  /** Named by a log as a body and not in the bundle. */
  readonly missing: readonly Fault[]
}

/** Logs that name an object by a name: a bit for each of them, since there may be very many objects. */
const namesIn = (logs: readonly LogEntries[]): ReadonlyMap<LogEvent['what'], ReadonlyMap<Hash | null, number>> => {
  const naming = new Map<LogEvent['what'], Map<Hash | null, number>>()
  for (const [at, { entries }] of logs.entries())
    for (const { what, object } of entries) {
      const objects = naming.get(what) ?? new Map<Hash | null, number>()
      naming.set(what, objects.set(object, (objects.get(object) ?? 0) | (1 << at)))
    }
  return naming
}

export const bodiesOf = (bundle: BundleReader, logs: readonly LogEntries[]): Bodies => {
  const naming = namesIn(logs)
  const faults: Fault[] = []
  const missing: Fault[] = []
  const lists = new Map<number, readonly SiteId[]>()
  const sitesIn = (bits: number): readonly SiteId[] => {
    const list = lists.get(bits) ?? logs.flatMap(({ site }, at) => ((bits >>> at) & 1 ? site : []))
    lists.set(bits, list)
    return list
  }
  const namedBy = (what: readonly LogEvent['what'][], object: Hash): readonly SiteId[] =>
    sitesIn(what.reduce((bits, one) => bits | (naming.get(one)?.get(object) ?? 0), 0))
  return {
    faults,
    missing,
    namedBy,
    async each(what, read) {
      const done = new Set<Hash>()
      for (const log of logs)
        for (const entry of log.entries) {
          const { object } = entry
          if (object === null || !what.includes(entry.what) || done.has(object)) continue
          done.add(object)
          const bytes = await bundle.object(object)
          const fault = (why: string): Fault => ({ what: entry.what, object, logs: namedBy(what, object), why })
          if (bytes === undefined) missing.push(fault('its body is not here'))
          else
            try {
              read(bytes, object, entry)
            } catch (error) {
              faults.push(fault(whyUnreadable(error)))
            }
        }
    },
  }
}

/** Every signed record that the logs name and the record table admits. */
export interface Records {
  held<N extends RecordName>(name: N): readonly Held<RecordValue<N>>[]
  readonly attempts: ReadonlyMap<Hash, HeldAttempt>
  /** The site that signed a record under a message key, whatever a log says of it. */
  readonly authors: ReadonlyMap<Hash, SiteId>
  /** Keys that an identity certified for a purpose, home keys and those of this ceremony. */
  keys(identity: Identity, purpose: Purpose): readonly KeyHex[]
}

/** Events that name a record; a process that begins names its message key's certificate. */
const eventsOf = (name: RecordName): readonly LogEvent['what'][] =>
  name === 'certificate' ? ['joined', recordTable[name].event] : [recordTable[name].event]

/** Reads records in the table's order, each by the facts that those before it gave. */
export const readRecords = async (
  definition: Definition,
  ceremony: Hash,
  testSets: readonly (readonly Index[])[],
  bodies: Bodies,
): Promise<Records> => {
  const all = everyone(definition)
  const identities = new Map(all.map((one) => [one, parseIdentity(one)?.key]))
  const sites = new Map(
    definition.sites.map(({ identity, name }, at) => [identity, { site: name, index: (at + 1) as Index }]),
  )
  /** A hostile bundle may certify very many keys: each is found by the id that an envelope names. */
  const keysById = new Map<string, KeyHex>()
  for (const key of identities.values()) if (key !== undefined) keysById.set(`identity ${keyId(key)}`, key)
  const certified = new Map<string, Certified[]>()
  const owned = new Map<string, Identity[]>()
  const addCertificate = ({ value, hash }: Held<Certificate>): void => {
    const { identity, purpose, key } = value
    keysById.set(`${purpose} ${keyId(key)}`, key)
    const of = `${identity} ${purpose} ${key}`
    certified.set(of, [...(certified.get(of) ?? []), { value, hash }])
    const by = `${purpose} ${key}`
    owned.set(by, [...(owned.get(by) ?? []), identity])
  }

  const records = new Map<RecordName, Held<unknown>[]>(recordNames.map((name) => [name, []]))
  const held = <N extends RecordName>(name: N): readonly Held<RecordValue<N>>[] =>
    records.get(name) as Held<RecordValue<N>>[]
  const attempts = new Map<Hash, { hash: Hash; value: Attempt; signers: Set<SiteId> }>()
  const authors = new Map<Hash, SiteId>()
  const votes = new Set<string>()
  const facts: RecordFacts = {
    definition,
    ceremony,
    testSets,
    identityKey: (identity) => identities.get(identity),
    started: (hash) => {
      const attempt = attempts.get(hash)
      return attempt?.value.participants.every(({ site }) => attempt.signers.has(site)) === true
        ? attempt.value
        : undefined
    },
    owners: (key) => {
      const owners = new Set(owned.get(`message ${key}`))
      return all.filter((identity) => owners.has(identity))
    },
    voted: (site, record) => votes.has(`${site} ${record}`),
  }

  await bodies.each(['attempt'], (bytes, object) => {
    const value = attemptCodec.decode(bytes)
    if (value.ceremony !== ceremony) throw new DecodeError('of another ceremony')
    attempts.set(object, { hash: object, value, signers: new Set() })
  })
  const index: Partial<Record<RecordName, (one: Held<never>) => void>> = {
    certificate: addCertificate,
    attempt: ({ value, hash, site }: Held<Attempt>) => {
      const attempt = attempts.get(hash) ?? { hash, value, signers: new Set() }
      attempts.set(hash, attempt)
      attempt.signers.add(site)
    },
    ready: ({ value, site }: Held<RecordValue<'ready'>>) => votes.add(`${site} ${value.record}`),
  }
  for (const name of recordNames) {
    const row = rowOf(name)
    await bodies.each(eventsOf(name), (bytes, object) => {
      if (row.signedBy === 'nobody') {
        const value = row.codec.decode(bytes)
        const why = row.own(value, undefined as never, facts)
        if (why !== undefined) throw new DecodeError(why)
        const unsigned = { value, site: undefined as never, author: undefined as never, key: undefined as never }
        records.get(name)?.push({ ...unsigned, hash: object, object, fault: undefined })
        return
      }
      const signed = openRecord(row.codec, bytes, (id) => keysById.get(`${row.signedBy} ${id}`))
      const { value, key } = signed
      const identity = row.author(value, key, facts)
      const certificates = certified.get(`${identity} ${row.signedBy} ${key}`) ?? []
      if (identity === undefined || (row.signedBy !== 'identity' && certificates.length === 0))
        throw new DecodeError('signed by no key of its author')
      const { site, index: place } = sites.get(identity) ?? { site: null, index: null }
      const author: Author = { identity, site, index: place, key, certificates }
      const refused = refusal(row, signed, author, facts)
      if (refused !== undefined && refused.check === undefined) throw new DecodeError(refused.why)
      const one = { value, site: site as SiteId, author, key, hash: recordHash(signed), object, fault: refused?.check }
      records.get(name)?.push(one)
      if (row.signedBy === 'message' && site !== null) authors.set(object, site)
      index[name]?.(one as Held<never>)
    })
  }
  return {
    held,
    attempts,
    authors,
    keys: (identity, purpose) =>
      held('certificate').flatMap(({ value }) =>
        value.identity === identity && value.purpose === purpose ? value.key : [],
      ),
  }
}
