import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import { peerMessageCodec } from '../../src/ceremony/peers/peer-message.ts'
import { readSignedMessage } from '../../src/ceremony/session/round-message.ts'
import type { Ceremony } from '../../src/ceremony/store/ceremony.ts'
import { keyId, toEnvelope } from '../../src/identity/dsse.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Codec } from '../../src/records/codec.ts'
import type { Definition } from '../../src/records/definition.ts'
import { type RecordName, recordNames, rowOf } from '../../src/records/record-table.ts'
import { headerCodec, messageCodec, type RoundHeader } from '../../src/records/round.ts'
import { decodeEnvelope, encodeEnvelope, pae, payloadType } from '../../src/records/signed.ts'
import type { Liar } from './ceremonies.ts'
import { type Known, mutationsOf } from './mutations.ts'

/**
 * What one site may say in the place of, before or after each thing that it says in a ceremony: each signed record of the
 * table, each message of a round, and each message between sites outside of rounds, with every field of it changed in turn.
 */

export const ways = [
  'before the true one',
  'before the true one, to one peer',
  'after the true one',
  'after the true one, to one peer',
  'instead',
  'instead, to one peer',
  'instead, another to each peer',
  'from inside',
] as const
export type Way = (typeof ways)[number]

/** Lies about a whole record, whatever its fields. */
export const wholes = ['withheld', 'withheld from one peer', 'junk', 'too many'] as const
type Whole = (typeof wholes)[number]

type Said = Exclude<PeerMessage['is'], 'object'>
/** Every message outside of rounds that is no record; the compiler asks for the one that is added. */
const said: Readonly<Record<Said, true>> = {
  clock: true,
  have: true,
  ask: true,
  gone: true,
  remember: true,
  ledger: true,
  log: true,
  want: true,
  body: true,
  cosignature: true,
  manifest: true,
}
export const subjects: readonly Subject[] = [...recordNames, 'round', ...(Object.keys(said) as Said[])]
export type Subject = RecordName | Said | 'round'

const isRecord = (subject: Subject): subject is RecordName => (recordNames as readonly string[]).includes(subject)

/** A true value of each subject, as its site said it in a ceremony of honest sites. */
export type Samples = ReadonlyMap<Subject, Record<string, unknown>>

export interface RecordLie {
  readonly kind: Definition['kind']
  readonly by: SiteId
  readonly subject: Subject
  readonly field: string | undefined
  readonly way: Way | Whole
  /** It says nothing more after the lie. */
  readonly silent: boolean
  /** Which of the values, and the moment of a record that this kind of ceremony does not have. */
  readonly pick: number
}

export const nameOfLie = ({ kind, by, subject, field, way, silent, pick }: RecordLie): string =>
  `${kind}, ${by} as ${subject}${field === undefined ? '' : `.${field}`}: ${way}${silent ? ', then silence' : ''} (${pick})`

const roundFields = ['protocol', 'session', 'round', 'from', 'to', 'length', 'digest', 'payload'] as const

/** The fields of a message of a round, for its header and its payload. */
export const sampleOfRound = (bytes: Uint8Array): Record<string, unknown> => {
  const one = readSignedMessage(bytes) as unknown as Record<string, unknown>
  return Object.fromEntries(roundFields.map((field) => [field, one[field] ?? new Uint8Array(0)]))
}

const HEADER = 'application/vnd.quorate.round-header.v1+cbor'
/** A codec for a message of a round as a liar makes it: any header that decodes, over any payload. */
const roundLie = (ceremony: Ceremony, salt: Uint8Array): Codec<Record<string, unknown>> => ({
  type: 'round-message/v1',
  limit: messageCodec.limit,
  encode: (value) => {
    const header = roundFields.slice(0, 7).map((field) => value[field]) as unknown as RoundHeader
    const bytes = headerCodec.encode(header)
    const signature = ceremony.keys.message.raw.sign(pae(HEADER, bytes))
    return messageCodec.encode([bytes, signature, value['payload'] as Uint8Array, salt])
  },
  decode: sampleOfRound,
})

const MOMENTS = [
  ...([
    'hello',
    'attempt',
    'fenced',
    'staged',
    'possession',
    'ready',
    'installed',
    'retired',
    'result',
    'release',
    'rewrapped',
    'witnessed',
    'replaced',
    'log',
  ] as const),
]
const MOST_AT_ONCE = 24
/** Enough for every limit but that of certificates, of which a home makes one a join. */
const MOST_JUNK = 140

const isOwnRecord = (ceremony: Ceremony, name: RecordName, bytes: Uint8Array): boolean => {
  const row = rowOf(name)
  if (row.signedBy === 'nobody') return false
  const { payload, keyid } = decodeEnvelope(bytes, row.codec.limit)
  if (row.signedBy === 'message') return keyid === keyId(ceremony.keys.message.raw.key)
  return (row.codec.decode(payload) as { identity?: string }).identity === ceremony.seat.identity
}

