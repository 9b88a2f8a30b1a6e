import * as nodeCrypto from 'node:crypto'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import { concat, fromHex } from '../lib/bytes.ts'

/** FIPS 203, ML-KEM-768; lengths in bytes. */
export const KEM = { seed: 64, publicKey: 1184, cipherText: 1088, message: 32 }

interface KemKey {
  readonly publicKey: Uint8Array
  /** 32 bytes; of a ciphertext that was not made for this key, other ones (implicit rejection). */
  decapsulate(cipherText: Uint8Array): Uint8Array
  /** Overwrites what can be. */
  wipe(): void
}
/** The key that 64 bytes stand for, d and z of FIPS 203. The caller wipes the seed. */
type KemKeygen = (seed: Uint8Array) => KemKey

export const nobleKey: KemKeygen = (seed) => {
  const { publicKey, secretKey } = ml_kem768.keygen(seed)
  return {
    publicKey,
    decapsulate: (cipherText) => ml_kem768.decapsulate(cipherText, secretKey),
    wipe: () => secretKey.fill(0),
  }
}

/** From node 24.7 on, where OpenSSL is 3.5 or newer; the types here are those of node 20. */
const decapsulate: ((key: nodeCrypto.KeyObject, cipherText: Uint8Array) => Buffer) | undefined = Reflect.get(
  nodeCrypto,
  'decapsulate',
)
/** A key that is its seed alone (RFC 9935). */
const PKCS8 = fromHex('3054020100300b060960864801650304040204428040')

/** node:crypto's; undefined where this runtime has none. */
export const nativeKey: KemKeygen | undefined =
  decapsulate &&
  ((seed) => {
    const der = concat(PKCS8, seed)
    const key = nodeCrypto.createPrivateKey({ key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' })
    der.fill(0)
    const spki = nodeCrypto.createPublicKey(key).export({ format: 'der', type: 'spki' })
    return {
      publicKey: new Uint8Array(spki.subarray(-KEM.publicKey)),
      decapsulate: (cipherText) => new Uint8Array(decapsulate(key, cipherText)),
      wipe: () => {},
    }
  })

/** False where the runtime was built against an OpenSSL without ML-KEM. */
const works = (keygen: KemKeygen): boolean => {
  try {
    return keygen(new Uint8Array(KEM.seed)).publicKey.length === KEM.publicKey
  } catch {
    return false
  }
}

export const kemKey: KemKeygen = nativeKey !== undefined && works(nativeKey) ? nativeKey : nobleKey

/**
 * `message`: 32 secret random bytes. noble's in every runtime: node:crypto draws them from the system's generator by
 * itself, and everything secret here comes from the hedge (PROTOCOL.md §11). Throws where the key fails the check of FIPS
 * 203 §7.2.
 */
export const encapsulate = (
  publicKey: Uint8Array,
  message: Uint8Array,
): { readonly cipherText: Uint8Array; readonly sharedSecret: Uint8Array } => ml_kem768.encapsulate(publicKey, message)
