import type { Identity, KeyHex, SiteId } from '../lib/brand.ts'
import {
  afterReadySet,
  afterStart,
  afterVote,
  authorOfResult,
  fitsTerms,
  identityOfSite,
  inItsAttempt,
  inTime,
  inWindow,
  ofFenced,
  ofHolder,
  ofReceiver,
  ofRewrapped,
  ofWitness,
  ownAbort,
  ownApproval,
  ownAttempt,
  ownCertificate,
  ownHello,
  ownReadmitted,
  ownRebound,
  ownRecord,
  ownRelease,
  ownTestSignature,
  seatUnder,
  stagedInAttempt,
  votesOnBase,
} from './admission.ts'
import { type Attempt, attemptCodec, type Hello, helloCodec } from './attempt.ts'
import { type Approval, approvalCodec, type Certificate, certificateCodec } from './identity.ts'
import { type Note, noteCodec } from './note.ts'
import {
  type Fenced,
  fencedCodec,
  type Installed,
  installedCodec,
  type Possession,
  possessionCodec,
  type Ready,
  type Retired,
  readyCodec,
  resultCodec,
  retiredCodec,
  type SignResult,
  type Staged,
  stagedCodec,
  type TestSignature,
  testSignatureCodec,
} from './outcome.ts'
import { type Readmitted, type Rebound, readmittedCodec, reboundCodec } from './readmission.ts'
import type { RecordFacts, RecordRow } from './record-row.ts'
import { type Release, releaseCodec } from './release.ts'
import {
  type Replaced,
  type Rewrapped,
  replacedCodec,
  rewrappedCodec,
  type Witnessed,
  witnessedCodec,
} from './rewrap.ts'
import { type Blame, blameCodec } from './round.ts'

// Over 350 lines, and one table: each row says all that there is to know of a record.

/** Certificates of one author: each join makes a message key, and a job that tries again all night joins often. */
const MOST_KEYS = 1024
const MOST_HELLOS = 128
/** Votes of one site for different records: two are its fault, and the rest is of no use. */
const MOST_VOTES = 4

const nothing = (): undefined => undefined
const bySite = ({ site }: { readonly site: SiteId }, _key: KeyHex, { definition }: RecordFacts): Identity | undefined =>
  identityOfSite(definition, site)
const byIdentity = ({ identity }: { readonly identity: Identity }): Identity => identity

/** Fields that most rows share; each row says what is its own. */
const common = {
  ledger: null,
  durable: false,
  forwarded: true,
  full: 'refuse',
  twice: null,
  bindsTwice: false,
  group: () => '',
  slots: () => [''],
  faults: [],
  rests: nothing,
} as const

const ofMessageKey = { ...common, signedBy: 'message', author: bySite, own: ownRecord } as const
const ofEpoch = { ...ofMessageKey, own: ofReceiver } as const

/**
 * Every signed record that sites show each other, in an order in which each can be verified by those before it. A new
 * one is a row here and a schema; the store, the ceremony log, peers, blame and `audit verify` read this table.
 */
