import { parseIdentity } from '../identity/identity.ts'
import type { Hash, Identity, Index, KeyHex, SiteId } from '../lib/brand.ts'
import { fromHex } from '../lib/bytes.ts'
import { hashOf } from '../lib/hash.ts'
import type { Hello } from '../records/attempt.ts'
import { type Definition, recordKind, sharesIn } from '../records/definition.ts'
import type { LogEvent } from '../records/event.ts'
import { type EpochRecord, type Outcome, outcomeCodec, recordCodec } from '../records/outcome.ts'
import type { RecordName, RecordValue } from '../records/record-table.ts'
import type { BundleReader } from './bundle.ts'
import { type Fault, type LedgerFacts, type LogFacts, ledgerFacts, logFacts, readLog } from './log-facts.ts'
import type { LoggedMessage, ProtocolEvidence } from './protocol-evidence.ts'
import { readReadmission, type SaidReadmitted } from './readmitted.ts'
import { readReconstructed, type SaidReconstructed } from './reconstructed.ts'
import { bodiesOf, type Held, type Records, readRecords } from './record-facts.ts'
import { wordsOf } from './signed-times.ts'
import type { Word } from './times.ts'
import type { Trust } from './trust.ts'

interface Seat {
  readonly name: SiteId
  readonly index: Index
  readonly identity: Identity
  readonly key: KeyHex | undefined
}

/** Everything that a bundle says, read once; what does not decode or verify is a fault, never an error. */
export interface BundleFacts extends Records {
  readonly bundle: BundleReader
  readonly definition: Definition
  readonly ceremony: Hash
  readonly evidence: ProtocolEvidence
  readonly trust: Trust | 'stated' | undefined
  readonly at: number | undefined
  readonly roster: readonly Seat[]
  /** Those that hold a share of the epoch that is made, or used. */
  readonly receivers: readonly Seat[]
  /** Those that hold a share of the epoch that is replaced. */
  readonly holders: readonly Seat[]
  readonly logs: ReadonlyMap<SiteId, LogFacts>
  readonly ledgers: ReadonlyMap<SiteId, LedgerFacts>
  readonly faults: readonly Fault[]
  /** Named by a log as a body and not in the bundle. */
  readonly missing: readonly Fault[]
  readonly hellos: ReadonlyMap<Hash, Held<Hello>>
  readonly posts: readonly { readonly post: LoggedMessage; readonly object: Hash }[]
  readonly outcomes: ReadonlyMap<Hash, Outcome>
  readonly records: ReadonlyMap<Hash, EpochRecord>
  readonly staged: readonly Held<RecordValue<'staged'>>[]
  readonly ready: readonly Held<RecordValue<'ready'>>[]
  readonly installed: readonly Held<RecordValue<'installed'>>[]
  readonly retired: readonly Held<RecordValue<'retired'>>[]
  readonly results: readonly Held<RecordValue<'result'>>[]
  /** Notes that took their author out of the ceremony, by its note key. */
  readonly aborts: readonly Held<RecordValue<'aborted'>>[]
  readonly blames: readonly Held<RecordValue<'blame'>>[]
  /** Ceremonies before this one in which sites say that they gave their share of the key away. */
  readonly reconstructed: readonly SaidReconstructed[]
  /** Ceremonies before this one in which sites say that a site of the key was taken back. */
  readonly readmitted: readonly SaidReadmitted[]
  /** Bytes that a sign ceremony signs, where they are known and are those of the definition. */
  readonly message: Uint8Array | undefined
  /** True where the auditor gave a file that is not what the definition names. */
  readonly givenAnother: boolean
  /** Every site's claims of time. */
  readonly words: readonly Word[]
  /** Logs that name an object by one of these names. */
  namedBy(what: readonly LogEvent['what'][], object: Hash): readonly SiteId[]
  seat(site: SiteId): Seat | undefined
  held<N extends RecordName>(name: N): readonly Held<RecordValue<N>>[]
}

/** True where no log here is of a site that held a share of the epoch before: the others have never seen its record. */
export const baseUnseen = ({ holders, logs }: Pick<BundleFacts, 'holders' | 'logs'>): boolean =>
  holders.length > 0 && !holders.some(({ name }) => logs.has(name))

