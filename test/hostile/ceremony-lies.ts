import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import { keyId, toEnvelope } from '../../src/identity/dsse.ts'
import type { RawSigner } from '../../src/identity/ed25519.ts'
import type { Hash, Party, SiteId } from '../../src/lib/brand.ts'
import { toBase64, toHex } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Random } from '../../src/lib/ports.ts'
import { attemptCodec, helloCodec } from '../../src/records/attempt.ts'
import type { Codec } from '../../src/records/codec.ts'
import {
  installedCodec,
  possessionCodec,
  readyCodec,
  resultCodec,
  retiredCodec,
  stagedCodec,
  testSignatureCodec,
} from '../../src/records/outcome.ts'
import { blameCodec } from '../../src/records/round.ts'
import { decodeEnvelope, encodeEnvelope, pae, payloadType } from '../../src/records/signed.ts'
import type { Liar } from './ceremonies.ts'
import { type LieName, liarWith, type Trace } from './lies.ts'
import type { Seat, Table } from './parties.ts'

export const wordLies = [
  'silence',
  'left out',
  'junk',
  'does not decode',
  'of another ceremony',
  'of another site',
  'two to two',
  'false for all',
  'false base',
  'false claims',
  'false ledger',
] as const
export type WordLie = (typeof wordLies)[number]

type Objects = Extract<PeerMessage, { is: 'object' }>['name']
export const lied: readonly Objects[] = [
  'hello',
  'attempt',
  'staged',
  'possession',
  'test-signature',
  'ready',
  'installed',
  'retired',
  'result',
]

export interface CeremonyTold {
  readonly lie: string
  readonly about: string
  readonly trace: Trace
  readonly to: Set<SiteId>
  readonly said: Said[]
}

/** What was said in place of one word or message. */
export interface Said {
  /** SHA-256 of each: only together are they the lie. */
  readonly bytes: readonly Hash[]
  /** What the lie is seen beside: the session of a message, the attempt of a staged shard or a result, the record of a proof. */
  readonly beside: Hash | undefined
}

// biome-ignore lint/suspicious/noExplicitAny: a codec of any of these records
const codecOf: Readonly<Record<string, Codec<any>>> = {
  hello: helloCodec,
  attempt: attemptCodec,
  staged: stagedCodec,
  possession: possessionCodec,
  'test-signature': testSignatureCodec,
  ready: readyCodec,
  installed: installedCodec,
  retired: retiredCodec,
  result: resultCodec,
}

const sealed = (raw: RawSigner, type: string, payload: Uint8Array): Uint8Array =>
  encodeEnvelope({ type, payload, keyid: keyId(raw.key), signature: raw.sign(pae(type, payload)) })

const signedAs = (raw: RawSigner, codec: Codec<unknown>, value: unknown): Uint8Array => {
  const bytes = codec.encode(value)
  return toEnvelope({
    type: codec.type,
    bytes,
    value,
    key: raw.key,
    signature: raw.sign(pae(payloadType(codec.type), bytes)),
  })
}

const flipped = (hex: string): string => `${hex.slice(0, 20)}${hex[20] === '0' ? '1' : '0'}${hex.slice(21)}`

/** A record that says something else than the true one; how it can be told. */
const altered = (
  name: Objects,
  value: Record<string, unknown>,
  lie: WordLie,
  toAll: boolean,
  random: Random,
): { value: unknown; trace: Trace } | undefined => {
  const other = toHex(random(32))
  const two = lie === 'two to two'
  switch (name) {
    case 'hello':
      return {
        value: two ? { ...value, nonce: toHex(random(16)) } : { ...value, lastAttempt: other, attempts: 1 },
        trace: two ? 'proof' : toAll ? 'none' : 'either',
      }
    case 'attempt':
      return two
        ? { value: { ...value, at: Number(value['at']) + 1 }, trace: 'proof' }
        : { value: { ...value, round: Number(value['round']) + 1 }, trace: 'proof' }
    case 'staged':
      return two
        ? { value: { ...value, envelope: other }, trace: 'proof' }
        : { value: { ...value, outcome: other }, trace: 'proof' }
    case 'possession':
      return { value: { ...value, proof: flipped(String(value['proof'])) }, trace: 'proof' }
    case 'test-signature':
      return { value: { ...value, signature: flipped(String(value['signature'])) }, trace: 'proof' }
    case 'ready':
      return lie === 'false base'
        ? { value: { ...value, base: other }, trace: 'proof' }
        : { value: { ...value, record: other }, trace: two ? 'proof' : 'either' }
    case 'installed':
      return { value: { ...value, record: other }, trace: 'proof' }
    // Of a record that its site did not vote for it says nothing, and is not taken in.
    case 'retired':
      return lie === 'false base'
        ? { value: { ...value, base: other }, trace: 'proof' }
        : { value: { ...value, record: other }, trace: 'none' }
    case 'result':
      return lie === 'false base'
        ? { value: { ...value, base: other }, trace: 'proof' }
        : { value: { ...value, signature: flipped(String(value['signature'])) }, trace: 'proof' }
    default:
      return undefined
  }
}

