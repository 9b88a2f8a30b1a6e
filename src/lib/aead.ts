import { createCipheriv, createDecipheriv } from 'node:crypto'
import { concat } from './bytes.ts'

const TAG = 16

/** AES-256-GCM: ciphertext and 16-byte tag. The 12-byte nonce must be new for each use of a key. */
export const sealAead = (key: Uint8Array, nonce: Uint8Array, plain: Uint8Array, aad: Uint8Array): Uint8Array => {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG })
  cipher.setAAD(aad)
  return concat(cipher.update(plain), cipher.final(), cipher.getAuthTag())
}

/** The plaintext; undefined where key, nonce, associated data or a bit of the ciphertext is another. */
export const openAead = (
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
): Uint8Array | undefined => {
  if (sealed.length < TAG) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG })
  decipher.setAAD(aad)
  decipher.setAuthTag(sealed.subarray(-TAG))
  const plain = decipher.update(sealed.subarray(0, -TAG))
  try {
    decipher.final()
    return new Uint8Array(plain)
  } catch {
    return undefined
  } finally {
    plain.fill(0)
  }
}
