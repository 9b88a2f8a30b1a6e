import { readCertificate } from '../../identity/certificate.ts'
import { fromEnvelope, keyId } from '../../identity/dsse.ts'
import { verifyEd25519 } from '../../identity/ed25519.ts'
import type { Hash, KeyHex, Party, SiteId } from '../../lib/brand.ts'
import { equal, fromBase64, fromHex, toHex } from '../../lib/bytes.ts'
import { hashOf } from '../../lib/hash.ts'
import { testSignatureMessage, testSignerSets } from '../../mpc/test-signature.ts'
import { type Attempt, attemptCodec, type Hello, helloCodec } from '../../records/attempt.ts'
import { type Codec, DecodeError, type Reader, versionsOf } from '../../records/codec.ts'
import { recordKind } from '../../records/definition.ts'
import { messageHash } from '../../records/kinds/sign.ts'
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
} from '../../records/outcome.ts'
import { type Blame, type EchoVector, echoCodec, type Verdict } from '../../records/round.ts'
import { decodeEnvelope, type Envelope, pae, payloadType, recordHash, type Signed } from '../../records/signed.ts'
import { type Authority, definitionAuthority } from '../definition/authority.ts'
import { keygenOutcome } from '../epoch/keygen-outcome.ts'
import { readSignedMessage, type SignedMessage, signedBy } from '../session/round-message.ts'
import { confirmRound, echoRound } from '../session/round-spec.ts'
import { confirmEntries, transcriptOf } from '../session/session.ts'
import type { PublicFacts } from './judge-context.ts'

/** What a message key signs besides round messages. */
type SignedRecordValue = Hello | Attempt | Staged | Possession | TestSignature | Ready | Installed | SignResult

interface Case {
  readonly blame: Blame
  readonly facts: PublicFacts
  readonly authority: Authority
  readonly index: number
  /** The accused's record in the n-th pair of certificate and envelope. Throws DecodeError where it is not one of the accused. */
  record<T extends SignedRecordValue>(at: number, codec: Codec<T>): Signed<T>
  /** The n-th message itself. */
  bytes(at: number): Uint8Array
  readonly length: number
}

const seatOf = (attempt: Attempt, site: SiteId, key: KeyHex): Attempt['participants'][number] | undefined =>
  attempt.participants.find((one) => one.site === site && one.key === key)

const provenIf = (holds: boolean): Verdict => (holds ? 'proven' : 'refuted')

/** A check that a claim decides by what it carries and by the definition: no other fact changes its answer. */
const decided =
  (isFault: (given: Case) => boolean) =>
  (given: Case): Verdict =>
    provenIf(isFault(given))

const differ = (a: Signed<unknown>, b: Signed<unknown>): boolean => recordHash(a) !== recordHash(b)

/** Two records of one kind that no honest site signs both of. */
const two =
  <T extends SignedRecordValue>(codec: Codec<T>, onePlace: (a: Signed<T>, b: Signed<T>, accused: SiteId) => boolean) =>
  (given: Case): boolean => {
    const [a, b] = [given.record(0, codec), given.record(1, codec)]
    return given.length === 4 && differ(a, b) && onePlace(a, b, given.blame.accused)
  }

const codecs: readonly Codec<SignedRecordValue>[] = [
  helloCodec,
  attemptCodec,
  stagedCodec,
  possessionCodec,
  testSignatureCodec,
  readyCodec,
  installedCodec,
  resultCodec,
] as readonly Codec<SignedRecordValue>[]
const readers = codecs.flatMap(versionsOf)

/** Whether a decoded record says what the certified key of this site may say at all. */
const isOwnRecord = (
  value: SignedRecordValue,
  site: SiteId,
  index: number,
  ceremony: Hash,
  key: KeyHex,
  certificate: Hash,
): boolean =>
  value.ceremony === ceremony &&
  (!('site' in value) || value.site === site) &&
  (!('index' in value) || value.index === index) &&
  (!('participants' in value) || seatOf(value, site, key) !== undefined) &&
  (!('certificate' in value) || value.certificate === certificate)

/** Whether an envelope is one of a record that message keys sign, by this one; what it says may be anything. */
const isSignedRecord = (envelope: Envelope, key: KeyHex): boolean =>
  readers.some((one) => payloadType(one.type) === envelope.type) &&
  verifyEd25519(key, pae(envelope.type, envelope.payload), envelope.signature)

const MOST_RECORD_BYTES = 2 ** 20

