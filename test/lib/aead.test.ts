import { gcm } from '@noble/ciphers/aes.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openAead, sealAead } from '../../src/lib/aead.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

describe('AES-256-GCM', () => {
  it('is that of another implementation', () => {
    fc.assert(
      fc.property(
        bytes(32),
        bytes(12),
        fc.uint8Array({ maxLength: 300 }),
        fc.uint8Array({ maxLength: 100 }),
        (key, nonce, plain, aad) => {
          const sealed = sealAead(key, nonce, plain, aad)
          expect(sealed).toEqual(gcm(key, nonce, aad).encrypt(plain))
          expect(openAead(key, nonce, sealed, aad)).toEqual(plain)
        },
      ),
    )
  })

  it('opens nothing of which one bit is another', () => {
    fc.assert(
      fc.property(bytes(32), bytes(12), bytes(40), bytes(8), fc.nat(56 * 8 - 1), (key, nonce, plain, aad, bit) => {
        const sealed = sealAead(key, nonce, plain, aad)
        sealed[bit >> 3] = (sealed[bit >> 3] as number) ^ (1 << (bit & 7))
        expect(openAead(key, nonce, sealed, aad)).toBeUndefined()
        expect(openAead(key, nonce, sealAead(key, nonce, plain, aad), Uint8Array.of(...aad, 0))).toBeUndefined()
      }),
    )
  })
})
