import {
  readSignedMessage,
  readStripped,
  type SignedMessage,
  signedBy,
  signMessage,
} from '../../src/ceremony/session/round-message.ts'
import { confirmRound, roundSpec } from '../../src/ceremony/session/round-spec.ts'
import type { RawSigner } from '../../src/identity/ed25519.ts'
import type { Hash, Index, Party, SiteId } from '../../src/lib/brand.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Random } from '../../src/lib/ports.ts'
import { type Dealt, deal, newSalt, type Opening } from '../../src/mpc/frost/dealing.ts'
import type { partsHash } from '../../src/mpc/frost/repair.ts'
import { commit } from '../../src/mpc/frost/sign.ts'
import { suiteOf } from '../../src/mpc/frost/suite.ts'
import type { VssOpening } from '../../src/mpc/frost/vss.ts'
import type { Rounds } from '../../src/mpc/mailbox.ts'
import { type EchoVector, echoCodec, messageCodec } from '../../src/records/round.ts'
import type { Seat, Table, Tamper } from './parties.ts'

/** How sure a lie is to be proven once an honest site has it. */
export type Trace =
  /** A signed message that fails a check by itself or beside what every honest site holds. */
  | 'proof'
  /** A signed word that is false only beside what its site says later. */
  | 'either'
  /** Nothing that is signed is false: silence, or what nobody signed. */
  | 'none'
  /** Not even a lie: everything goes on as if nothing had been. */
  | 'harmless'

export const lieNames = [
  'silence',
  'one message left out',
  'header without its payload',
  'signature of nobody',
  'sent twice',
  'junk beside it',
  'payload that does not decode',
  'empty payload',
  'oversized payload',
  'another protocol',
  'another round',
  'another sender',
  'another addressee',
  'another session',
  'random value',
  'value out of range',
  'two messages',
  'two messages, the second without its payload',
  'another message to one',
  'another message to all',
  'echo of nothing',
  'echo too long',
  'echo with a false signature',
  'echo of a message that nobody sent',
  'echo in another order',
] as const
export type LieName = (typeof lieNames)[number]

export interface Told {
  readonly lie: LieName
  readonly round: string
  readonly trace: Trace
  readonly to: readonly SiteId[]
  /** What was sent in place of each message, as SHA-256 of the bytes: only together are they the lie. */
  readonly said: readonly (readonly Hash[])[]
  /** Id of the session, or of the one of a test signature in it. */
  readonly session: Hash
}

/** Lies that a session sees for what they are the moment it has them; the others only beside what comes later. */
export const seenAtOnce: ReadonlySet<LieName> = new Set([
  'payload that does not decode',
  'empty payload',
  'oversized payload',
  'another protocol',
  'another round',
  'another sender',
  'another addressee',
  'two messages',
  'two messages, the second without its payload',
])

const pick = <T>(random: Random, list: readonly T[]): T =>
  list[((random(2)[0] ?? 0) * 256 + (random(1)[0] ?? 0)) % list.length] as T
const chance = (random: Random, of: number): boolean => (random(1)[0] ?? 0) % of === 0

/** Parties and rounds of the session that a message belongs to. */
export interface Place {
  readonly rounds: Rounds
  readonly parties: number
}

const flip = (bytes: Uint8Array, random: Random): Uint8Array => {
  // A copy, also of a Buffer, whose slice is none.
  const out = Uint8Array.from(bytes)
  const at = (random(1)[0] ?? 0) % out.length
  out[at] = (out[at] ?? 0) ^ (1 + ((random(1)[0] ?? 0) % 255))
  return out
}

interface Liar {
  readonly table: Table
  readonly seat: Seat
  readonly random: Random
}

const sign = (
  signer: RawSigner,
  post: SignedMessage,
  changes: Partial<Pick<SignedMessage, 'protocol' | 'session' | 'round' | 'from' | 'to'>>,
  payload: Uint8Array,
  random: Random,
): Uint8Array => {
  const head = {
    protocol: post.protocol,
    session: post.session,
    round: post.round,
    from: post.from,
    to: post.to,
    ...changes,
  }
  return signMessage(signer, head, payload, head.to === 0 ? new Uint8Array(0) : random(32)).bytes
}