export const recordTable = {
  certificate: {
    ...common,
    codec: certificateCodec,
    signedBy: 'identity',
    event: 'certificate',
    reported: 'identities.certificates',
    logged: 'once',
    most: () => MOST_KEYS,
    group: ({ identity }) => identity,
    slots: (_value, _author, hash) => [hash],
    author: byIdentity,
    own: ownCertificate,
  } satisfies RecordRow<Certificate>,
  approval: {
    ...common,
    codec: approvalCodec,
    signedBy: 'identity',
    event: 'approval',
    reported: 'definition.approvals',
    logged: 'once',
    most: () => 1,
    author: byIdentity,
    own: ownApproval,
  } satisfies RecordRow<Approval>,
  hello: {
    ...ofMessageKey,
    codec: helloCodec,
    event: 'hello',
    reported: 'attempts.records',
    logged: 'never',
    most: () => MOST_HELLOS,
    full: 'oldest',
    // Its number is counted by its key; its nonce makes a session new, under whatever key.
    slots: ({ sequence, nonce }, { key }) => [`${key} ${sequence}`, `nonce ${nonce}`],
    twice: { check: 'two-hellos', deed: 'signed two hellos of one number, or with one nonce' },
    own: ownHello,
  } satisfies RecordRow<Hello>,
  attempt: {
    ...ofMessageKey,
    codec: attemptCodec,
    event: 'attempt-signature',
    ledger: { what: 'attempt-signed', object: (_value, hash) => hash },
    reported: 'attempts.records',
    durable: true,
    // With the other signatures of its attempt, where this site has a part in it.
    logged: 'never',
    most: ({ attempts }) => attempts,
    slots: (value, { key }) => [String(seatUnder(value, key)?.last)],
    twice: { check: 'two-attempts', deed: 'signed two attempts after the same one' },
    author: (value, key, { definition }) => {
      const seat = seatUnder(value, key)
      return seat && identityOfSite(definition, seat.site)
    },
    own: ownAttempt,
    faults: [
      {
        check: 'attempt-terms',
        deed: 'signed an attempt that the definition does not allow',
        why: 'not one of this definition',
        broken: (value, _author, { definition }) => !fitsTerms(value, definition),
      },
      {
        check: 'attempt-time',
        deed: 'signed an attempt outside of the window, or after its own key had expired',
        why: 'begun outside of the window, or after its signer’s key had expired',
        broken: (value, { certificates }, { definition }) =>
          !inWindow(value, definition) || !inTime(value, certificates),
      },
    ],
  } satisfies RecordRow<Attempt>,
  staged: {
    ...ofEpoch,
    codec: stagedCodec,
    event: 'staged',
    ledger: { what: 'staged', object: ({ envelope }) => envelope },
    reported: 'votes.records',
    durable: true,
    logged: 'once',
    most: ({ attempts }) => attempts,
    group: ({ attempt }) => attempt,
    slots: ({ attempt }) => [attempt],
    twice: { check: 'two-staged', deed: 'staged two shards in one attempt' },
    rests: stagedInAttempt,
  } satisfies RecordRow<Staged>,
  possession: {
    ...ofEpoch,
    codec: possessionCodec,
    event: 'possession',
    reported: 'possession.records',
    durable: true,
    forwarded: false,
    logged: 'later',
    most: ({ attempts }) => attempts,
    group: ({ record }) => record,
    slots: ({ record }) => [record],
  } satisfies RecordRow<Possession>,
  'test-signature': {
    ...ofEpoch,
    codec: testSignatureCodec,
    event: 'test-signature',
    reported: 'possession.records',
    forwarded: false,
    logged: 'later',
    // A site is in two of the sets at most: the last one overlaps the one before.
    most: ({ attempts }) => 2 * attempts,
    group: ({ record }) => record,
    slots: ({ record, signers }) => [`${record} ${signers.join()}`],
    own: ownTestSignature,
  } satisfies RecordRow<TestSignature>,
  fenced: {
    ...ofMessageKey,
    own: ofFenced,
    codec: fencedCodec,
    event: 'fenced',
    ledger: { what: 'fenced', object: ({ key }) => key },
    reported: 'votes.records',
    durable: true,
    logged: 'once',
    most: () => 1,
  } satisfies RecordRow<Fenced>,
  ready: {
    ...ofEpoch,
    codec: readyCodec,
    event: 'ready',
    ledger: { what: 'ready', object: ({ record }) => record },
    reported: 'votes.records',
    keepsAuthor: true,
    durable: true,
    logged: 'once',
    most: () => MOST_VOTES,
    twice: { check: 'two-votes', deed: 'voted for two records' },
    bindsTwice: true,
    faults: [
      {
        check: 'vote-base',
        deed: 'voted for a record on another base than the definition names',
        why: 'for another base',
        broken: (value, _author, { definition }) => !votesOnBase(value, definition),
      },
    ],
  } satisfies RecordRow<Ready>,
  installed: {
    ...ofEpoch,
    codec: installedCodec,
    event: 'installed',
    ledger: { what: 'installed', object: ({ record }) => record },
    reported: 'votes.records',
    durable: true,
    logged: 'once',
    most: () => MOST_VOTES,
    twice: { check: 'two-receipts', deed: 'gave receipts for two records' },
    bindsTwice: true,
    rests: afterVote,
  } satisfies RecordRow<Installed>,
  retired: {
    ...ofMessageKey,
    own: ofHolder,
    codec: retiredCodec,
    event: 'retired',
    ledger: { what: 'retired', object: ({ base }) => base },
    reported: 'votes.records',
    durable: true,
    logged: 'once',
    most: () => MOST_VOTES,
    twice: { check: 'two-retirements', deed: 'said of two records that they replaced its share' },
    faults: [
      {
        check: 'retired-base',
        deed: 'destroyed a share that the definition does not replace',
        why: 'of another base',
        broken: ({ base }, _author, { definition }) => base !== definition.base,
      },
    ],
    rests: afterReadySet,
  } satisfies RecordRow<Retired>,
  result: {
    ...ofMessageKey,
    codec: resultCodec,
    event: 'result',
    ledger: { what: 'result', object: (_value, hash) => hash },
    reported: 'signature.records',
    durable: true,
    logged: 'later',
    most: () => 1,
    twice: { check: 'two-results', deed: 'stated two signatures' },
    author: authorOfResult,
    rests: afterStart,
  } satisfies RecordRow<SignResult>,
  release: {
    ...ofMessageKey,
    codec: releaseCodec,
    event: 'release',
    ledger: { what: 'released', object: (_value, hash) => hash },
    reported: 'release.records',
    keepsAuthor: true,
    durable: true,
    logged: 'once',
    most: () => 1,
    twice: { check: 'two-releases', deed: 'gave its share twice' },
    own: ownRelease,
    rests: inItsAttempt,
  } satisfies RecordRow<Release>,
  readmitted: {
    ...ofMessageKey,
    codec: readmittedCodec,
    event: 'readmitted',
    ledger: { what: 'readmitted', object: (_value, hash) => hash },
    reported: 'readmit.records',
    keepsAuthor: true,
    durable: true,
    logged: 'once',
    most: () => 1,
    twice: { check: 'two-readmissions', deed: 'took a site back in two ways' },
    own: ownReadmitted,
    rests: inItsAttempt,
  } satisfies RecordRow<Readmitted>,
  rebound: {
    ...ofMessageKey,
    codec: reboundCodec,
    event: 'rebound',
    ledger: { what: 'rebound', object: (_value, hash) => hash },
    reported: 'readmit.records',
    keepsAuthor: true,
    durable: true,
    logged: 'once',
    most: () => 1,
    twice: { check: 'two-returns', deed: 'said in two ways that it is bound again' },
    own: ownRebound,
    rests: inItsAttempt,
  } satisfies RecordRow<Rebound>,
  rewrapped: {
    ...ofMessageKey,
    codec: rewrappedCodec,
    event: 'rewrapped',
    ledger: { what: 'rewrapped', object: ({ envelope }) => envelope },
    reported: 'rewrap.records',
    durable: true,
    // A proof that does not hold is nothing that a witness stands for.
    logged: 'later',
    most: () => 1,
    twice: { check: 'two-rewraps', deed: 'sealed its share anew in two envelopes of one ceremony' },
    own: ofRewrapped,
    rests: inItsAttempt,
  } satisfies RecordRow<Rewrapped>,
  witnessed: {
    ...ofMessageKey,
    codec: witnessedCodec,
    event: 'witnessed',
    ledger: { what: 'witnessed', object: ({ envelope }) => envelope },
    reported: 'rewrap.records',
    keepsAuthor: true,
    durable: true,
    logged: 'once',
    most: () => 1,
    twice: { check: 'two-witnesses', deed: 'cosigned two envelopes of one ceremony' },
    own: ofWitness,
  } satisfies RecordRow<Witnessed>,
  replaced: {
    ...ofMessageKey,
    codec: replacedCodec,
    event: 'replaced',
    ledger: { what: 'replaced', object: ({ envelope }) => envelope },
    reported: 'rewrap.records',
    keepsAuthor: true,
    durable: true,
    logged: 'once',
    most: () => 1,
    twice: { check: 'two-replacements', deed: 'went over to two envelopes of one ceremony' },
    own: ofRewrapped,
  } satisfies RecordRow<Replaced>,
  aborted: {
    ...common,
    codec: noteCodec,
    signedBy: 'note',
    event: 'abort',
    ledger: { what: 'aborted', object: () => null },
    reported: 'blame.records',
    logged: 'once',
    most: () => 1,
    author: byIdentity,
    own: ownAbort,
  } satisfies RecordRow<Note>,
  blame: {
    ...common,
    codec: blameCodec,
    signedBy: 'nobody',
    event: 'evidence',
    reported: 'blame.records',
    // Whoever proved it tells of it.
    forwarded: false,
    // Once it is proven here, by whoever judged it.
    logged: 'never',
    // Against one site: the first convicts it, and more may not crowd out those against others.
    most: () => 4,
    author: ({ accuser }, _key, { definition }) => identityOfSite(definition, accuser),
    own: ({ ceremony }, _author, terms) => (ceremony === terms.ceremony ? undefined : 'of another ceremony'),
  } satisfies RecordRow<Blame>,
} as const

export type RecordName = keyof typeof recordTable
export type RecordValue<N extends RecordName> = (typeof recordTable)[N] extends {
  codec: { decode(b: Uint8Array): infer T }
}
  ? T
  : never

export const recordNames = Object.keys(recordTable) as RecordName[]

/** Records whose author cannot leave any more. */
export const keepingRecords = recordNames.filter((name) => 'keepsAuthor' in recordTable[name])

/** A row as a table of all of them is read: what it takes is a value of its own record. */
export const recordRow = <N extends RecordName>(name: N): RecordRow<RecordValue<N>> =>
  recordTable[name] as unknown as RecordRow<RecordValue<N>>

export const rowOf = (name: RecordName): RecordRow<unknown> => recordTable[name] as unknown as RecordRow<unknown>

/** The record that a ceremony log means by the name of an event. */
export const recordOfEvent: ReadonlyMap<string, RecordName> = new Map(
  recordNames.map((name) => [recordTable[name].event, name]),
)

/** Types that a message key signs besides round messages. */
export const messageKeyTypes: readonly string[] = recordNames
  .map(rowOf)
  .flatMap(({ signedBy, codec }) => (signedBy === 'message' ? [codec.type] : []))
