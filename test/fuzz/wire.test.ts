import { beforeAll, describe, expect, test } from 'vitest'
import { recordFaults } from '../../src/ceremony/blame/record-faults.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { readSignedMessage, readStripped } from '../../src/ceremony/session/round-message.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { concat, fromBase64, toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { openDealt } from '../../src/mpc/frost/dealing.ts'
import { keygenRounds } from '../../src/mpc/frost/keygen.ts'
import { openCommitment, signRounds } from '../../src/mpc/frost/sign.ts'
import { suiteOf } from '../../src/mpc/frost/suite.ts'
import { attemptCodec } from '../../src/records/attempt.ts'
import { protocolIds } from '../../src/records/definition-fields.ts'
import { outcomeCodec, recordCodec } from '../../src/records/outcome.ts'
import { type Blame, blameCodec, echoCodec, headerCodec, messageCodec } from '../../src/records/round.ts'
import {
  decodeContent,
  decodeFrame,
  decodeSealed,
  encodeContent,
  encodeFrame,
  encodeSealed,
  FRAME_LIMIT,
} from '../../src/transport/channel-frame.ts'
import { CipherState } from '../../src/transport/cipher-state.ts'
import { answer, initiate, type Self } from '../../src/transport/handshake.ts'
import { keyPair } from '../../src/transport/noise.ts'
import { relayMessageCodec } from '../../src/transport/relay/protocol.ts'
import { decodeAddressed, encodeAddressed } from '../../src/transport/relay-frame.ts'
import { Inbox } from '../../src/transport/stream.ts'
import { siteEntries } from '../support/definition.ts'
import { seededRandom } from '../support/random.ts'
import { report } from '../support/report.ts'
import { AUTHORITY, certificateFor, identityFor, TOPIC } from '../transport/support.ts'
import { type Corpus, loadCorpus } from './corpus.ts'
import { type Dice, mutateBytes, mutateTree, writeCbor, writeJson } from './mutate.ts'
import { fuzz, SOME_ACCEPTED, type Target } from './run.ts'
import { cborTarget, jsonTarget, oneOf } from './targets.ts'

let corpus: Corpus
beforeAll(async () => {
  corpus = await loadCorpus()
})

/** A decoder that says no by undefined. */
const plain = <T>(
  name: string,
  good: readonly Uint8Array[],
  decode: (bytes: Uint8Array) => T | undefined,
  encode: (value: T) => Uint8Array,
): Target => ({
  name,
  limit: FRAME_LIMIT,
  make: (d) => {
    let bytes = mutateBytes(d, d.pick(good))
    while (d.chance(3)) bytes = mutateBytes(d, bytes)
    return bytes
  },
  read: (bytes) => {
    const value = decode(bytes)
    return value === undefined ? undefined : encode(value)
  },
})

const random = seededRandom('fuzzed wire')
const segment = { number: 7, head: { topic: TOPIC, total: 300 }, last: false, data: new Uint8Array(200).fill(3) }
const content = [
  encodeContent({ ack: { next: 5, bits: new Uint8Array(16).fill(1) }, segment: undefined }),
  encodeContent({ ack: { next: 5, bits: new Uint8Array(16) }, segment }),
  encodeContent({ ack: { next: 0, bits: new Uint8Array(16) }, segment: { ...segment, head: undefined, last: true } }),
]

describe('between a member and a relay', () => {
  test('messages', async () => {
    const entries = await siteEntries(['ap', 'eu', 'us'])
    const members = entries.map(({ name, identity }) => ({ name, identity, role: 'site' as const }))
    const good = [
      relayMessageCodec.encode({ what: 'challenge', challenge: 'AAAA' }),
      relayMessageCodec.encode({
        what: 'enter',
        authority: AUTHORITY,
        members,
        name: 'eu' as SiteId,
        certificate: 'AAAA',
        answer: 'AQ==',
      }),
      relayMessageCodec.encode({ what: 'admitted' }),
      relayMessageCodec.encode({ what: 'refused', reason: 'no room' }),
      relayMessageCodec.encode({ what: 'post', note: 'AAAA' }),
      relayMessageCodec.encode({ what: 'note', certificate: 'AAAA', note: 'AAAA' }),
    ]
    expect((await fuzz(jsonTarget(relayMessageCodec, good))).accepted).toBeGreaterThan(SOME_ACCEPTED)
  })

  test('frames', async () => {
    const good = [encodeAddressed({ from: 'eu' as SiteId, to: 'us-east-1' as SiteId, bytes: random(40) })]
    const frame = plain('relay frame', good, decodeAddressed, encodeAddressed)
    expect((await fuzz(frame)).accepted).toBeGreaterThan(SOME_ACCEPTED)
  })
})

describe('channel', () => {
  test('packets', async () => {
    const frames = (['first', 'second', 'third', 'sealed', 'unknown'] as const).map((kind) =>
      encodeFrame({ kind, id: toHex(random(16)), body: kind === 'unknown' ? new Uint8Array(0) : random(60) }),
    )
    const parts = [
      plain('frame', frames, decodeFrame, encodeFrame),
      plain('sealed', [encodeSealed(9, random(40))], decodeSealed, ({ number, ciphertext }) =>
        encodeSealed(number, ciphertext),
      ),
      plain('content', content, decodeContent, encodeContent),
    ]
    expect((await fuzz(oneOf('channel packet', parts))).accepted).toBeGreaterThan(SOME_ACCEPTED)
  })

  test('segments in any order hold no more than they may', async () => {
    let delivered = 0
    let inbox = new Inbox(() => (delivered += 1))
    let fed = 0
    await fuzz({
      name: 'segments',
      limit: FRAME_LIMIT,
      make: (d) => {
        const number = Math.max(0, inbox.ack().next - 2 + d.below(d.chance(8) ? 400 : 8))
        const data = new Uint8Array(1 + d.below(d.chance(50) ? 49_000 : 40))
        const head = d.chance(2) ? { topic: TOPIC, total: data.length + (d.chance(2) ? 0 : d.below(100)) } : undefined
        const bytes = encodeContent({
          ack: { next: d.below(9), bits: new Uint8Array(16) },
          segment: { number, head, last: head === undefined ? d.chance(2) : head.total === data.length, data },
        })
        return d.chance(20) ? mutateBytes(d, bytes) : bytes
      },
      read: (bytes) => {
        if (fed++ % 2000 === 0) inbox = new Inbox(() => (delivered += 1))
        const value = decodeContent(bytes)
        if (value?.segment === undefined) return undefined
        inbox.accept(value.segment)
        const { next, bits } = inbox.ack()
        if (!Number.isSafeInteger(next) || bits.length !== 16) throw new Error('an acknowledgement that is none')
        return bytes
      },
    })
    expect(delivered).toBeGreaterThan(SOME_ACCEPTED)
  })

  const self = (name: string): Self => {
    const pair = keyPair(new Secret(random(32)))
    const certificate = certificateFor(name, toHex(pair.publicKey))
    return { identity: identityFor(name), static: pair, certificate, instance: random(16), random }
  }
  const a = self('a')
  const b = self('b')
  const other = (name: string) => ({
    identity: identityFor(name),
    accepts: (certificate: Uint8Array, key: string) => Buffer.from(certificate).toString() === `${name} ${key}`,
  })
  const idIn = (initiation: { id: string }): Uint8Array => new Uint8Array(Buffer.from(initiation.id, 'hex'))

  /** Only what the peer itself wrote may be taken for a message of a handshake. */
  test('handshakes', async () => {
    const begin = () => {
      const initiation = initiate(AUTHORITY, a, other('b'))
      const answered = answer(AUTHORITY, b, other('a'), idIn(initiation), initiation.first)
      if (answered === undefined) throw new Error('no answer')
      return { initiation, answered }
    }
    const whole = begin()
    const finished = whole.initiation.finish(whole.answered.second)
    if (typeof finished === 'string') throw new Error(finished)
    let fresh = begin()
    const message = (n: number): Uint8Array =>
      [fresh.initiation.first, fresh.answered.second, finished.third][n] as Uint8Array
    let turn = 0
    const { accepted } = await fuzz({
      name: 'handshake',
      limit: FRAME_LIMIT,
      // The first byte says which of the three messages it is.
      make: (d) => {
        const n = turn++ % 3
        const bytes = d.chance(100) ? message(n) : mutateBytes(d, message(n))
        return concat(Uint8Array.of(n), bytes)
      },
      read: (bytes) => {
        const n = (bytes[0] ?? 0) % 3
        const body = bytes.slice(1)
        const { initiation, answered } = fresh
        if (n === 0)
          // It has no authentication of its own: whoever sends another key begins another handshake.
          return answer(AUTHORITY, b, other('a'), idIn(initiation), body) === undefined ? undefined : bytes
        const taken = n === 1 ? initiation.finish(body) : whole.answered.finish(body)
        if (typeof taken === 'string') return undefined
        const written = concat(bytes.subarray(0, 1), n === 1 ? answered.second : finished.third)
        if (n === 1) fresh = begin()
        return written
      },
    })
    // Each is good once.
    expect(accepted).toBeGreaterThan(2)
  })

  test('sealed packets', async () => {
    const [one, two] = [random(32), random(32)]
    const keys = { id: '00'.repeat(16), binding: TOPIC, instance: '00'.repeat(16) }
    const sender = new CipherState({ ...keys, send: one.slice(), receive: two.slice() })
    const bodies = Array.from({ length: 200 }, (_, n) => {
      const frame = decodeFrame(
        sender.seal({
          ack: { next: n, bits: new Uint8Array(16) },
          segment: n % 2 === 0 ? { ...segment, number: n } : undefined,
        }),
      )
      return frame?.body ?? random(1)
    })
    const whole = new Set(bodies.map(toHex))
    let fed = 0
    let receiver = new CipherState({ ...keys, send: two.slice(), receive: one.slice() })
    const { accepted } = await fuzz({
      name: 'sealed packet',
      limit: FRAME_LIMIT,
      make: (d) => (d.chance(20) ? d.pick(bodies) : mutateBytes(d, d.pick(bodies))),
      read: (bytes) => {
        if (fed++ % 5000 === 0) receiver = new CipherState({ ...keys, send: two.slice(), receive: one.slice() })
        const opened = receiver.open(bytes)
        if (typeof opened === 'string') return undefined
        if (!whole.has(toHex(bytes))) throw new Error('opened what nobody sealed')
        return bytes
      },
    })
    // Each is good once.
    expect(accepted).toBeGreaterThan(2)
  })
})

describe('round messages', () => {
  const posts = (): readonly Uint8Array[] => corpus.bodies('message')

  test('as they are signed and sent', async () => {
    const good = posts().filter((_, n) => n % 3 === 0)
    const whole = cborTarget(messageCodec, good)
    const headers = good.map((bytes) => messageCodec.decode(bytes)[0])
    const inner: Target = {
      name: 'round message',
      limit: messageCodec.limit,
      // A header that was changed inside its message.
      make: (d) => {
        const [header, signature, payload, salt] = messageCodec.decode(d.pick(good))
        const tree = headerCodec.decode(header)
        const [changed] = mutateTree(d, [[headerCodec.type, tree]])
        return writeCbor(d, [
          messageCodec.type,
          [
            d.chance(3) ? header : writeCbor(d, changed),
            signature,
            payload,
            d.chance(3) ? d.pick([new Uint8Array(32), salt]) : salt,
          ],
        ])
      },
      read: (bytes) => {
        const post = readSignedMessage(bytes)
        const again = readStripped(post.headerBytes, post.signature)
        if (!Buffer.from(again.stripped).equals(post.stripped)) throw new Error('two readings of one header')
        // A payload that is not the header's is nobody's, and is left out.
        return post.payload === undefined ? bytes : post.bytes
      },
    }
    const echo = [echoCodec.encode(headers.slice(0, 3).map((header) => [header, new Uint8Array(64).fill(1)]))]
    const parts = [whole, inner, cborTarget(headerCodec, headers), cborTarget(echoCodec, echo)]
    expect((await fuzz(oneOf('round message', parts))).accepted).toBeGreaterThan(SOME_ACCEPTED)
  })

  test('what they carry, in each suite', async () => {
    const parts = protocolIds.flatMap((id): Target[] => {
      const suite = suiteOf(id)
      const { group, signatureBytes } = suite
      const element = group.encode(group.timesBase(group.field.fromNumber(5)))
      const scalar = group.field.encode(group.field.fromNumber(7))
      const keygen = keygenRounds(id)
      const sign = signRounds(id)
      const proof = new Uint8Array(group.bytes + group.field.bytes).fill(1)
      proof.set(element)
      const salt = new Uint8Array(32).fill(3)
      const dealt = keygen.openings.codec.encode([
        salt,
        [element, element],
        new Uint8Array(signatureBytes).fill(2),
        proof,
      ])
      const context = { threshold: 2, parties: 3 }
      return [
        {
          ...cborTarget(keygen.openings.codec, [dealt]),
          read: (bytes) => {
            const value = keygen.openings.codec.decode(bytes)
            const [, ...parts] = value
            openDealt(suite, context, TOPIC, 1 as never, parts)
            return keygen.openings.codec.encode(value)
          },
        },
        cborTarget(keygen.commitments.codec, [keygen.commitments.codec.encode(salt)]),
        cborTarget(keygen.shares.codec, [keygen.shares.codec.encode(scalar)]),
        {
          ...cborTarget(sign.commitments.codec, [sign.commitments.codec.encode([element, element])]),
          read: (bytes) => {
            const value = sign.commitments.codec.decode(bytes)
            const opened = openCommitment(suite, 1 as never, value)
            if (typeof opened === 'string') return undefined
            // An element has one encoding.
            const again = [group.encode(opened.hiding), group.encode(opened.binding)] as const
            return sign.commitments.codec.encode([...again])
          },
        },
        cborTarget(sign.shares.codec, [sign.shares.codec.encode(scalar)]),
      ]
    })
    await fuzz({ ...oneOf('payloads of six suites', parts), count: 0.2 })
  })

  test('blame, and what a stranger makes of it', async () => {
    const { readers } = corpus
    const [bytes] = corpus.bodies('evidence')
    if (bytes === undefined) throw new Error('no blame in the corpus')
    const good = blameCodec.decode(bytes)
    const attemptBytes = corpus.bodies('attempt').find((one) => hashOf(one) === good.attempt) ?? utf8('')
    const attempt = attemptCodec.decode(attemptBytes)
    const evidence = await protocolEvidence(readers.abort.definition)
    const byHash = <T>(all: readonly Uint8Array[], decode: (one: Uint8Array) => T): ReadonlyMap<Hash, T> =>
      new Map(all.map((one) => [hashOf(one), decode(one)]))
    const facts = {
      definition: readers.abort.definition,
      attempt,
      outcomes: byHash(corpus.bodies('outcome'), outcomeCodec.decode),
      records: byHash(corpus.bodies('record'), recordCodec.decode),
      message: undefined,
    }
    expect(evidence.judge(good, facts)).toBe('proven')
    const checks = [
      ...Object.keys(recordFaults),
      ...['malformed', 'equivocation', 'echo', 'confirm', 'share-commitment', 'share-scalar', 'proof-of-knowledge'],
      ...['session-proof', 'commitment-count', 'commitment-point', 'signature-share', 'signature-share-scalar'],
    ]
    const base64 = (all: readonly Uint8Array[]): string[] => all.map((one) => Buffer.from(one).toString('base64'))
    const words = [
      'hello',
      'attempt-signature',
      'staged',
      'possession',
      'test-signature',
      'ready',
      'installed',
    ] as const
    const said = [...words, 'certificate' as const, 'joined' as const].flatMap((what) => base64(corpus.bodies(what)))
    const messages = [...good.messages, ...base64(corpus.bodies('message').slice(0, 40)), ...said]
    let proven = 0
    const honest = new Set<string>()
    const target = (d: Dice): Uint8Array => {
      const blame: Blame = structuredClone(good)
      if (d.chance(3)) blame.check = d.pick(checks)
      if (d.chance(3)) blame.messages = Array.from({ length: 1 + d.below(4) }, () => d.pick(messages))
      if (d.chance(3)) {
        const at = d.below(blame.messages.length)
        const post = mutateBytes(d, fromBase64(blame.messages[at] ?? ''))
        blame.messages[at] = Buffer.from(post).toString('base64')
      }
      if (d.chance(3)) {
        const party = 1 + d.below(3)
        Object.assign(blame, { party, accused: attempt.participants[party - 1]?.site })
      }
      const tree = { ...blame, type: blameCodec.type }
      return writeJson(d, d.chance(2) ? mutateTree(d, tree) : tree)
    }
    await fuzz({
      name: 'blame',
      count: 0.6,
      limit: blameCodec.limit,
      make: target,
      read: (input) => {
        const blame = blameCodec.decode(input)
        if (evidence.judge(blame, facts) === 'proven') {
          proven += 1
          if (blame.accused !== good.accused) honest.add(blame.accused)
        }
        return blameCodec.encode(blame)
      },
    })
    report(`blame: ${proven} claims proven, none of them against an honest site`)
    expect([...honest]).toEqual([])
    expect(proven).toBeGreaterThan(SOME_ACCEPTED)
  })
})
