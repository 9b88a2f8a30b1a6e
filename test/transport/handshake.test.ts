import { hkdfSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Hash, Identity } from '../../src/lib/brand.ts'
import { concat, fromHex, toHex, utf8 } from '../../src/lib/bytes.ts'
import { tupleHash } from '../../src/lib/hash.ts'
import type { Random } from '../../src/lib/ports.ts'
import { Secret } from '../../src/lib/secret.ts'
import {
  type Answer,
  answer,
  type Established,
  initiate,
  type Other,
  type Self,
} from '../../src/transport/handshake.ts'
import { Handshake, keyPair } from '../../src/transport/noise.ts'
import { AUTHORITY, identityFor, seeded } from './support.ts'

const any: Other['accepts'] = () => true
const self = (name: string, random: Random = seeded(name)): Self => ({
  identity: identityFor(name),
  static: keyPair(new Secret(random(32))),
  certificate: utf8(`certificate of ${name}`),
  instance: random(16),
  random,
})
const other = (name: string, accepts = any): Other => ({ identity: identityFor(name), accepts })
const idOf = (id: string): Uint8Array => fromHex(id)
const established = (value: Established | string): Established => {
  if (typeof value === 'string') throw new Error(value)
  return value
}
const answered = (value: Answer | undefined): Answer => {
  if (value === undefined) throw new Error('not answered')
  return value
}

interface Vector {
  readonly authority: string
  readonly initiator: Record<
    'identity' | 'static' | 'ephemeral' | 'kemSeed' | 'id' | 'instance' | 'certificate',
    string
  >
  readonly responder: Record<'identity' | 'static' | 'ephemeral' | 'kemMessage' | 'instance' | 'certificate', string>
  readonly messages: readonly [string, string, string]
  readonly binding: string
  readonly initiatorKey: string
  readonly responderKey: string
}
const { vectors }: { vectors: readonly Vector[] } = JSON.parse(
  readFileSync(new URL('../vectors/noise/xxpsk3-mlkem768.json', import.meta.url), 'utf8'),
)
/** Gives out these bytes in this order, and nothing after them. */
const draws = (...hexes: readonly string[]): Random => {
  const left = hexes.map(fromHex)
  return (length) => {
    const next = left.shift()
    if (next?.length !== length) throw new Error('another draw than the vector has')
    return next
  }
}

