import * as v from 'valibot'
import { openAead, sealAead } from '../lib/aead.ts'
import { equal, fromHex, fromUtf8, toHex, utf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { tupleHash } from '../lib/hash.ts'
import type { Random } from '../lib/ports.ts'
import { scrypt } from '../lib/scrypt.ts'
import { Secret } from '../lib/secret.ts'
import { hexOf } from './fields.ts'

/** 128 MiB and about half a second: what a thief pays for each guess. */
const COST = 2 ** 17

/** A secret under a passphrase: scrypt (r = 8, p = 1), then AES-256-GCM. */
export const passphraseSealed = v.strictObject({
  kdf: v.literal('scrypt', 'expected scrypt'),
  n: v.literal(COST, `expected ${COST}`),
  salt: hexOf(16, 16),
  nonce: hexOf(12, 12),
  ciphertext: hexOf(17, 4096),
})
export type PassphraseSealed = v.InferOutput<typeof passphraseSealed>

/**
 * The bytes that scrypt takes for a passphrase: its text in NFKC, so that two keyboards that show the same text give the
 * same key; then the bytes as they came, which is what version 0.1 took. One entry where both are the same, as for ASCII
 * and for bytes that are no UTF-8. The caller wipes them.
 */
const spellings = (passphrase: Uint8Array): readonly [Uint8Array, ...Uint8Array[]] => {
  const raw = new Uint8Array(passphrase)
  // Only other text makes a string, which nothing could wipe.
  if (raw.every((byte) => byte < 0x80)) return [raw]
  const text = textOf(raw)
  const normal = text === undefined ? raw : utf8(text.normalize('NFKC'))
  return equal(normal, raw) ? [raw] : [normal, raw]
}

const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    return fromUtf8(bytes)
  } catch {
    return undefined
  }
}

const associated = (label: string, salt: string): Uint8Array =>
  tupleHash(label, utf8(`scrypt ${COST} 8 1`), fromHex(salt))

/** `label` names what is sealed and whose, so that one file cannot stand for another. */
export const sealUnder = async (
  passphrase: Secret,
  label: string,
  secret: Secret,
  random: Random,
): Promise<PassphraseSealed> => {
  const [salt, nonce] = [toHex(random(16)), toHex(random(12))]
  const written = spellings(passphrase.reveal())
  const key = await scrypt(written[0], fromHex(salt), COST, 32)
  for (const one of written) one.fill(0)
  const ciphertext = sealAead(key, fromHex(nonce), secret.reveal(), associated(label, salt))
  key.fill(0)
  return { kdf: 'scrypt', n: COST, salt, nonce, ciphertext: toHex(ciphertext) }
}

/** Throws E_PASSPHRASE where the passphrase, or what was sealed, is another. */
export const openUnder = async (passphrase: Secret, label: string, sealed: PassphraseSealed): Promise<Secret> => {
  const written = spellings(passphrase.reveal())
  try {
    for (const one of written) {
      const key = await scrypt(one, fromHex(sealed.salt), COST, 32)
      const plain = openAead(key, fromHex(sealed.nonce), fromHex(sealed.ciphertext), associated(label, sealed.salt))
      key.fill(0)
      if (plain !== undefined) return new Secret(plain)
    }
  } finally {
    for (const one of written) one.fill(0)
  }
  throw new QuorateError('E_PASSPHRASE', 'the passphrase is wrong', 'type it again; nothing was opened')
}
