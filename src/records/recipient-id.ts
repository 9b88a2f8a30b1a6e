import { fromBase64 } from '../lib/bytes.ts'
import { hashOf } from '../lib/hash.ts'
import type { Recipient } from './kinds/reconstruct.ts'

/** The key of a recipient as its owner knows it: the age recipient itself, or the SHA-256 of the certificate in hex. */
export const recipientId = (to: Recipient): string =>
  to.form === 'age' ? to.recipient : hashOf(fromBase64(to.certificate))