interface VerifyInput {
  readonly trust: Trust | 'stated' | undefined
  readonly at: number | undefined
  /** The signed file, where it is not in the bundle. */
  readonly message: Uint8Array | undefined
}

const messageOf = async (
  bundle: BundleReader,
  given: Uint8Array | undefined,
): Promise<Pick<BundleFacts, 'message' | 'givenAnother'>> => {
  const { definition } = bundle
  if (!('message' in definition)) return { message: undefined, givenAnother: given !== undefined }
  const { message } = definition
  // Which hash a digest is made by, only its planner knows: SHA-256 is what nearly all use.
  const is = (bytes: Uint8Array): boolean =>
    message.form === 'digest'
      ? hashOf(bytes) === message.digest
      : bytes.length === message.size && hashOf(bytes) === message.sha256
  const givenAnother = given !== undefined && !is(given)
  if (message.form === 'digest') return { message: fromHex(message.digest), givenAnother }
  const bytes = given === undefined || givenAnother ? await bundle.output('message') : given
  return { message: bytes !== undefined && is(bytes) ? bytes : undefined, givenAnother }
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
  const row = recordKind(definition)
  const called = (names: readonly SiteId[]): readonly Seat[] => roster.filter(({ name }) => names.includes(name))
  const seat = (site: SiteId): Seat | undefined => roster.find((one) => one.name === site)
  const logs = await Promise.all(bundle.manifest.logs.map((site) => readLog(bundle, site)))
  const bodies = bodiesOf(bundle, logs)

  await bodies.each(['opened', 'definition', 'peer-ledger', 'first-contact'], () => undefined)
  const testSets = evidence.testSignerSets(sharesIn(definition), definition.threshold)
  const records = await readRecords(definition, ceremony, testSets, bodies)
  const posts: { post: LoggedMessage; object: Hash }[] = []
  await bodies.each(['message'], (bytes, object) => posts.push({ post: evidence.readSignedMessage(bytes), object }))
  const outcomes = new Map<Hash, Outcome>()
  await bodies.each(['outcome'], (bytes, object) => outcomes.set(object, outcomeCodec.decode(bytes)))
  const epochs = new Map<Hash, EpochRecord>()
  await bodies.each(['record'], (bytes, object) => epochs.set(object, recordCodec.decode(bytes)))
  const reconstructed: SaidReconstructed[] = []
  await bodies.each(['reconstructed'], (bytes, object) =>
    reconstructed.push({
      definition: readReconstructed(bytes, definition),
      by: bodies.namedBy(['reconstructed'], object),
    }),
  )
  const readmitted: SaidReadmitted[] = []
  await bodies.each(['readmission'], (bytes, object) =>
    readmitted.push({ definition: readReadmission(bytes, definition), by: bodies.namedBy(['readmission'], object) }),
  )

  const faults: Fault[] = []
  const known = new Map<SiteId, LogFacts>()
  const ledgers = new Map<SiteId, LedgerFacts>()
  for (const log of logs) {
    const identity = seat(log.site)?.identity as Identity
    const keys = records.keys(identity, 'log')
    known.set(log.site, await logFacts(bundle, log, identity, keys))
    const ledger = await ledgerFacts(bundle, log.site, identity, keys)
    if ('why' in ledger) faults.push(ledger)
    else ledgers.set(log.site, ledger)
  }

  const { held } = records
  const facts = {
    ...records,
    bundle,
    definition,
    ceremony,
    evidence,
    trust: input.trust,
    at: input.at,
    roster,
    receivers: called(row.receivers(definition)),
    holders: called(row.replaces(definition)?.sites ?? []),
    logs: known,
    ledgers,
    faults: [...bodies.faults, ...faults],
    missing: bodies.missing,
    hellos: new Map(held('hello').map((one) => [one.hash, one])),
    posts,
    outcomes,
    records: epochs,
    staged: held('staged'),
    ready: held('ready'),
    installed: held('installed'),
    retired: held('retired'),
    results: held('result'),
    aborts: held('aborted'),
    blames: held('blame'),
    reconstructed,
    readmitted,
    ...(await messageOf(bundle, input.message)),
    namedBy: bodies.namedBy,
    seat,
  }
  return { ...facts, words: await wordsOf(facts) }
}