const nothing: Said = { bytes: [], beside: undefined }

/** Records of which each may be true, and only two are a lie: proofs and results are false by themselves. */
const needsTruth = (about: Objects, lie: WordLie): boolean =>
  lie === 'two to two' && ['hello', 'attempt', 'staged', 'ready'].includes(about)

const restsOn = (about: Objects, codec: Codec<Record<string, unknown>>, payload: Uint8Array): Hash | undefined => {
  const field = { staged: 'attempt', result: 'attempt', possession: 'record', 'test-signature': 'record' }[
    about as string
  ]
  return field === undefined ? undefined : (codec.decode(payload)[field] as Hash)
}

/** A site that lies once about one kind of record, or in a session. */
export const ceremonyLiar = (
  table: Table,
  site: SiteId,
  lie: WordLie | { readonly session: LieName },
  about: Objects,
  random: Random,
): Liar & { readonly told: CeremonyTold[]; silent: boolean } => {
  const told: CeremonyTold[] = []
  const toAll = lie === 'false for all' || (random(1)[0] ?? 0) % 2 === 0
  let target: SiteId | undefined
  const versions = new Map<string, Uint8Array>()
  const seen: { from: SiteId; bytes: Uint8Array }[] = []
  let way: ((to: SiteId, bytes: Uint8Array) => readonly Uint8Array[]) | undefined
  let claims = 0
  const note = (trace: Trace, to: SiteId, said: Said = nothing, what: string = about): void => {
    const name = typeof lie === 'string' ? lie : lie.session
    let known = told.find((one) => one.about === what)
    if (known === undefined) {
      known = { lie: name, about: what, trace, to: new Set(), said: [] }
      told.push(known)
    }
    known.to.add(to)
    known.said.push(said)
  }
  const liar: Liar & { told: CeremonyTold[]; silent: boolean } = {
    site,
    ceremony: undefined,
    told,
    silent: false,
    post(topic, to, bytes) {
      const { ceremony } = liar
      if (liar.silent) return []
      seen.push({ from: site, bytes })
      if (typeof lie === 'string' || ceremony === undefined) return [bytes]
      if (way === undefined) {
        const attempt = ceremony.store.attempts.get(topic)
        const party = ((attempt?.value.participants.findIndex((one) => one.site === site) ?? 0) + 1) as Party
        const seat = { site, party, signer: ceremony.keys.message.raw } as unknown as Seat
        way = liarWith(
          table,
          lie.session,
          random,
          table.terms.n === 9 || ceremony.authority.definition.kind === 'sign' ? 2 : 5,
          ({ trace, to: all, said, session, round }) => {
            note(trace, all.at(-1) ?? site, { bytes: said.at(-1) ?? [], beside: session }, round)
            if (lie.session === 'silence') liar.silent = true
          },
        )(seat)
      }
      return way(to, bytes)
    },
    talk(to, talk) {
      if (liar.silent) return []
      const { ceremony } = liar
      if (typeof lie !== 'string' || ceremony === undefined) return [talk]
      const raw = ceremony.keys.message.raw
      if (lie === 'false claims') {
        const claim = falseTalk(ceremony, random)
        if (claim === undefined || claims > 12) return [talk]
        claims += 1
        note('harmless', to)
        return [talk, claim]
      }
      if (lie === 'false ledger') {
        if (talk.is !== 'ledger' && talk.is !== 'remember') return [talk]
        note('none', to)
        if (talk.is === 'ledger') return [{ ...talk, proof: [random(32)] }]
        return [
          { ...talk, note: talk.note.length === 0 ? talk.note : talk.note.map((b, at) => (at === 9 ? b ^ 1 : b)) },
        ]
      }
      if (talk.is !== 'object' || talk.name !== about) return [talk]
      const codec = codecOf[about] as Codec<Record<string, unknown>>
      const envelope = decodeEnvelope(talk.bytes, 2 ** 20)
      const own = envelope.keyid === keyId(raw.key)
      if (!own) return [talk]
      target ??= to
      if (!toAll && lie !== 'two to two' && target !== to) return [talk]
      const instead = (
        trace: Trace,
        make: () => Uint8Array,
        truth: readonly Uint8Array[] = [],
      ): readonly PeerMessage[] => {
        const key = toHex(envelope.payload)
        const bytes = versions.get(key) ?? make()
        versions.set(key, bytes)
        note(trace, to, { bytes: [bytes, ...truth].map(hashOf), beside: restsOn(about, codec, envelope.payload) })
        return [{ ...talk, bytes }]
      }
      switch (lie) {
        case 'silence':
          note('none', to)
          liar.silent = true
          return []
        case 'left out':
          note('none', to)
          return []
        case 'junk':
          note('none', to)
          return [{ ...talk, bytes: random(64) }]
        case 'does not decode':
          return instead('proof', () => sealed(raw, envelope.type, random(40)))
        case 'of another ceremony':
          return instead('proof', () =>
            signedAs(raw, codec, { ...codec.decode(envelope.payload), ceremony: toHex(random(32)) }),
          )
        case 'of another site': {
          const value = codec.decode(envelope.payload)
          if (!('site' in value)) return [talk]
          const name = table.sites.find((one) => one !== site)
          return instead('proof', () => signedAs(raw, codec, { ...value, site: name }))
        }
        default: {
          const value = codec.decode(envelope.payload)
          const change = altered(about, value, lie, toAll, random)
          if (change === undefined || (lie === 'two to two' && target !== to)) return [talk]
          return instead(
            change.trace,
            () => signedAs(raw, codec, change.value),
            needsTruth(about, lie) ? [talk.bytes] : [],
          )
        }
      }
    },
  }
  return liar
}