/** The value of a record that a site says of itself; undefined of others' records that it passes on. */
export const ownValue = (
  ceremony: Ceremony,
  message: PeerMessage,
): { readonly subject: Subject; readonly value: Record<string, unknown> } | undefined => {
  if (message.is !== 'object') return { subject: message.is, value: { ...message } }
  if (!isOwnRecord(ceremony, message.name, message.bytes)) return undefined
  const { codec } = rowOf(message.name)
  const { payload } = decodeEnvelope(message.bytes, codec.limit)
  return { subject: message.name, value: { ...(codec.decode(payload) as object) } }
}

const knownOf = ({ authority: { definition } }: Ceremony): Known => ({
  identities: definition.sites.map(({ identity }) => identity),
  sites: definition.sites.map(({ name }) => name),
  opens: Date.parse(definition.window.opens),
  closes: Date.parse(definition.window.closes),
})

type Sign = (type: string, payload: Uint8Array) => Promise<Uint8Array> | Uint8Array

/** A true record of a name in this ceremony, where its kind or an honest site has none. */
const madeValue = (ceremony: Ceremony, subject: Subject, samples: Samples): Record<string, unknown> => {
  const { authority, seat, site } = ceremony
  const [other] = authority.roster.filter(({ name }) => name !== seat.name)
  if (subject === 'aborted')
    return {
      ceremony: authority.hash,
      identity: seat.identity,
      counter: 1000,
      at: site.machine.clock.now(),
      phase: 'aborted',
      approvals: [],
      votes: [],
      certificates: [],
      evidence: [],
      abort: 'changed my mind',
    }
  if (subject === 'blame')
    return {
      ceremony: authority.hash,
      attempt: authority.hash,
      session: authority.hash,
      protocol: `${authority.protocol}/${authority.kind}`,
      within: null,
      accused: other?.name,
      party: other?.index,
      accuser: seat.name,
      check: 'two-votes',
      messages: [],
    }
  if (subject === 'want' || subject === 'ask' || subject === 'gone')
    return { is: subject, objects: [new Uint8Array(32)] }
  if (subject === 'body') return { is: 'body', bytes: utf8('nobody asked') }
  const sample = samples.get(subject)
  if (sample === undefined) throw new Error(`no liar says ${subject}: give it a true value here`)
  return {
    ...sample,
    ...('ceremony' in sample && { ceremony: authority.hash }),
    ...('site' in sample && { site: seat.name }),
  }
}

/** Fields of a subject, from what its site says of itself. */
export const fieldsOf = (subject: Subject, sample: Record<string, unknown>): readonly string[] =>
  Object.keys(sample).filter((field) => field !== 'is' && !(subject === 'round' && field === 'length'))

export interface LyingSite extends Liar {
  /** Everything that it said and that the true site would not have, to any peer. */
  readonly lied: PeerMessage[]
}

