import { readCertificate } from '../../identity/certificate.ts'
import { openRecord } from '../../identity/dsse.ts'
import { verifyEd25519 } from '../../identity/ed25519.ts'
import { parseIdentity } from '../../identity/identity.ts'
import type { Hash, KeyHex } from '../../lib/brand.ts'
import { fromBase64, fromHex } from '../../lib/bytes.ts'
import { hashOf } from '../../lib/hash.ts'
import { testSignerSets } from '../../mpc/test-signature.ts'
import type { Attempt } from '../../records/attempt.ts'
import { DecodeError, versionsOf } from '../../records/codec.ts'
import { recordKind, sharesIn } from '../../records/definition.ts'
import { messageHash } from '../../records/kinds/sign.ts'
import { type EpochRecord, type Outcome, outcomeCodec, recordCodec, type Staged } from '../../records/outcome.ts'
import { type ProofName, proofHolds, proofNames } from '../../records/proofs.ts'
import type { Author, OwnFault, Terms } from '../../records/record-row.ts'
import {
  type RecordName,
  type RecordValue,
  recordNames,
  recordRow,
  recordTable,
  rowOf,
} from '../../records/record-table.ts'
import { rewrapHolds } from '../../records/rewrap.ts'
import type { Blame, Verdict } from '../../records/round.ts'
import { decodeEnvelope, type Envelope, pae, payloadType, recordHash, type Signed } from '../../records/signed.ts'
import { type Authority, definitionAuthority } from '../definition/authority.ts'
import { epochOutcome } from '../epoch/epoch-outcome.ts'
import { receivedBy } from '../session/received.ts'
import { readSignedMessage } from '../session/round-message.ts'
import { sessionsOf } from '../session/sub-session.ts'
import type { PublicFacts } from './judge-context.ts'
import { proofRules } from './test-session.ts'

interface Case {
  readonly blame: Blame
  readonly facts: PublicFacts
  readonly authority: Authority
  readonly terms: Terms
  /** The accused under the key of this certificate of its own. Throws DecodeError where it is none. */
  authorUnder(certificate: Uint8Array): Author
  /** The accused's record in the n-th pair of certificate and envelope. Throws DecodeError where it is not one of the accused. */
  record<N extends RecordName>(at: number, name: N): Owned<RecordValue<N>>
  /** The n-th message itself. */
  bytes(at: number): Uint8Array
  readonly length: number
}

/** A record with its author, as a claim shows both. */
interface Owned<T> {
  readonly signed: Signed<T>
  readonly author: Author
}

const provenIf = (holds: boolean): Verdict => (holds ? 'proven' : 'refuted')

/** A check that a claim decides by what it carries and by the definition: no other fact changes its answer. */
const decided =
  (isFault: (given: Case) => boolean) =>
  (given: Case): Verdict =>
    provenIf(isFault(given))

const differ = (a: Signed<unknown>, b: Signed<unknown>): boolean => recordHash(a) !== recordHash(b)

/** Two records of one name in one slot of the record table: no honest site signs both. */
const two =
  (name: RecordName) =>
  (given: Case): boolean => {
    const [a, b] = [given.record(0, name), given.record(1, name)]
    const slotsOf = ({ signed, author }: Owned<unknown>): readonly string[] =>
      rowOf(name).slots(signed.value, author, recordHash(signed))
    const slots = new Set(slotsOf(a))
    return given.length === 4 && differ(a.signed, b.signed) && slotsOf(b).some((slot) => slots.has(slot))
  }

/** A record that a fault of its own row names. */
const own =
  (name: RecordName, { broken }: OwnFault<unknown>) =>
  (given: Case): boolean => {
    const { signed, author } = given.record(0, name)
    return broken(signed.value, author, given.terms)
  }

const namesOfMessageKeys = recordNames.filter((name) => recordTable[name].signedBy === 'message')

/** The record of message keys that an envelope says it holds; undefined where it says another. */
const nameIn = (envelope: Envelope): RecordName | undefined =>
  namesOfMessageKeys.find((name) =>
    versionsOf(rowOf(name).codec).some(({ type }) => payloadType(type) === envelope.type),
  )