/** A value of the round that decodes and is another; whether it can be told from an honest one. */
const another = (
  { table, seat, random }: Liar,
  post: SignedMessage,
  place: Place,
  valid: boolean,
): Uint8Array | undefined => {
  const id = table.terms.protocol
  const suite = suiteOf(id)
  const spec = roundSpec(place.rounds, post.round)
  if (spec === undefined || post.payload === undefined) return undefined
  const keygen = post.protocol === table.protocols.keygen.id
  const refresh = post.protocol === table.protocols.refresh.id || post.protocol === table.protocols.reshare.id
  const repair = post.protocol === table.protocols.repair.id
  const field = suite.group.field
  const scalar = (): Uint8Array => field.encode(field.fromNumber(1 + ((random(1)[0] ?? 0) % 200)))
  // A hash that nothing opens.
  if ((keygen || refresh || repair) && post.round === 'commitments') return spec.codec.encode(random(32))
  if (refresh && post.round === 'openings') {
    const opening = spec.codec.decode(post.payload) as VssOpening | null
    // Who deals nothing has nothing to open.
    if (opening === null) return undefined
    const [salt, commitment, proof] = opening
    const forms: readonly VssOpening[] = [
      [newSalt(random), commitment, proof],
      [salt, commitment, flip(proof, random)],
      [salt, [...commitment, ...commitment].slice(0, commitment.length + 1), proof],
      [salt, [...commitment.slice(0, -1), new Uint8Array(suite.group.bytes).fill(0xff)], proof],
    ]
    return spec.codec.encode(valid ? forms[0] : pick(random, forms))
  }
  if (repair && post.round === 'openings') {
    const opening = spec.codec.decode(post.payload) as RepairOpening | null
    if (opening === null) return undefined
    const [salt, elements] = opening
    const forms: readonly RepairOpening[] = [
      [newSalt(random), elements],
      [salt, elements.toReversed()],
      [salt, [...elements, ...elements].slice(0, elements.length + 1)],
      [salt, [...elements.slice(0, -1), new Uint8Array(suite.group.bytes).fill(0xff)]],
    ]
    return spec.codec.encode(valid ? forms[0] : pick(random, forms))
  }
  if (keygen && post.round === 'openings') {
    const context = { threshold: table.terms.t, parties: table.terms.n }
    const session = toHex(post.session) as Hash
    const anew = (): Opening => [newSalt(random), ...deal(suite, context, session, seat.party, random).message]
    if (valid) return spec.codec.encode(anew())
    const [salt, commitment, proof, own] = spec.codec.decode(post.payload) as [Uint8Array, ...Dealt]
    const forms: (() => Dealt)[] = [
      () => [commitment, flip(proof, random), own],
      () => [commitment, proof, flip(own, random)],
      () => [commitment.slice(0, -1), proof, own],
      () => [[...commitment, ...commitment].slice(0, commitment.length + 1), proof, own],
      // Dealt anew, when all others' dealings are known.
      () => deal(suite, context, session, seat.party, random).message,
      () => [
        commitment.map((one, at) => (at === commitment.length - 1 ? new Uint8Array(one.length).fill(0xff) : one)),
        proof,
        own,
      ],
      // Another dealer's commitment and proofs, as a rogue-key attack needs them.
      () => {
        const other = deal(suite, context, session, ((Number(seat.party) % table.terms.n) + 1) as Party, random)
        return other.message
      },
      // A proof of another session: a recording played again.
      () => {
        const other = deal(suite, context, '00'.repeat(32) as Hash, seat.party, random)
        return other.message
      },
    ]
    return spec.codec.encode([chance(random, 8) ? newSalt(random) : salt, ...pick(random, forms)()])
  }
  if (isPrivate(post.round)) return spec.codec.encode(scalar())
  if (post.round === 'commitments') {
    const { commitment } = commit(suite, Number(seat.party) as Index, random(32), random)
    if (valid) return spec.codec.encode(commitment.bytes)
    const bad = new Uint8Array(suite.group.bytes).fill(0xff)
    return spec.codec.encode(chance(random, 2) ? [commitment.bytes[0], bad] : [bad, commitment.bytes[1]])
  }
  return undefined
}

