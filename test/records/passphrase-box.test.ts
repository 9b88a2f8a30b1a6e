import { describe, expect, test, vi } from 'vitest'
import { sealAead } from '../../src/lib/aead.ts'
import { fromHex, toHex, utf8 } from '../../src/lib/bytes.ts'
import { tupleHash } from '../../src/lib/hash.ts'
import { scrypt } from '../../src/lib/scrypt.ts'
import { Secret } from '../../src/lib/secret.ts'
import { openUnder, type PassphraseSealed, sealUnder } from '../../src/records/passphrase-box.ts'
import { passphraseOf } from '../support/passphrase.ts'
import { seededRandom } from '../support/random.ts'

/** At its full cost it runs where a home lies under a passphrase, one that version 0.1 made too (test/identity, test/compat). */
vi.mock('../../src/lib/scrypt.ts', async (load) => (await import('../support/cheap-scrypt.ts')).cheapScrypt(load))

const LABEL = 'a test'
const bytes = new Uint8Array(32).fill(3)
const seal = (passphrase: Secret) => sealUnder(passphrase, LABEL, new Secret(bytes.slice()), seededRandom('box'))
const opens = async (passphrase: Secret, sealed: PassphraseSealed): Promise<boolean> => {
  try {
    return toHex((await openUnder(passphrase, LABEL, sealed)).reveal()) === toHex(bytes)
  } catch (error) {
    expect(error).toMatchObject({ code: 'E_PASSPHRASE' })
    return false
  }
}

/** As version 0.1 sealed: under the bytes as they came. */
const sealedRaw = async (passphrase: Uint8Array): Promise<PassphraseSealed> => {
  const [salt, nonce] = ['ab'.repeat(16), 'cd'.repeat(12)]
  const key = await scrypt(passphrase, fromHex(salt), 2 ** 17, 32)
  const aad = tupleHash(LABEL, utf8(`scrypt ${2 ** 17} 8 1`), fromHex(salt))
  return { kdf: 'scrypt', n: 2 ** 17, salt, nonce, ciphertext: toHex(sealAead(key, fromHex(nonce), bytes, aad)) }
}

const composed = 'caf\u00e9 au lait \uff11'
const decomposed = 'cafe\u0301 au lait \uff11'
const binary = new Uint8Array([0xff, 0xfe, 0x00, 0x80])

describe('a passphrase', () => {
  test('is its text, however a keyboard spells it', async () => {
    const sealed = await seal(passphraseOf(composed))
    for (const typed of [decomposed, 'caf\u00e9 au lait 1']) expect(await opens(passphraseOf(typed), sealed)).toBe(true)
    expect(await opens(passphraseOf('cafe au lait 1'), sealed)).toBe(false)
  })

  test('of a home that version 0.1 made opens it as it was typed then', async () => {
    for (const old of [utf8(decomposed), binary])
      expect(await opens(new Secret(old.slice()), await sealedRaw(old))).toBe(true)
  })

  test('may be bytes that are no text, and is not changed by its use', async () => {
    const passphrase = new Secret(binary.slice())
    const sealed = await seal(passphrase)
    expect(await opens(passphrase, sealed)).toBe(true)
    expect(passphrase.reveal()).toEqual(binary)
    expect(await opens(new Secret(new Uint8Array([0xff, 0xfe, 0x00, 0x81])), sealed)).toBe(false)
  })
})