/** True where this message key signed the envelope as a record of its own types. The contents may be anything. */
const isSignedRecord = (envelope: Envelope, key: KeyHex): boolean =>
  nameIn(envelope) !== undefined && verifyEd25519(key, pae(envelope.type, envelope.payload), envelope.signature)

const MOST_RECORD_BYTES = 2 ** 20

/** The key that a record of that kind names and is signed by; it costs at most one signature check. */
export const signedUnder = (bytes: Uint8Array, keyOf: (keyid: string) => KeyHex | undefined): KeyHex | undefined => {
  try {
    const envelope = decodeEnvelope(bytes, MOST_RECORD_BYTES)
    const key = keyOf(envelope.keyid)
    return key !== undefined && isSignedRecord(envelope, key) ? key : undefined
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

const isMalformedRecord = ({ bytes, length, authorUnder, terms }: Case): boolean => {
  if (length !== 2) return false
  const author = authorUnder(bytes(0))
  const envelope = decodeEnvelope(bytes(1), MOST_RECORD_BYTES)
  const name = nameIn(envelope)
  if (name === undefined || !isSignedRecord(envelope, author.key)) return false
  try {
    const row = rowOf(name)
    return row.own(openRecord(row.codec, bytes(1), () => author.key).value, author, terms) !== undefined
  } catch (error) {
    if (error instanceof DecodeError) return true
    throw error
  }
}

/** The record and outcome that a claim shows, where they are those that the accused's word names. */
const shown = ({ bytes, length }: Case, record: Hash): { record: EpochRecord; outcome: Outcome } | undefined => {
  if (length !== 4 || hashOf(bytes(2)) !== record) return undefined
  const decoded = recordCodec.decode(bytes(2))
  if (hashOf(bytes(3)) !== decoded.outcome) return undefined
  return { record: decoded, outcome: outcomeCodec.decode(bytes(3)) }
}

const isFalse =
  (name: ProofName) =>
  (given: Case): boolean => {
    const { value } = given.record(0, name).signed
    const outcome = shown(given, value.record)?.outcome
    return outcome !== undefined && !proofHolds(name, value as never, outcome, proofRules(given.facts.protocols))
  }

/** By the share that the definition names: nothing else is needed to see that a proof does not hold. */
const isFalseRewrap = ({ facts: { definition, protocols }, record, length }: Case): boolean =>
  length === 2 && 'witnesses' in definition && !rewrapHolds(record(0, 'rewrapped').signed.value, definition, protocols)

/** With the certificate and the result alone: on another base than its attempt names. With the record and outcome of its base: any other fault. */
const judgeResult = (given: Case): Verdict => {
  const { value } = given.record(0, 'result').signed
  const { attempt, message, protocols, definition } = given.facts
  if (given.length === 2) {
    if (value.attempt !== given.blame.attempt) return 'refuted'
    return attempt === undefined ? 'undecidable' : provenIf(attempt.base !== value.base)
  }
  const outcome = shown(given, value.base)?.outcome
  if (outcome === undefined || !('message' in definition)) return 'refuted'
  if (value.publicKey !== outcome.publicKey || value.message !== messageHash(definition.message)) return 'proven'
  if (message === undefined) return 'undecidable'
  return provenIf(!protocols.verifySignature(fromHex(outcome.publicKey), message, fromHex(value.signature)))
}

/**
 * A staged outcome is what its site computed from what it received. It signed what it received: its echoes of the
 * broadcasts and of the confirmations. So a stranger computes the same; and nobody else's words can make it another.
 */
const judgeOutcome = (given: Case): Verdict => {
  const { value } = given.record(0, 'staged').signed
  const { attempt, definition } = given.facts
  if (value.attempt !== given.blame.attempt || recordKind(definition).makes !== 'key') return 'refuted'
  const own = given.facts.kind.context(given.facts)
  if (attempt === undefined || own === 'unknown') return 'undecidable'
  return own === 'none' ? 'refuted' : provenIf(isFalseOutcome(given, value, attempt, own.context))
}

const isFalseOutcome = (given: Case, value: Staged, attempt: Attempt, context: unknown): boolean => {
  const { blame, facts, authority } = given
  const { definition, protocols } = facts
  const members = attempt.participants
  if (members[blame.party - 1]?.site !== blame.accused) return false
  const posts = Array.from({ length: given.length - 2 }, (_, at) => readSignedMessage(given.bytes(at + 2)))
  const rules = facts.kind.protocols(protocols).find(({ id }) => id === posts[0]?.protocol)
  const keys = members.map(({ key }) => key)
  if (rules?.derive === undefined) return false
  const sessions = sessionsOf(blame.attempt, rules, context, keys.length)
  const received = receivedBy(blame.party, sessions, keys, posts)
  if (received === undefined) return false
  const made = rules.derive(context, blame.attempt, received.messages)
  const outcome = epochOutcome(definition, authority.hash, blame.attempt, received.transcript, made)
  return hashOf(outcomeCodec.encode(outcome)) !== value.outcome
}

/** Each fault of a row's own, and each pair that its slots exclude. */
const ofTable = (): Readonly<Record<string, (given: Case) => Verdict>> =>
  Object.fromEntries(
    recordNames.flatMap((name) => {
      const { faults, twice } = rowOf(name)
      const pairs = twice === null ? [] : [[twice.check, decided(two(name))] as const]
      return [...pairs, ...faults.map((fault) => [fault.check, decided(own(name, fault))] as const)]
    }),
  )

/**
 * Faults of records that a site signs outside of rounds. A claim's messages begin with pairs of the certificate
 * of the message key and the envelope under it, so that a site's several keys do not hide that it said two things.
 */
export const recordFaults: Readonly<Record<string, (given: Case) => Verdict>> = {
  'malformed-record': decided(isMalformedRecord),
  ...ofTable(),
  'staged-outcome': judgeOutcome,
  ...Object.fromEntries(proofNames.map((name) => [name, decided(isFalse(name))])),
  'rewrap-proof': decided(isFalseRewrap),
  'receipt-without-vote': decided(
    (given) =>
      given.length === 4 &&
      given.record(0, 'ready').signed.value.record !== given.record(1, 'installed').signed.value.record,
  ),
  result: judgeResult,
}

/** Decides a claim of one of `recordFaults`. Throws DecodeError and RangeError where its messages are not what they should be. */
export const judgeRecord = (blame: Blame, facts: PublicFacts): Verdict => {
  const authority = definitionAuthority(facts.definition)
  const member = authority.member(blame.accused)
  const check = Object.hasOwn(recordFaults, blame.check) ? recordFaults[blame.check] : undefined
  if (check === undefined || member === undefined || blame.within !== null || blame.ceremony !== authority.hash)
    return 'refuted'
  const messages = blame.messages.map(fromBase64)
  const bytes = (at: number): Uint8Array => {
    const found = messages[at]
    if (found === undefined) throw new DecodeError('a claim without its messages')
    return found
  }
  const { definition } = facts
  const terms: Terms = {
    definition,
    ceremony: authority.hash,
    testSets: testSignerSets(sharesIn(definition), definition.threshold),
    identityKey: (identity) => parseIdentity(identity)?.key,
  }
  const authorUnder = (envelope: Uint8Array): Author => {
    const certificate = readCertificate(envelope, member.identity, 'message', authority.hash)
    const { key } = certificate.value
    const { identity, name: site, index } = member
    return { identity, site, index, key, certificates: [{ value: certificate.value, hash: recordHash(certificate) }] }
  }
  return check({
    blame,
    facts,
    authority,
    terms,
    bytes,
    authorUnder,
    length: messages.length,
    record<N extends RecordName>(at: number, name: N): Owned<RecordValue<N>> {
      const row = recordRow(name)
      const author = authorUnder(bytes(2 * at))
      const signed = openRecord(row.codec, bytes(2 * at + 1), () => author.key)
      const why = row.own(signed.value, author, terms)
      if (why !== undefined) throw new DecodeError(`${row.codec.type}: ${why}`)
      return { signed, author }
    },
  })
}
