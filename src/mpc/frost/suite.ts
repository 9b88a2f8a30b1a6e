import { createHash } from 'node:crypto'
import { expand_message_xmd } from '@noble/curves/abstract/hash-to-curve.js'
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import { concat, equal, utf8 } from '../../lib/bytes.ts'
import { sha256 } from '../../lib/hash.ts'
import type { ProtocolId } from '../../records/definition-fields.ts'
import type { Element, Group, Scalar } from '../group/group.ts'
import { groupOf, loadGroup } from '../group/load.ts'
import type { CurveName } from '../group/noble.ts'

/** An RFC 9591 ciphersuite (§6) over one backend; frost-secp256k1-tr is the Zcash Foundation's FROST-secp256k1-SHA256-TR-v1. */
export interface Suite {
  readonly id: SuiteId
  readonly group: Group
  /** BIP-340: keys and nonces are used with even Y, signatures and challenges hold x only, a new key is tweaked (BIP-341). */
  readonly evenY: boolean
  /** Binding factors. */
  readonly h1: (message: Uint8Array) => Scalar
  /** Nonces. */
  readonly h3: (message: Uint8Array) => Scalar
  /** Message digest. */
  readonly h4: (message: Uint8Array) => Uint8Array
  /** Digest of the commitment list. */
  readonly h5: (message: Uint8Array) => Uint8Array
  /** Challenge of the key generation's proof of knowledge, as the Zcash Foundation's crates have it. */
  readonly hdkg: (message: Uint8Array) => Scalar
  /** The signature's challenge (H2) over encoded elements. */
  readonly challenge: (nonce: Uint8Array, publicKey: Uint8Array, message: Uint8Array) => Scalar
  /** Length of a signature. */
  readonly signatureBytes: number
}

interface Shape {
  readonly curve: CurveName
  readonly context: string
  readonly digest: (...parts: readonly Uint8Array[]) => Uint8Array
  readonly toScalar: 'reduce' | 'hash-to-field'
  /** Prefix of H2 where it is not context and 'chal'. */
  readonly challengePrefix?: string
  readonly evenY?: boolean
}

const sha512 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash('sha512')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

const shake256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash('shake256', { outputLength: 114 })
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

const shapes = {
  'frost-ed25519': {
    curve: 'ed25519',
    context: 'FROST-ED25519-SHA512-v1',
    digest: sha512,
    toScalar: 'reduce',
    challengePrefix: '',
  },
  'frost-ed448': {
    curve: 'ed448',
    context: 'FROST-ED448-SHAKE256-v1',
    digest: shake256,
    toScalar: 'reduce',
    challengePrefix: 'SigEd448\0\0',
  },
  'frost-p256': { curve: 'p256', context: 'FROST-P256-SHA256-v1', digest: sha256, toScalar: 'hash-to-field' },
  'frost-ristretto255': {
    curve: 'ristretto255',
    context: 'FROST-RISTRETTO255-SHA512-v1',
    digest: sha512,
    toScalar: 'reduce',
  },
  'frost-secp256k1': {
    curve: 'secp256k1',
    context: 'FROST-secp256k1-SHA256-v1',
    digest: sha256,
    toScalar: 'hash-to-field',
  },
  'frost-secp256k1-tr': {
    curve: 'secp256k1',
    context: 'FROST-secp256k1-SHA256-TR-v1',
    digest: sha256,
    toScalar: 'hash-to-field',
    evenY: true,
  },
} as const satisfies Partial<Record<ProtocolId, Shape>>

/** Protocol ids that are FROST over one of its ciphersuites. */
export type SuiteId = keyof typeof shapes

/** BIP-340's tagged hash. */
export const taggedHash = (tag: string, ...parts: readonly Uint8Array[]): Uint8Array => {
  const name = sha256(utf8(tag))
  return sha256(name, name, ...parts)
}

/** The x coordinate of a compressed point. */
export const xOnly = (compressed: Uint8Array): Uint8Array => compressed.subarray(1)

