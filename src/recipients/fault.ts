import { createPrivateKey, createPublicKey, diffieHellman, X509Certificate } from 'node:crypto'
import { bech32 } from '@scure/base'
import { equal, fromBase64 } from '../lib/bytes.ts'
import type { Recipient } from '../records/kinds/reconstruct.ts'

/** The X25519 key of an age recipient; undefined where the checksum or the length is another. */
const ageKey = (text: string): Uint8Array | undefined => {
  try {
    const { prefix, bytes } = bech32.decodeToBytes(text)
    return prefix === 'age' && bytes.length === 32 ? bytes : undefined
  } catch {
    return undefined
  }
}

/** Any private key will do: its PKCS #8, of which Node makes the public half itself. */
const ANYBODY = Buffer.from(`302e020100300506032b656e04220420${'01'.repeat(32)}`, 'hex')

/** A point of small order has one shared secret with everybody, which is zero: OpenSSL refuses to make it. */
const isSound = (key: Uint8Array): boolean => {
  const publicKey = createPublicKey({
    key: { kty: 'OKP', crv: 'X25519', x: Buffer.from(key).toString('base64url') },
    format: 'jwk',
  })
  try {
    diffieHellman({ privateKey: createPrivateKey({ key: ANYBODY, format: 'der', type: 'pkcs8' }), publicKey })
    return true
  } catch {
    return false
  }
}

const ageFault = (text: string): string | undefined => {
  const key = ageKey(text)
  if (key === undefined) return 'not an age recipient: mistyped, or cut'
  return isSound(key) ? undefined : 'an age recipient that everybody could open for'
}

const certificateOf = (der: Uint8Array): X509Certificate | undefined => {
  try {
    const certificate = new X509Certificate(der)
    return equal(new Uint8Array(certificate.raw), der) ? certificate : undefined
  } catch {
    return undefined
  }
}

const MOST_RSA = 8192

const certificateFault = (der: Uint8Array): string | undefined => {
  const certificate = certificateOf(der)
  if (certificate === undefined) return 'not one X.509 certificate'
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = certificate.publicKey
    const bits = details?.modulusLength ?? 0
    if (type === 'rsa' && bits >= 3072 && bits <= MOST_RSA) return undefined
    if (type === 'ec' && details?.namedCurve === 'prime256v1') return undefined
  } catch {
    // A key that this OpenSSL does not know.
  }
  return `its key is none of RSA with 3072 to ${MOST_RSA} bits, and P-256`
}

/** Why nothing can be sealed to a recipient, or why it would be kept from nobody; undefined where it can. */
export const recipientFault = (to: Recipient): string | undefined =>
  to.form === 'age' ? ageFault(to.recipient) : certificateFault(fromBase64(to.certificate))