/** A site that runs the real code, and of what leaves it changes one thing. */
export const lyingSite = (lie: RecordLie, samples: Samples): LyingSite => {
  const { subject, field, way, pick } = lie
  const seen = new Map<SiteId, number>()
  const lied: PeerMessage[] = []
  let presigned: readonly PeerMessage[] | undefined
  let gone = 0
  let post: ((note: Uint8Array) => void) | undefined

  const codecOf = (): Codec<never> =>
    (isRecord(subject) ? rowOf(subject).codec : peerMessageCodec) as unknown as Codec<never>

  const valuesOf = (ceremony: Ceremony, value: Record<string, unknown>): readonly Record<string, unknown>[] => {
    const codec = codecOf() as unknown as Codec<Record<string, unknown>>
    const known = knownOf(ceremony)
    if (field !== undefined) return mutationsOf(codec, value, field, known)
    const limit = isRecord(subject) ? rowOf(subject).most(ceremony.authority.definition) : 8
    return many(codec, value, Math.min(MOST_JUNK, limit + 2))
  }

  const signWith = (ceremony: Ceremony, name: RecordName): Sign => {
    const { signedBy } = rowOf(name)
    const raw = signedBy === 'message' ? ceremony.keys.message.raw : ceremony.site.home.keys.note
    return (type, payload) => sealed(raw, type, payload)
  }

  const asMessages = (ceremony: Ceremony, value: Record<string, unknown>): readonly PeerMessage[] => {
    const values = valuesOf(ceremony, value)
    if (!isRecord(subject)) return values as unknown as readonly PeerMessage[]
    const { codec, signedBy } = rowOf(subject)
    const sign = signWith(ceremony, subject)
    const objects = values.map((one) => {
      const bytes = codec.encode(one)
      return signedBy === 'nobody' ? bytes : (sign(payloadType(codec.type), bytes) as Uint8Array)
    })
    const junk = way === 'junk' && signedBy !== 'nobody' ? malformed(sign as never, codec, value) : []
    return [...objects, ...junk].map((bytes) => ({ is: 'object', name: subject, bytes }))
  }

  const chosen = (list: readonly PeerMessage[]): PeerMessage | undefined => list[pick % Math.max(1, list.length)]
  const isFirst = (ceremony: Ceremony, to: SiteId): boolean =>
    ceremony.authority.roster.find(({ name }) => name !== ceremony.seat.name)?.name === to

  const say = (ceremony: Ceremony, to: SiteId, truth: PeerMessage, lies: readonly PeerMessage[]) => {
    const times = (seen.get(to) ?? 0) + 1
    seen.set(to, times)
    const toOne = way.endsWith('one peer') && !isFirst(ceremony, to)
    if (toOne || way === 'from inside') return [truth]
    // Every second lie is told whenever its place comes, the others the first time.
    if (times > 1 && pick % 2 === 0) return [truth]
    const some = Array.from(
      { length: Math.min(lies.length, MOST_AT_ONCE) },
      (_, at) => lies[(pick + at) % lies.length] as PeerMessage,
    )
    const told = ((): readonly PeerMessage[] => {
      if (way.startsWith('before')) return [...some, truth]
      if (way.startsWith('after')) return [truth, ...some]
      if (way.startsWith('withheld')) return []
      if (way === 'junk') return [truth, truth, ...lies, truth]
      if (way === 'too many') return [...lies, truth]
      const at = way.endsWith('each peer') && isFirst(ceremony, to) ? chosen(lies.slice(1)) : chosen(lies)
      return at === undefined ? [truth] : [at]
    })()
    lied.push(...told.filter((one) => one !== truth))
    gone += 1
    return told
  }

  const liar: LyingSite = {
    site: lie.by,
    ceremony: undefined,
    lied,
    connected(wire) {
      post = (note) => wire.post(note)
      // A note holds the votes: who withholds its own says nothing there either.
      return subject === 'ready' && way === 'withheld' ? { ...wire, post: () => undefined } : wire
    },
    async opened(ceremony) {
      if (way === 'from inside' && field !== undefined && isRecord(subject)) {
        const real = ceremony.signer
        Object.assign(ceremony, {
          signer: {
            ...real,
            sign: (codec: Codec<never>, value: never) => {
              if (codec.type !== rowOf(subject).codec.type) return real.sign(codec, value)
              const others = mutationsOf(codec, value, field, knownOf(ceremony))
              return real.sign(codec, others[pick % Math.max(1, others.length)] ?? value)
            },
          },
        })
      }
      if (!isRecord(subject) || rowOf(subject).signedBy !== 'identity') return
      const { codec } = rowOf(subject)
      const bases =
        subject === 'certificate'
          ? [ceremony.keys.message.certificate.value, ceremony.site.home.certificates.log.value]
          : [madeValue(ceremony, subject, samples)]
      const key = ceremony.site.identityKey.signer
      const values = bases.flatMap((value) => valuesOf(ceremony, value as never))
      const objects = await Promise.all(values.map((value) => key.sign(codec, value)))
      presigned = objects.map((one) => ({ is: 'object', name: subject, bytes: toEnvelope(one) }))
    },
    talk(to, message) {
      const { ceremony } = liar
      if (ceremony === undefined) return [message]
      if (lie.silent && gone >= ceremony.authority.roster.length - 1) return []
      const own = ownValue(ceremony, message)
      if (own?.subject === subject) return say(ceremony, to, message, presigned ?? asMessages(ceremony, own.value))
      // A record that this kind does not have, or that no honest site says, comes at a moment of its own.
      const moment = MOMENTS[pick % MOMENTS.length]
      const isStray = !samples.has(subject) || subject === 'aborted' || subject === 'blame'
      if (isStray || strays.has(`${lie.kind} ${subject}`)) {
        const isMoment =
          own?.subject === moment || (own?.subject === 'hello' && seen.get(to) === undefined && pick % 3 === 0)
        if (!isMoment || (seen.get(to) ?? 0) > 1) return [message]
        const lies = asMessages(ceremony, madeValue(ceremony, subject, samples))
        if (subject === 'aborted') for (const one of lies) if (one.is === 'object') post?.(one.bytes)
        return say(ceremony, to, message, lies)
      }
      return [message]
    },
    post(_topic, to, bytes) {
      const { ceremony } = liar
      if (ceremony === undefined || subject !== 'round') return lie.silent && gone > 1 ? [] : [bytes]
      if (lie.silent && gone >= 2) return []
      const times = (seen.get(to) ?? 0) + 1
      seen.set(to, times)
      if ((way.endsWith('one peer') && !isFirst(ceremony, to)) || times % 3 !== pick % 3) return [bytes]
      gone += 1
      if (way.startsWith('withheld')) return []
      const one = readSignedMessage(bytes)
      const [, , , salt] = messageCodec.decode(bytes)
      const codec = roundLie(ceremony, salt)
      const value = sampleOfRound(bytes)
      const values = field === undefined ? many(codec, value, 16) : mutationsOf(codec, value, field, knownOf(ceremony))
      const lies = values.slice(0, MOST_AT_ONCE).map((each) => codec.encode(each))
      if (way === 'junk') return [bytes, bytes, utf8('junk'), new Uint8Array(2 ** 18), ...lies]
      if (way.startsWith('before') || way === 'too many') return [...lies, bytes]
      if (way.startsWith('after')) return [bytes, ...lies]
      const at = lies[(pick + (isFirst(ceremony, to) ? 1 : 0)) % Math.max(1, lies.length)]
      return at === undefined || one.payload === undefined ? [bytes] : [at]
    },
  }
  return liar
}