/** A claim against whoever is not this liar, made of what the book and the log of the liar hold. */
const falseTalk = (ceremony: NonNullable<Liar['ceremony']>, random: Random): PeerMessage | undefined => {
  const { store, authority, seat, log } = ceremony
  const bodies = [...log.replay()].flatMap(({ what, object, site }) => {
    const body = object === null ? undefined : log.body(object)
    return body === undefined || site === seat.name ? [] : [{ what, body }]
  })
  const pick = <T>(list: readonly T[]): T => list[(random(1)[0] ?? 0) % list.length] as T
  if (bodies.length === 0) return undefined
  const attempt = [...store.attempts.keys()].at(-1) ?? authority.hash
  const others = authority.roster.filter((member) => member.name !== seat.name)
  const accused = pick(others)
  const checks = [
    'equivocation',
    'malformed',
    'echo',
    'confirm',
    'signature-share',
    'share-commitment',
    'two-votes',
    'two-staged',
    'malformed-record',
    'possession',
    'attempt-terms',
    'staged-outcome',
  ]
  const messages = Array.from({ length: 1 + ((random(1)[0] ?? 0) % 3) }, () => toBase64(pick(bodies).body))
  const kind = authority.definition.protocol
  const blame = {
    ceremony: authority.hash,
    attempt,
    session: attempt,
    protocol: pick([`${kind}/keygen`, `${kind}/sign`]),
    within: null,
    accused: accused.name,
    party: Number(accused.index) as Party,
    accuser: seat.name,
    check: pick(checks),
    messages,
  }
  return { is: 'object', name: 'blame', bytes: blameCodec.encode(blame as never) }
}
