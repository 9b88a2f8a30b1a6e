import { beforeAll, describe, expect, it } from 'vitest'
import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import { readSignedMessage, signMessage } from '../../src/ceremony/session/round-message.ts'
import { RecordStore } from '../../src/ceremony/store/record-store.ts'
import { systemClock } from '../../src/host/clock.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import type { Hash, Identity, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { type Attempt, attemptCodec } from '../../src/records/attempt.ts'
import type { Definition } from '../../src/records/definition.ts'
import { noteCodec } from '../../src/records/note.ts'
import { decodeEnvelope, pae, payloadType } from '../../src/records/signed.ts'
import { keygenDefinition } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'
import { copyWorld } from '../support/memory-site.ts'
import { inTurn } from '../support/report.ts'
import { approveAll, joinAs, type Liar, leftAt } from './ceremonies.ts'
import { type Keyed, keyedWorld } from './keyed-world.ts'

/** Two of three sign, any two: whoever is one too many can neither stop the others nor choose for them. */

const names = ['s1', 's2', 's3'] as SiteId[]
const [s1, s2, s3] = names as [SiteId, SiteId, SiteId]
const message = utf8('pay nobody')
const deadlines = { gather: 240, proposal: 12, round: 60, close: 12 }

let keyed: Keyed
beforeAll(async () => {
  keyed = await keyedWorld(names, deadlines)
})

const signing = async (nonce: string): Promise<Definition> =>
  keyed.signing(message, { nonce: hashOf(utf8(nonce)).slice(0, 32) })

describe('who is not needed', () => {
  it('leaves, and the others sign', async () => {
    const world = await copyWorld(keyed.world, 'spare')
    const definition = await signing('spare')
    await approveAll(world, names, definition)
    let leaving: Promise<unknown> = Promise.resolve()
    await new Promise<void>((said) => {
      leaving = joinAs(world, s3, definition, message, undefined, {
        control: (control) => void control.abort('not today').then(said),
      })
    })
    const signed = await Promise.all([s1, s2].map((name) => joinAs(world, name, definition, message)))
    expect(signed.map(({ ceremony }) => ceremony?.store.aborts.size)).toEqual([1, 1])
    expect(signed.map(({ result }) => result?.signers)).toEqual([
      [s1, s2],
      [s1, s2],
    ])
    await leaving
  })

  it('has no voice as a stranger, or in the name of another', async () => {
    const definition = await keygenDefinition()
    const authority = definitionAuthority(definition)
    const book = new RecordStore(authority, systemClock)
    const abort = async (name: string, identity?: Identity) => {
      const { home } = await memoryHome(name)
      book.admit('certificate', toEnvelope(home.certificates.note), null)
      const note = {
        ceremony: authority.hash,
        identity: identity ?? home.identity,
        counter: 1,
        at: 1,
        phase: 'aborted',
        approvals: [],
        votes: [],
        certificates: [],
        evidence: [],
        abort: 'reason',
      }
      const bytes = noteCodec.encode(note)
      const raw = home.keys.note
      const signature = raw.sign(pae(payloadType(noteCodec.type), bytes))
      return toEnvelope({ type: noteCodec.type, bytes, value: note, key: raw.key, signature })
    }
    const victim = authority.roster[0]?.identity
    const forged = await abort('ap', victim)
    expect(() => book.admit('aborted', forged, null)).toThrow('signed by no key of its author')
    await expect(abort('stranger')).rejects.toThrow()
    expect(book.aborts.size).toBe(0)
  })
})

describe('a proposer', () => {
  const changes: readonly [string, (attempt: Attempt) => Attempt][] = [
    ['changes the deadline', (one) => ({ ...one, round: one.round + 1 })],
    ['forgets the base', (one) => ({ ...one, base: null })],
    ['seats one site more', (one) => ({ ...one, participants: [...one.participants, ...one.participants.slice(1)] })],
    ['skips a number', (one) => ({ ...one, number: one.number + 1 })],
    [
      'seats a site after another attempt',
      (one) => ({
        ...one,
        participants: one.participants.map((seat, at) => (at > 0 ? seat : { ...seat, last: keyed.base })),
      }),
    ],
    [
      'seats a site on another hello',
      (one) => ({
        ...one,
        participants: one.participants.map((seat, at) => (at > 0 ? seat : { ...seat, hello: keyed.base })),
      }),
    ],
  ]
  it.each(inTurn(changes, 2))(
    'that %s is not followed',
    async (what, change) => {
      const world = await copyWorld(keyed.world, what)
      const definition = await signing(what)
      await approveAll(world, names, definition)
      const changed = new Set<Hash>()
      const liar: Liar = {
        site: s1,
        ceremony: undefined,
        post: (_topic, _to, bytes) => [bytes],
        talk(_to, talk) {
          const raw = liar.ceremony?.keys.message.raw
          if (talk.is !== 'object' || talk.name !== 'attempt' || raw === undefined) return [talk]
          const envelope = decodeEnvelope(talk.bytes, 2 ** 20)
          if (envelope.payload.length === 0) return [talk]
          const value = change(attemptCodec.decode(envelope.payload))
          const bytes = attemptCodec.encode(value)
          changed.add(hashOf(bytes))
          const signature = raw.sign(pae(payloadType(attemptCodec.type), bytes))
          return [{ ...talk, bytes: toEnvelope({ type: attemptCodec.type, bytes, value, key: raw.key, signature }) }]
        },
      }
      const lying = joinAs(world, s1, definition, message, liar)
      const honest = await Promise.all([s2, s3].map((name) => joinAs(world, name, definition, message)))
      await lying
      expect(changed.size).toBeGreaterThan(0)
      expect(honest.map(({ result }) => result?.signers)).toEqual([
        [s2, s3],
        [s2, s3],
      ])
      for (const { site } of honest) {
        const { events } = await leftAt(world, site, definition)
        const signed = events.filter((event) => event.what === 'attempt').map(({ object }) => object)
        expect(signed.filter((one) => one !== null && changed.has(one))).toEqual([])
      }
    },
    60_000,
  )
})

describe('a signer', () => {
  it.each<[string, (liar: Liar, bytes: Uint8Array) => readonly Uint8Array[]]>([
    ['says nothing', () => []],
    [
      'signs what does not decode',
      (liar, bytes) => {
        const post = readSignedMessage(bytes)
        const raw = liar.ceremony?.keys.message.raw ?? expect.fail('no ceremony')
        return [signMessage(raw, post, new Uint8Array(3), new Uint8Array(0)).bytes]
      },
    ],
  ])(
    'that %s is replaced',
    async (what, instead) => {
      const world = await copyWorld(keyed.world, what)
      const definition = await signing(what)
      await approveAll(world, names, definition)
      let lies = 0
      const liar: Liar = {
        site: s1,
        ceremony: undefined,
        talk: (_to, talk) => [talk],
        post(_topic, _to, bytes) {
          lies += 1
          return instead(liar, bytes)
        },
      }
      const lying = joinAs(world, s1, definition, message, liar)
      const honest = await Promise.all([s2, s3].map((name) => joinAs(world, name, definition, message)))
      await lying
      expect(lies).toBeGreaterThan(0)
      expect(honest.map(({ result }) => result?.signers)).toEqual([
        [s2, s3],
        [s2, s3],
      ])
    },
    90_000,
  )
})
