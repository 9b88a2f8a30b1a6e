import { describe, expect, it } from 'vitest'
import type { Hash, Index } from '../../src/lib/brand.ts'
import { toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { protocolIds } from '../../src/records/definition-fields.ts'
import { runAll, values } from '../support/memory-mailbox.ts'
import { seededRandom } from '../support/random.ts'

const session = hashOf(utf8('protocols')) as Hash

describe.each(protocolIds)('%s', (id) => {
  it('makes a key and signs with every quorum of it', async () => {
    const protocols = await loadScheme(id)
    const context = { threshold: 2, parties: 3 }
    const made = await runAll(protocols.keygen, [context, context, context], {
      session,
      tools: (party) => ({ random: seededRandom(`${id} keygen ${party}`) }),
    })
    const keys = values(made.ended)
    const [first] = keys
    expect(first).toBeDefined()
    if (first === undefined) return
    for (const key of keys) {
      expect(toHex(key.publicKey)).toBe(toHex(first.publicKey))
      expect(key.verifyingShares.map(toHex)).toEqual(first.verifyingShares.map(toHex))
    }
    const again = protocols.keygen.derive(context, session, made.network.broadcasts(protocols.keygen.rounds))
    expect(toHex(again.publicKey)).toBe(toHex(first.publicKey))
    expect(again.verifyingShares.map(toHex)).toEqual(first.verifyingShares.map(toHex))

    const message = utf8('a message')
    for (const indices of [
      [1, 2],
      [1, 3],
      [3, 2],
      [1, 2, 3],
    ] as Index[][]) {
      const signed = await runAll(
        protocols.sign,
        indices.map((index) => ({
          threshold: 2,
          publicKey: first.publicKey,
          verifyingShares: first.verifyingShares,
          indices,
          message,
          share: keys[index - 1]?.share as (typeof first)['share'],
        })),
        { session, tools: (party) => ({ random: seededRandom(`${id} sign ${indices} ${party}`) }) },
      )
      const [signature] = values(signed.ended)
      expect(signature).toBeDefined()
      if (signature === undefined) return
      for (const one of values(signed.ended)) expect(toHex(one.signature)).toBe(toHex(signature.signature))
      expect(protocols.verifySignature(first.publicKey, message, signature.signature)).toBe(true)
      expect(protocols.verifySignature(first.publicKey, utf8('another'), signature.signature)).toBe(false)
    }
  })
})
