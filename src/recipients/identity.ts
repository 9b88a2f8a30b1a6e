import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { fromBase64, fromUtf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { DecodeError } from '../records/codec.ts'
import type { Recipient } from '../records/kinds/reconstruct.ts'

/** The secret of a recipient, as its owner's own tools keep it. */
export interface RecipientIdentity {
  /** True where what is sealed to this recipient is meant for this identity. */
  isOf(to: Recipient): Promise<boolean>
  /** Throws DecodeError where it does not open. */
  open(to: Recipient, sealed: Uint8Array): Promise<Uint8Array>
}

const unfit = (what: string, hint: string): QuorateError => new QuorateError('E_FILE', what, hint)

const AGE_LINE = /^AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}$/
const MOST_LINES = 64

const ageIdentity = (text: string): RecipientIdentity => {
  const lines = text.split(/\r?\n/).map((line) => line.trim())
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#'))
  if (keys.length > MOST_LINES || !keys.every((line) => AGE_LINE.test(line)))
    throw unfit(
      'the identity file has a line that is no age identity',
      'give the file that age-keygen made: AGE-SECRET-KEY-1…, one a line',
    )
  return {
    async isOf(to) {
      if (to.form !== 'age') return false
      return (await (await import('./age.ts')).recipientsOf(keys)).includes(to.recipient)
    },
    open: async (_to, sealed) => (await import('./age.ts')).openByAge(keys, sealed),
  }
}

const keyIn = (text: string): KeyObject => {
  try {
    return createPrivateKey(text)
  } catch {
    throw unfit(
      'the identity file holds a private key that does not open',
      'where it is encrypted: openssl pkey -in FILE -out PLAIN, on this machine alone, and remove PLAIN afterwards',
    )
  }
}

const keyIdentity = (text: string): RecipientIdentity => {
  const key = keyIn(text)
  const spki = (one: KeyObject): Buffer => one.export({ type: 'spki', format: 'der' })
  const own = spki(createPublicKey(key))
  return {
    isOf: async (to) =>
      to.form === 'x509' && spki(new X509Certificate(fromBase64(to.certificate)).publicKey).equals(own),
    async open(to, sealed) {
      if (to.form !== 'x509') throw new DecodeError('a piece for an age identity')
      const bytes = new Uint8Array(key.export({ type: 'pkcs8', format: 'der' }))
      try {
        return await (await import('./x509.ts')).openByKey(to.certificate, bytes, sealed)
      } finally {
        bytes.fill(0)
      }
    },
  }
}

/** An age identity file, or a private key in PEM. Throws E_FILE. */
export const recipientIdentity = (bytes: Uint8Array): RecipientIdentity => {
  let text: string
  try {
    text = fromUtf8(bytes)
  } catch {
    throw unfit('the identity file is not text', 'give an age identity file, or a private key in PEM')
  }
  if (/^-----BEGIN AGE ENCRYPTED FILE-----/m.test(text))
    throw unfit(
      'the identity file is encrypted under a passphrase',
      'age --decrypt FILE, on this machine alone; give what it prints as a file',
    )
  return /^-----BEGIN [A-Z ]*PRIVATE KEY-----/m.test(text) ? keyIdentity(text) : ageIdentity(text)
}