type RepairOpening = Parameters<typeof partsHash>[4]

/** Rounds of scalars, each for one receiver. */
const isPrivate = (round: string): boolean => ['shares', 'parts', 'sums'].includes(round)

const outOfRange = ({ table }: Liar, post: SignedMessage, place: Place): Uint8Array | undefined => {
  const spec = roundSpec(place.rounds, post.round)
  if (spec === undefined || !isPrivate(post.round)) return undefined
  return spec.codec.encode(new Uint8Array(suiteOf(table.terms.protocol).group.field.bytes).fill(0xff))
}

const isVector = (round: string): boolean => round === confirmRound || round.endsWith(':echo')

/** A vector that lies, of the true one. */
const falseVector = ({ seat, random }: Liar, lie: LieName, post: SignedMessage): Uint8Array | undefined => {
  if (!isVector(post.round) || post.payload === undefined) return undefined
  const vector = [...echoCodec.decode(post.payload)]
  const at = (random(1)[0] ?? 0) % vector.length
  const [header, signature] = vector[at] as EchoVector[number]
  if (lie === 'echo of nothing') return echoCodec.encode([])
  if (lie === 'echo too long') return echoCodec.encode([...vector, vector[at] as EchoVector[number]])
  if (lie === 'echo with a false signature') vector[at] = [header, flip(signature, random)]
  if (lie === 'echo of a message that nobody sent') {
    // A message of a peer, signed by the liar itself.
    const other = readStripped(header, signature)
    const head = {
      protocol: other.protocol,
      session: other.session,
      round: other.round,
      from: other.from,
      to: other.to,
    }
    const mine = other.from === seat.party
    if (mine) return undefined
    const forged = signMessage(seat.signer, head, random(8), head.to === 0 ? new Uint8Array(0) : random(32))
    vector[at] = [forged.headerBytes, forged.signature]
  }
  if (lie === 'echo in another order') {
    if (post.round === confirmRound) return undefined
    const [first, ...rest] = vector
    return echoCodec.encode([...rest, first as EchoVector[number]])
  }
  return echoCodec.encode(vector)
}