/** Records that this kind of ceremony does not have: a site may say them all the same. */
const strays = new Set(
  (['staged', 'possession', 'test-signature', 'ready', 'installed', 'retired'] as const)
    .flatMap((name) => [`sign ${name}`, `reconstruct ${name}`, `readmit ${name}`, `rewrap ${name}`])
    .concat(
      'keygen result',
      'keygen retired',
      'refresh result',
      'reconstruct result',
      'emergency result',
      'readmit result',
      'emergency retired',
    )
    .concat('keygen release', 'sign release', 'refresh release', 'emergency release', 'readmit release')
    .concat('keygen fenced', 'sign fenced', 'refresh fenced', 'reconstruct fenced', 'readmit fenced')
    .concat(
      ['keygen', 'sign', 'refresh', 'reconstruct', 'emergency'].flatMap((kind) => [
        `${kind} readmitted`,
        `${kind} rebound`,
      ]),
    )
    .concat('rewrap result', 'rewrap release', 'rewrap fenced', 'rewrap readmitted', 'rewrap rebound')
    .concat(
      ['keygen', 'sign', 'refresh', 'reconstruct', 'emergency', 'readmit'].flatMap((kind) =>
        ['rewrapped', 'witnessed', 'replaced'].map((name) => `${kind} ${name}`),
      ),
    ),
)

const sealed = (raw: { key: string; sign(bytes: Uint8Array): Uint8Array }, type: string, payload: Uint8Array) =>
  encodeEnvelope({ type, payload, keyid: keyId(raw.key as never), signature: raw.sign(pae(type, payload)) })

/** Different records of one name, as many as asked for: some hash in each is another one. */
const many = <T extends Record<string, unknown>>(codec: Codec<T>, value: T, count: number): readonly T[] => {
  const isFree = ([field, was]: readonly [string, unknown]): boolean =>
    !['ceremony', 'identity', 'is'].includes(field) &&
    ((typeof was === 'string' && /^[0-9a-f]{32,}$/.test(was)) || typeof was === 'number' || was instanceof Uint8Array)
  const free = Object.entries(value).filter(isFree)
  const list = Array.from({ length: count }, (_, at) => {
    const hash = hashOf(utf8(`many ${at}`))
    const [field, was] = free[at % Math.max(1, free.length)] ?? ['none', '']
    if (was instanceof Uint8Array) return { ...value, [field]: utf8(hash) }
    return {
      ...value,
      [field]:
        typeof was === 'number' ? was + at + 1 : hash.padEnd(String(was).length, 'a').slice(0, String(was).length),
    }
  })
  return list.filter((one) => {
    try {
      codec.encode(one as T)
      return true
    } catch {
      return false
    }
  }) as readonly T[]
}

/** Bytes that a key signed as a record of this type and that are none, up to the greatest that anybody reads. */
const malformed = (
  sign: (type: string, payload: Uint8Array) => Uint8Array,
  codec: Codec<unknown>,
  value: Record<string, unknown>,
): readonly Uint8Array[] => {
  const type = payloadType(codec.type)
  const text = (one: unknown): Uint8Array => utf8(JSON.stringify(one))
  const good = sign(type, codec.encode(value))
  const envelope = decodeEnvelope(good, codec.limit)
  return [
    sign(type, utf8('no record')),
    sign(type, text({})),
    sign(type, text({ ...value, type: codec.type, more: 1 })),
    sign(type, new Uint8Array(Math.min(codec.limit, 2 ** 18)).fill(0x20)),
    sign(payloadType('nothing/v1'), codec.encode(value)),
    encodeEnvelope({ ...envelope, signature: new Uint8Array(64) }),
    encodeEnvelope({ ...envelope, keyid: 'SHA256:nobody' }),
    utf8('{}'),
  ]
}