/** The key that a record of that kind names and is signed by; it costs at most one signature check. */
export const signedUnder = (bytes: Uint8Array, keys: readonly KeyHex[]): KeyHex | undefined => {
  try {
    const envelope = decodeEnvelope(bytes, MOST_RECORD_BYTES)
    const key = keys.find((one) => keyId(one) === envelope.keyid)
    return key !== undefined && isSignedRecord(envelope, key) ? key : undefined
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

const isMalformedRecord = ({ blame, bytes, length, authority, index }: Case): boolean => {
  const identity = authority.member(blame.accused)?.identity
  if (identity === undefined || length !== 2) return false
  const certificate = readCertificate(bytes(0), identity, 'message', authority.hash)
  const { key } = certificate.value
  const envelope = decodeEnvelope(bytes(1), MOST_RECORD_BYTES)
  if (!isSignedRecord(envelope, key)) return false
  const reader = readers.find((one) => payloadType(one.type) === envelope.type) as Reader<SignedRecordValue>
  try {
    const value = reader.decode(envelope.payload)
    return !isOwnRecord(value, blame.accused, index, authority.hash, key, recordHash(certificate))
  } catch (error) {
    if (error instanceof DecodeError) return true
    throw error
  }
}

/** An attempt that seats others, or builds on something else, than the definition says: nobody honest signs it. */
export const fitsTerms = (attempt: Attempt, authority: Authority): boolean => {
  const { definition, candidates, seats } = authority
  const places = attempt.participants.map((one) => candidates.findIndex((member) => member.name === one.site))
  return (
    places.length === seats &&
    places.every((place, at) => place >= 0 && (at === 0 || place > (places[at - 1] as number))) &&
    (attempt.base === null) === (recordKind(definition).buildsOn === 'nothing') &&
    attempt.round === definition.deadlines.round
  )
}

/** The record and outcome that a claim shows, where they are those that the accused's word names. */
const shown = ({ bytes, length }: Case, record: Hash): { record: EpochRecord; outcome: Outcome } | undefined => {
  if (length !== 4 || hashOf(bytes(2)) !== record) return undefined
  const decoded = recordCodec.decode(bytes(2))
  if (hashOf(bytes(3)) !== decoded.outcome) return undefined
  return { record: decoded, outcome: outcomeCodec.decode(bytes(3)) }
}

const isFalsePossession = (given: Case): boolean => {
  const { value } = given.record(0, possessionCodec)
  const share = shown(given, value.record)?.outcome.verifyingShares[value.index - 1]
  return (
    share !== undefined &&
    !given.facts.protocols.verifyPossession(fromHex(share), value.index, value.record, fromHex(value.proof))
  )
}

const isFalseTestSignature = (given: Case): boolean => {
  const { value } = given.record(0, testSignatureCodec)
  const { definition, protocols } = given.facts
  const sets = testSignerSets(definition.sites.length, definition.threshold)
  const member = value.signers.some((one) => one === given.index)
  if (!member || !sets.some((set) => set.join() === value.signers.join())) return true
  const outcome = shown(given, value.record)?.outcome
  if (outcome === undefined) return false
  const message = testSignatureMessage(value.record)
  return !protocols.verifySignature(fromHex(outcome.publicKey), message, fromHex(value.signature))
}

/** With the certificate and the result alone: on another base than its attempt names. With the record and outcome of its base: any other fault. */
const judgeResult = (given: Case): Verdict => {
  const { value } = given.record(0, resultCodec)
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

const NONE = new Uint8Array(0)

/**
 * A staged outcome is what its site computed from what it received. What it received, it signed: its echoes of the
 * broadcasts and of the confirmations. So a stranger computes the same; and nobody else's words can make it another.
 */
const judgeOutcome = (given: Case): Verdict => {
  const { value } = given.record(0, stagedCodec)
  const { attempt, definition } = given.facts
  if (value.attempt !== given.blame.attempt || definition.kind !== 'keygen') return 'refuted'
  return attempt === undefined ? 'undecidable' : provenIf(isFalseOutcome(given, value, attempt))
}

const isFalseOutcome = (given: Case, value: Staged, attempt: Attempt): boolean => {
  const { blame, facts, authority } = given
  const { definition, protocols } = facts
  const members = attempt.participants
  if (members[blame.party - 1]?.site !== blame.accused) return false
  const keyOf = (party: Party): KeyHex => members[party - 1]?.key as KeyHex
  const { id, rounds } = protocols.keygen
  const posts = new Map<string, SignedMessage>()
  for (let at = 2; at < given.length; at++) {
    const post = readSignedMessage(given.bytes(at))
    const here = post.protocol === id && toHex(post.session) === blame.attempt && post.to === 0
    if (!here || members[post.from - 1] === undefined || !signedBy(post, keyOf(post.from))) return false
    if (post.payload === undefined) return false
    posts.set(`${post.round}|${post.from}`, post)
  }
  const seen = (round: string): readonly SignedMessage[] | undefined => {
    const echo = posts.get(`${echoRound(round)}|${blame.party}`)
    const vector: EchoVector = echo === undefined ? [] : echoCodec.decode(echo.payload ?? NONE)
    const all = members.map((_, at) => posts.get(`${round}|${at + 1}`))
    const same = all.every((post, at) => post !== undefined && equal(vector[at]?.[0] ?? NONE, post.headerBytes))
    return vector.length === members.length && same ? (all as readonly SignedMessage[]) : undefined
  }
  const [dealt, confirmed] = [seen('commitments'), seen(confirmRound)]
  if (dealt === undefined || confirmed === undefined) return false
  const privates = Object.keys(rounds).filter((name) => rounds[name as keyof typeof rounds].to === 'each')
  const headers = new Map<string, Uint8Array>()
  for (const post of confirmed) {
    const vector = echoCodec.decode(post.payload ?? NONE)
    const entries = confirmEntries(vector, post.from, post, members.length, privates, keyOf)
    if (entries === undefined) return false
    for (const { round, from, to, headerBytes } of entries) {
      const place = `${round}|${from}|${to}`
      if (!equal(headers.get(place) ?? headerBytes, headerBytes)) return false
      headers.set(place, headerBytes)
    }
  }
  const transcript = transcriptOf([...dealt.map((post) => post.headerBytes), ...headers.values()])
  const context = { threshold: definition.threshold, parties: definition.sites.length }
  const made = protocols.keygenPublic(
    context,
    blame.attempt,
    dealt.map((post) => post.payload ?? NONE),
  )
  const outcome = keygenOutcome(definition, authority.hash, blame.attempt, transcript, made)
  return hashOf(outcomeCodec.encode(outcome)) !== value.outcome
}

/**
 * What is wrong with records that a site signs outside of rounds. A claim's messages begin with pairs of the certificate
 * of the message key and the envelope under it, so that a site's several keys do not hide that it said two things.
 */
export const recordFaults: Readonly<Record<string, (given: Case) => Verdict>> = {
  'malformed-record': decided(isMalformedRecord),
  'two-hellos': decided(two(helloCodec, (a, b) => a.key === b.key && a.value.sequence === b.value.sequence)),
  'two-attempts': decided(
    two(attemptCodec, (a, b, accused) => {
      const [first, second] = [seatOf(a.value, accused, a.key), seatOf(b.value, accused, b.key)]
      return first !== undefined && second !== undefined && first.last === second.last
    }),
  ),
  'attempt-terms': decided((given) => !fitsTerms(given.record(0, attemptCodec).value, given.authority)),
  'two-staged': decided(two(stagedCodec, (a, b) => a.value.attempt === b.value.attempt)),
  'staged-outcome': judgeOutcome,
  possession: decided(isFalsePossession),
  'test-signature': decided(isFalseTestSignature),
  'two-votes': decided(two(readyCodec, () => true)),
  'vote-base': decided(
    (given) =>
      given.facts.definition.kind === 'keygen' &&
      given.record(0, readyCodec).value.base !== given.facts.definition.base,
  ),
  'two-receipts': decided(two(installedCodec, () => true)),
  'receipt-without-vote': decided(
    (given) =>
      given.length === 4 && given.record(0, readyCodec).value.record !== given.record(1, installedCodec).value.record,
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
  return check({
    blame,
    facts,
    authority,
    index: member.index,
    bytes,
    length: messages.length,
    record(at, codec) {
      const certificate = readCertificate(bytes(2 * at), member.identity, 'message', authority.hash)
      const signed = fromEnvelope(codec, bytes(2 * at + 1), [certificate.value.key])
      const { key } = certificate.value
      if (!isOwnRecord(signed.value, blame.accused, member.index, authority.hash, key, recordHash(certificate)))
        throw new DecodeError(`${codec.type}: of another ceremony or site`)
      return signed
    },
  })
}
