import crypto, { type JsonWebKeyInput, type KeyObject, type PrivateKeyInput } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

/**
 * OpenSSL 3.0 takes half a millisecond to find out that DER is a key, eight times as long as for a JWK, and tests open
 * homes many thousand times: that was a tenth of all their work. In the product a key stands in no string.
 */
const curves: Readonly<Record<string, string>> = {
  '302e020100300506032b657004220420': 'Ed25519',
  '302e020100300506032b656e04220420': 'X25519',
}
const made = crypto.createPrivateKey
const fast = (input: Parameters<typeof made>[0]): KeyObject => {
  const { key, type } = input as PrivateKeyInput
  const crv = type === 'pkcs8' && Buffer.isBuffer(key) && key.length === 48 && curves[key.toString('hex', 0, 16)]
  if (!crv) return made(input)
  const jwk = { kty: 'OKP', crv, d: key.toString('base64url', 16), x: '' }
  return made({ key: jwk, format: 'jwk' } satisfies JsonWebKeyInput)
}
// Later lines look at the public part, and come with a faster OpenSSL.
if (process.versions.node.startsWith('20.') && made.name !== 'fast') {
  crypto.createPrivateKey = fast
  syncBuiltinESMExports()
}