/** What is sent in place of a message, and how it can be told; undefined where this lie does not fit it. */
const tell = (
  liar: Liar,
  lie: LieName,
  post: SignedMessage,
  place: Place,
): { bytes: Uint8Array[]; trace: Trace } | undefined => {
  const { seat, random, table } = liar
  const { signer } = seat
  const spec = roundSpec(place.rounds, post.round)
  if (spec === undefined || post.payload === undefined) return undefined
  const { payload } = post
  switch (lie) {
    case 'silence':
    case 'one message left out':
      return { bytes: [], trace: 'none' }
    case 'header without its payload':
      return { bytes: [post.stripped], trace: 'none' }
    case 'signature of nobody':
      return {
        bytes: [
          messageCodec.encode([
            post.headerBytes,
            flip(post.signature, random),
            payload,
            messageCodec.decode(post.bytes)[3],
          ]),
        ],
        trace: 'none',
      }
    case 'sent twice':
      return { bytes: [post.bytes, post.bytes], trace: 'harmless' }
    case 'junk beside it':
      return { bytes: [random((random(1)[0] ?? 0) + 1), post.bytes, flip(post.bytes, random)], trace: 'harmless' }
    case 'payload that does not decode':
      return { bytes: [sign(signer, post, {}, random(((random(1)[0] ?? 0) % 64) + 1), random)], trace: 'proof' }
    case 'empty payload':
      return { bytes: [sign(signer, post, {}, new Uint8Array(0), random)], trace: 'proof' }
    case 'oversized payload':
      return { bytes: [sign(signer, post, {}, new Uint8Array(spec.codec.limit + 1), random)], trace: 'proof' }
    case 'another protocol':
      return {
        bytes: [
          sign(
            signer,
            post,
            {
              protocol: pick(random, [
                'x',
                table.protocols.sign.id === post.protocol ? table.protocols.keygen.id : table.protocols.sign.id,
              ]),
            },
            payload,
            random,
          ),
        ],
        trace: 'proof',
      }
    case 'another round': {
      const round = pick(random, [
        'nothing',
        `${post.round}:echo:echo`,
        post.round === 'commitments' ? 'shares:echo' : 'nothing',
      ])
      return { bytes: [sign(signer, post, { round }, payload, random)], trace: 'proof' }
    }
    case 'another sender': {
      const from = ((Number(post.from) % place.parties) + 1) as Party
      return post.to === from ? undefined : { bytes: [sign(signer, post, { from }, payload, random)], trace: 'proof' }
    }
    case 'another addressee':
      return { bytes: [sign(signer, post, { to: post.to === 0 ? 255 : 0 }, payload, random)], trace: 'proof' }
    case 'another session':
      return { bytes: [sign(signer, post, { session: random(32) }, payload, random)], trace: 'none' }
    case 'random value': {
      const value = another(liar, post, place, false)
      return value && { bytes: [sign(signer, post, {}, value, random)], trace: 'proof' }
    }
    case 'value out of range': {
      const value = outOfRange(liar, post, place)
      return value && { bytes: [sign(signer, post, {}, value, random)], trace: 'proof' }
    }
    case 'two messages':
    case 'two messages, the second without its payload': {
      const value = another(liar, post, place, true) ?? payload
      if (value === payload && post.to === 0) return undefined
      const second = sign(signer, post, {}, value, random)
      return {
        bytes: [post.bytes, lie === 'two messages' ? second : readSignedMessage(second).stripped],
        trace: 'proof',
      }
    }
    case 'another message to one':
    case 'another message to all': {
      const value = another(liar, post, place, true)
      return value && { bytes: [sign(signer, post, {}, value, random)], trace: 'proof' }
    }
    default: {
      const value = falseVector(liar, lie, post)
      return value && { bytes: [sign(signer, post, {}, value, random)], trace: 'proof' }
    }
  }
}

const placeIn = ({ protocols, sites, terms }: Table, post: SignedMessage): Place => {
  const whole = [protocols.keygen, protocols.refresh, protocols.reshare, protocols.repair].find(
    ({ id }) => id === post.protocol,
  )
  return whole === undefined
    ? { rounds: protocols.sign.rounds, parties: terms.t }
    : { rounds: whole.rounds, parties: sites.length }
}

/**
 * One lie of one site, told once: in the n-th message for which it can be told, to one peer or to all. `told` is filled
 * in when it is.
 */
export const liarWith = (
  table: Table,
  lie: LieName,
  random: Random,
  most: number,
  told: (what: Told) => void,
): ((seat: Seat) => Tamper) => {
  let skip = (random(1)[0] ?? 0) % most
  const toAll = lie === 'another message to all' || (lie !== 'another message to one' && chance(random, 2))
  // A broadcast that is false for all in one way is one message; in several ways it is several.
  const alike = lie === 'another message to all' || chance(random, 2)
  return (seat) => {
    const liar: Liar = { table, seat, random }
    let chosen: string | undefined
    let silent = false
    const sentTo: SiteId[] = []
    const said: Hash[][] = []
    const answers = new Map<string, NonNullable<ReturnType<typeof tell>>>()
    return (to, bytes) => {
      if (silent) return []
      const post = readSignedMessage(bytes)
      if (!signedBy(post, seat.signer.key)) return [bytes]
      const key = `${toHex(post.session)} ${post.round}`
      if (chosen !== undefined && (chosen !== key || !toAll)) return [bytes]
      const before = post.to === 0 && alike ? answers.get(key) : undefined
      const answer = before ?? tell(liar, lie, post, placeIn(table, post))
      if (answer === undefined) return [bytes]
      if (chosen === undefined && skip > 0) {
        skip -= 1
        return [bytes]
      }
      answers.set(key, answer)
      chosen = key
      if (lie === 'silence') silent = true
      sentTo.push(to)
      said.push(answer.bytes.map(hashOf))
      told({ lie, round: post.round, trace: answer.trace, to: sentTo, said, session: toHex(post.session) as Hash })
      return answer.bytes
    }
  }
}
