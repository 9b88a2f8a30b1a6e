import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { toBase64 } from '../../src/lib/bytes.ts'
import type { Recipient } from '../../src/records/kinds/reconstruct.ts'

/** Of test/support/recipients. */
export const identityFile = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`./recipients/${name}`, import.meta.url)))

export const ageRecipient = (name = 'counsel', from = 'age.txt'): Recipient => ({
  form: 'age',
  name,
  recipient: /age1[a-z0-9]+/.exec(Buffer.from(identityFile(from)).toString())?.[0] ?? '',
})

export const certificateRecipient = (name: string, from: string): Recipient => ({
  form: 'x509',
  name,
  certificate: toBase64(new Uint8Array(new X509Certificate(identityFile(from)).raw)),
})