/** True where a compressed point has an odd Y. */
export const hasOddY = (compressed: Uint8Array): boolean => compressed[0] === 3

/** Bytes of a hash_to_field element for orders of 256 bits (RFC 9380 §5.2: 256 + 128 bits). */
const FIELD_BYTES = 48

/** A ciphersuite over a backend of its group; `suiteOf` and `loadSuite` choose one. */
export const bindSuite = (id: SuiteId, backend: (curve: CurveName) => Group): Suite => {
  const { curve, context, digest, toScalar, challengePrefix, evenY = false }: Shape = shapes[id]
  const group = backend(curve)
  const { field } = group
  const hashToScalar = (prefix: string): ((message: Uint8Array) => Scalar) => {
    const tag = utf8(prefix)
    return toScalar === 'reduce'
      ? (message) => field.reduce(digest(tag, message))
      : (message) => field.reduce(expand_message_xmd(message, tag, FIELD_BYTES, nobleSha256))
  }
  const hash = (prefix: string): ((message: Uint8Array) => Uint8Array) => {
    const tag = utf8(prefix)
    return (message) => digest(tag, message)
  }
  const h2 = hashToScalar(challengePrefix ?? `${context}chal`)
  return {
    id,
    group,
    evenY,
    h1: hashToScalar(`${context}rho`),
    h3: hashToScalar(`${context}nonce`),
    h4: hash(`${context}msg`),
    h5: hash(`${context}com`),
    hdkg: hashToScalar(`${context}dkg`),
    challenge: evenY
      ? (nonce, key, message) => field.reduce(taggedHash('BIP0340/challenge', xOnly(nonce), xOnly(key), message))
      : (nonce, key, message) => h2(concat(nonce, key, message)),
    signatureBytes: group.bytes + field.bytes - (evenY ? 1 : 0),
  }
}

const bound = new Map<SuiteId, Suite>()

/** The ciphersuite over whatever backend is there now, without waiting. */
export const suiteOf = (id: SuiteId): Suite => {
  const group = groupOf(shapes[id].curve)
  const known = bound.get(id)
  if (known?.group === group) return known
  const suite = bindSuite(id, () => group)
  bound.set(id, suite)
  return suite
}

/** The ciphersuite over the fastest backend that this machine has. */
export const loadSuite = async (id: SuiteId): Promise<Suite> => {
  await loadGroup(shapes[id].curve)
  return suiteOf(id)
}

/** Signature bytes of a nonce element's encoding and a response: RFC 9591 appendix A, or BIP-340. */
export const encodeSignature = (suite: Suite, nonce: Uint8Array, response: Scalar): Uint8Array =>
  concat(suite.evenY ? xOnly(nonce) : nonce, suite.group.field.encode(response))

/** A signature's two halves; the nonce element is encoded and not yet checked. Undefined for a wrong length or a response out of range. */
export const splitSignature = (
  suite: Suite,
  signature: Uint8Array,
): { readonly nonce: Uint8Array; readonly response: Scalar } | undefined => {
  if (signature.length !== suite.signatureBytes) return undefined
  const cut = signature.length - suite.group.field.bytes
  const response = suite.group.field.decode(signature.subarray(cut))
  if (response === undefined) return undefined
  const nonce = signature.subarray(0, cut)
  return { nonce: suite.evenY ? concat(Uint8Array.of(2), nonce) : nonce, response }
}

/**
 * True where response·G = nonce + challenge·key. The nonce's bytes are compared with the encoding of what the equation
 * gives, which accepts the canonical encoding of one element and nothing else: no decoding, no cofactor.
 */
export const schnorrHolds = (
  { group }: Suite,
  nonce: Uint8Array,
  challenge: Scalar,
  key: Element,
  response: Scalar,
): boolean => {
  const { field } = group
  const expected = group.combine(response, [field.subtract(field.fromNumber(0), challenge)], [key])
  return !group.isIdentity(expected) && equal(group.encode(expected), nonce)
}