describe('XXpsk3 with ML-KEM-768', () => {
  test('own vectors', () => {
    expect(vectors.length).toBe(4)
    for (const { authority, initiator, responder, messages, binding, initiatorKey, responderKey } of vectors) {
      const begun = initiate(
        authority as Hash,
        {
          identity: initiator.identity as Identity,
          static: keyPair(new Secret(fromHex(initiator.static))),
          certificate: fromHex(initiator.certificate),
          instance: fromHex(initiator.instance),
          random: draws(initiator.ephemeral, initiator.kemSeed, initiator.id),
        },
        { identity: responder.identity as Identity, accepts: any },
      )
      expect(begun.id).toBe(initiator.id)
      expect(toHex(begun.first)).toBe(messages[0])
      const given = answered(
        answer(
          authority as Hash,
          {
            identity: responder.identity as Identity,
            static: keyPair(new Secret(fromHex(responder.static))),
            certificate: fromHex(responder.certificate),
            instance: fromHex(responder.instance),
            random: draws(responder.ephemeral, responder.kemMessage),
          },
          { identity: initiator.identity as Identity, accepts: any },
          fromHex(initiator.id),
          fromHex(messages[0]),
        ),
      )
      expect(toHex(given.second)).toBe(messages[1])
      const finished = begun.finish(given.second)
      if (typeof finished === 'string') throw new Error(finished)
      expect(toHex(finished.third)).toBe(messages[2])
      const theirs = established(given.finish(finished.third))
      for (const side of [finished.established, theirs]) expect(side.binding).toBe(binding)
      expect([toHex(theirs.receive), toHex(theirs.send)]).toEqual([initiatorKey, responderKey])
      expect([toHex(finished.established.send), toHex(finished.established.receive)]).toEqual([
        initiatorKey,
        responderKey,
      ])
      expect(theirs.instance).toBe(initiator.instance)
      expect(finished.established.instance).toBe(responder.instance)
    }
  })

  test('is plain Noise XXpsk3 with the documented payloads and pre-shared key', () => {
    for (const { authority, initiator, responder, messages, binding } of vectors) {
      const prologue = tupleHash(
        'quorate/channel/v1',
        fromHex(authority),
        utf8(initiator.identity),
        utf8(responder.identity),
      )
      const side = (isInitiator: boolean, keys: { static: string; ephemeral: string }) =>
        new Handshake({
          pattern: 'XXpsk3',
          initiator: isInitiator,
          prologue,
          static: keyPair(new Secret(fromHex(keys.static))),
          ephemeral: keyPair(new Secret(fromHex(keys.ephemeral))),
        })
      const i = side(true, initiator)
      const r = side(false, responder)
      const kem = ml_kem768.keygen(fromHex(initiator.kemSeed))
      const { cipherText, sharedSecret } = ml_kem768.encapsulate(kem.publicKey, fromHex(responder.kemMessage))
      const first = i.writeMessage(concat(fromHex(initiator.id), kem.publicKey))
      r.readMessage(first)
      const second = r.writeMessage(concat(cipherText, fromHex(responder.instance), fromHex(responder.certificate)))
      i.readMessage(second)
      const psk = new Uint8Array(hkdfSync('sha256', sharedSecret, i.hash, 'quorate/channel/v1 ml-kem-768', 32))
      i.setPsk(psk)
      const third = i.writeMessage(concat(fromHex(initiator.instance), fromHex(initiator.certificate)))
      expect([first, second, third].map(toHex)).toEqual(messages)
      expect(toHex(i.hash)).toBe(binding)
    }
  })

  test('refuses another authority, other identities, the other role and another id', () => {
    const { id, first } = initiate(AUTHORITY, self('a'), other('b'))
    const b = self('b')
    expect(answer(AUTHORITY, b, other('a'), idOf(id), first)).toBeDefined()
    expect(answer('00'.repeat(32) as Hash, b, other('a'), idOf(id), first)).toBeUndefined()
    expect(answer(AUTHORITY, self('c'), other('a'), idOf(id), first)).toBeUndefined()
    expect(answer(AUTHORITY, b, other('c'), idOf(id), first)).toBeUndefined()
    expect(answer(AUTHORITY, self('a'), other('b'), idOf(id), first)).toBeUndefined()
    expect(answer(AUTHORITY, b, other('a'), new Uint8Array(16), first)).toBeUndefined()
  })

  test('refuses a KEM key that FIPS 203 refuses, and notices one that was exchanged', () => {
    const a = self('a')
    const forge = (change: (key: Uint8Array) => void): { id: Uint8Array; first: Uint8Array } => {
      const handshake = new Handshake({
        pattern: 'XXpsk3',
        initiator: true,
        prologue: tupleHash('quorate/channel/v1', fromHex(AUTHORITY), utf8(a.identity), utf8(identityFor('b'))),
        static: a.static,
        ephemeral: keyPair(new Secret(a.random(32))),
      })
      const { publicKey } = ml_kem768.keygen(a.random(64))
      change(publicKey)
      const id = a.random(16)
      return { id, first: handshake.writeMessage(concat(id, publicKey)) }
    }
    const honest = forge(() => {})
    expect(answer(AUTHORITY, self('b'), other('a'), honest.id, honest.first)).toBeDefined()
    // Twelve bits all set: a coefficient of 4095, which is not reduced modulo 3329.
    const outside = forge((key) => key.fill(0xff, 0, 2))
    expect(answer(AUTHORITY, self('b'), other('a'), outside.id, outside.first)).toBeUndefined()
    const short = concat(honest.first.subarray(0, 32), honest.first.subarray(33))
    expect(answer(AUTHORITY, self('b'), other('a'), honest.id, short)).toBeUndefined()

    // A relay that puts its own KEM key into message 1: message 2 then depends on another h.
    const begun = initiate(AUTHORITY, a, other('b'))
    const swapped = forge(() => {})
    const fromRelay = answered(answer(AUTHORITY, self('b'), other('a'), swapped.id, swapped.first))
    expect(begun.finish(fromRelay.second)).toBe('unauthentic')
  })

  test('refuses a ciphertext that decapsulates to something else', () => {
    const begun = initiate(AUTHORITY, self('a'), other('b'))
    const b = self('b')
    const handshake = new Handshake({
      pattern: 'XXpsk3',
      initiator: false,
      prologue: tupleHash('quorate/channel/v1', fromHex(AUTHORITY), utf8(identityFor('a')), utf8(b.identity)),
      static: b.static,
      ephemeral: keyPair(new Secret(b.random(32))),
    })
    const key = handshake.readMessage(begun.first).subarray(16)
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(key)
    cipherText[5] = (cipherText[5] ?? 0) ^ 1
    const second = handshake.writeMessage(concat(cipherText, b.instance, b.certificate))
    handshake.setPsk(
      new Uint8Array(hkdfSync('sha256', sharedSecret, handshake.hash, 'quorate/channel/v1 ml-kem-768', 32)),
    )
    const finished = begun.finish(second)
    if (typeof finished === 'string') throw new Error(finished)
    expect(() => handshake.readMessage(finished.third)).toThrow()
  })

  test('a refused certificate leaves the way open for the right one', () => {
    const good = self('b')
    const wrong = self('b', seeded('another static key'))
    const begun = initiate(
      AUTHORITY,
      self('a'),
      other('b', (_certificate, key) => key === toHex(good.static.publicKey)),
    )
    const bad = answered(answer(AUTHORITY, wrong, other('a'), idOf(begun.id), begun.first))
    expect(begun.finish(bad.second)).toBe('refused')
    const right = answered(
      answer(
        AUTHORITY,
        good,
        other('a', () => false),
        idOf(begun.id),
        begun.first,
      ),
    )
    const finished = begun.finish(right.second)
    if (typeof finished === 'string') throw new Error(finished)
    expect(right.finish(finished.third)).toBe('refused')
    expect(bad.finish(finished.third)).toBe('unauthentic')
  })

  test('no changed byte of any message is taken, and the right message still is', () => {
    const begun = initiate(AUTHORITY, self('a'), other('b'))
    const given = answered(answer(AUTHORITY, self('b'), other('a'), idOf(begun.id), begun.first))
    fc.assert(
      fc.property(fc.nat(given.second.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const forged = given.second.slice()
        forged[at] = (forged[at] ?? 0) ^ mask
        expect(begun.finish(forged)).toBe('unauthentic')
      }),
      { numRuns: 50 },
    )
    const finished = begun.finish(given.second)
    if (typeof finished === 'string') throw new Error(finished)
    fc.assert(
      fc.property(fc.nat(finished.third.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const forged = finished.third.slice()
        forged[at] = (forged[at] ?? 0) ^ mask
        expect(given.finish(forged)).toBe('unauthentic')
      }),
      { numRuns: 50 },
    )
    expect(established(given.finish(finished.third)).binding).toBe(finished.established.binding)
  })
})
