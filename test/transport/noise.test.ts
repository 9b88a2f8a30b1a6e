import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import { Handshake, HandshakeError, type HandshakeOptions, keyPair, open, seal } from '../../src/transport/noise.ts'

interface Side {
  readonly static: string
  readonly ephemeral: string
}
interface Vector {
  readonly pattern: HandshakeOptions['pattern']
  readonly prologue: string
  readonly psk: string | null
  readonly initiator: Side
  readonly responder: Side
  readonly messages: readonly { readonly payload: string; readonly message: string }[]
}
const { vectors }: { vectors: readonly Vector[] } = JSON.parse(
  readFileSync(new URL('../vectors/noise/xx.json', import.meta.url), 'utf8'),
)
const EMPTY = new Uint8Array(0)

const pair = (hex: string) => keyPair(new Secret(fromHex(hex)))
const side = (vector: Vector, initiator: boolean): Handshake => {
  const keys = initiator ? vector.initiator : vector.responder
  const handshake = new Handshake({
    pattern: vector.pattern,
    initiator,
    prologue: fromHex(vector.prologue),
    static: pair(keys.static),
    ephemeral: pair(keys.ephemeral),
  })
  if (vector.psk !== null) handshake.setPsk(fromHex(vector.psk))
  return handshake
}

describe('noise', () => {
  test('holds all eight vectors', () => {
    expect(vectors.length).toBe(8)
    for (const vector of vectors) {
      const sides = [side(vector, true), side(vector, false)] as const
      const [first, second, third, ...transport] = vector.messages
      for (const [i, { payload, message }] of [first, second, third].flatMap((m, i) => (m ? [[i, m] as const] : []))) {
        const [writer, reader] = i % 2 === 0 ? sides : [sides[1], sides[0]]
        expect(toHex(writer.writeMessage(fromHex(payload)))).toBe(message)
        expect(toHex(reader.readMessage(fromHex(message)))).toBe(payload)
      }
      expect(sides[0].hash).toEqual(sides[1].hash)
      const keys = sides.map((one) => one.split())
      for (const [i, { payload, message }] of transport.entries()) {
        // The initiator sends the first of them, as the source has it.
        const sender = keys[i % 2]
        const receiver = keys[(i + 1) % 2]
        if (sender === undefined || receiver === undefined) throw new Error('two sides')
        expect(toHex(seal(sender.send, Math.floor(i / 2), EMPTY, fromHex(payload)))).toBe(message)
        const opened = open(receiver.receive, Math.floor(i / 2), EMPTY, fromHex(message))
        expect(opened && toHex(opened)).toBe(payload)
      }
    }
  })

  test('a message that does not hold leaves the state as it was', () => {
    const vector = vectors.find((one) => one.pattern === 'XXpsk3')
    if (vector === undefined) throw new Error('no vector')
    const initiator = side(vector, true)
    const responder = side(vector, false)
    responder.readMessage(initiator.writeMessage(EMPTY))
    const second = responder.writeMessage(EMPTY)
    fc.assert(
      fc.property(fc.nat(second.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const forged = second.slice()
        forged[at] = (forged[at] ?? 0) ^ mask
        expect(() => initiator.readMessage(forged)).toThrow(HandshakeError)
        expect(() => initiator.readMessage(second.subarray(0, at))).toThrow(HandshakeError)
      }),
    )
    initiator.readMessage(second)
    const third = initiator.writeMessage(EMPTY)
    expect(() => responder.readMessage(second)).toThrow(HandshakeError)
    expect(() => responder.split()).toThrow(HandshakeError)
    responder.readMessage(third)
    expect(responder.split().receive).toEqual(initiator.split().send)
  })

  test('refuses low-order keys, messages out of turn and a missing pre-shared key', () => {
    const keys = pair('11'.repeat(32))
    const options = { pattern: 'XXpsk3', prologue: EMPTY, static: keys, ephemeral: keys } as const
    const responder = new Handshake({ ...options, pattern: 'XX', initiator: false })
    expect(() => responder.writeMessage(EMPTY)).toThrow(HandshakeError)
    responder.readMessage(new Uint8Array(32))
    expect(() => responder.writeMessage(EMPTY)).toThrow()
    const initiator = new Handshake({ ...options, initiator: true })
    const other = new Handshake({ ...options, initiator: false })
    other.readMessage(initiator.writeMessage(EMPTY))
    initiator.readMessage(other.writeMessage(EMPTY))
    expect(() => initiator.writeMessage(EMPTY)).toThrow(HandshakeError)
  })
})
