import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { edwards } from '@noble/curves/abstract/edwards.js'
import type { KeyHex, SiteId } from '../lib/brand.ts'
import { concat, fromHex, toHex } from '../lib/bytes.ts'
import type { Secret } from '../lib/secret.ts'
import type { Codec } from '../records/codec.ts'
import { pae, payloadType, type Signed, type Signer } from '../records/signed.ts'

const PKCS8 = fromHex('302e020100300506032b657004220420')
/** edwards25519 (RFC 8032 §5.1). The whole ed25519 module of noble takes 20 ms longer to load, which every command would pay. */
const Point = edwards({
  p: 2n ** 255n - 19n,
  n: 2n ** 252n + 27742317777372353535851937790883648493n,
  h: 8n,
  a: 2n ** 255n - 20n,
  d: 37095705934669439343138083508754565189542113879843219016388785533085940283555n,
  Gx: 15112221349535400772501151409588531511454012693041857206046113283949847762202n,
  Gy: 46316835694926478169428394003475163141307993866256225615783033603165251855960n,
})
const MOST_KEYS = 4096
const parsed = new Map<KeyHex, KeyObject | null>()

/**
 * The key object of a public key that is canonical, not of small order and free of torsion; undefined otherwise. Under
 * such a key OpenSSL's cofactorless check is strict: it refuses torsion in R, which noble and zip215 let through.
 */
const publicKey = (key: KeyHex): KeyObject | undefined => {
  const known = parsed.get(key)
  if (known !== undefined) return known ?? undefined
  let object: KeyObject | null = null
  try {
    const raw = fromHex(key)
    const point = Point.fromBytes(raw, false)
    if (!point.isSmallOrder() && point.isTorsionFree())
      object = createPublicKey({
        key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(raw).toString('base64url') },
        format: 'jwk',
      })
  } catch {
    object = null
  }
  if (parsed.size >= MOST_KEYS) parsed.clear()
  parsed.set(key, object)
  return object ?? undefined
}

export const isPublicKey = (key: KeyHex): boolean => publicKey(key) !== undefined

const MOST_HELD = 8192
/** Hashes of a key, a signature and a message that belong together: the same record comes from each peer and in each join. */
const held = new Set<string>()

/** Strict Ed25519 (RFC 8032 §5.1.7, cofactorless, keys as `isPublicKey`). */
export const verifyEd25519 = (key: KeyHex, message: Uint8Array, signature: Uint8Array): boolean => {
  const object = signature.length === 64 ? publicKey(key) : undefined
  if (object === undefined) return false
  const claim = createHash('sha256').update(key).update(signature).update(message).digest('base64')
  if (held.has(claim)) return true
  if (!verify(null, message, object, signature)) return false
  if (held.size >= MOST_HELD) held.clear()
  held.add(claim)
  return true
}

const privateKey = (seed: Secret): KeyObject => {
  const der = concat(PKCS8, seed.reveal())
  const key = createPrivateKey({ key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' })
  der.fill(0)
  return key
}

const publicHex = (key: KeyObject): KeyHex => {
  const { x } = createPublicKey(key).export({ format: 'jwk' })
  return toHex(Buffer.from(x as string, 'base64url')) as KeyHex
}

export const publicKeyOf = (seed: Secret): KeyHex => publicHex(privateKey(seed))

/** Signs raw bytes that this program itself laid out (checkpoints, round headers); typed records go through a Signer. */
export type RawSigner = { readonly key: KeyHex; sign(bytes: Uint8Array): Uint8Array }

export const rawSigner = (seed: Secret): RawSigner => {
  const key = privateKey(seed)
  return { key: publicHex(key), sign: (bytes) => new Uint8Array(sign(null, bytes, key)) }
}

export const recordSigner = (site: SiteId, raw: RawSigner): Signer => ({
  site,
  key: raw.key,
  async sign<T>(codec: Codec<T>, value: T): Promise<Signed<T>> {
    const bytes = codec.encode(value)
    return { type: codec.type, bytes, value, key: raw.key, signature: raw.sign(pae(payloadType(codec.type), bytes)) }
  },
})
