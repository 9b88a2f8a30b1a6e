import { createHash } from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromEnvelope, keyId, toEnvelope } from '../../src/identity/dsse.ts'
import { isPublicKey, publicKeyOf, rawSigner, recordSigner, verifyEd25519 } from '../../src/identity/ed25519.ts'
import { identityOf, parseIdentity } from '../../src/identity/identity.ts'
import { limitedSigner } from '../../src/identity/identity-key.ts'
import type { Hash, Identity, KeyHex, SiteId } from '../../src/lib/brand.ts'
import { concat, fromHex, fromUtf8, toBase64, toHex, utf8 } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import { approvalCodec } from '../../src/records/identity.ts'
import { resultCodec } from '../../src/records/outcome.ts'

const seed = (byte: number): Secret => new Secret(new Uint8Array(32).fill(byte))
const signer = rawSigner(seed(1))
const message = utf8('message')
const { Point } = ed25519
const L = Point.Fn.ORDER
const sha512 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha512').update(bytes).digest())
const little = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes.slice().reverse())}`)
const bytesOf = (scalar: bigint): Uint8Array => fromHex(scalar.toString(16).padStart(64, '0')).reverse()
/** A point of order 8. */
const torsion = Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a')

describe('Ed25519', () => {
  it('agrees with RFC 8032, test 2', () => {
    const known = new Secret(fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'))
    expect(publicKeyOf(known)).toBe('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c')
    expect(toHex(rawSigner(known).sign(fromHex('72')))).toBe(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    )
  })

  it('refuses keys that are of small order, have torsion, or are not canonical', () => {
    const sound = Point.fromHex(signer.key)
    const bad = [
      Point.ZERO.toHex(),
      torsion.toHex(),
      sound.add(torsion).toHex(),
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      '0200000000000000000000000000000000000000000000000000000000000000',
      'ff'.repeat(32),
      '',
      'zz',
    ]
    for (const key of bad) {
      expect(isPublicKey(key as KeyHex)).toBe(false)
      expect(isPublicKey(key as KeyHex)).toBe(false)
      expect(verifyEd25519(key as KeyHex, message, signer.sign(message))).toBe(false)
    }
    expect(isPublicKey(signer.key)).toBe(true)
  })

  it('remembers what held for this key, message and signature alone', () => {
    const signature = signer.sign(message)
    const other = rawSigner(seed(2))
    for (let again = 0; again < 2; again++) {
      expect(verifyEd25519(signer.key, message, signature)).toBe(true)
      expect(verifyEd25519(other.key, message, signature)).toBe(false)
      expect(verifyEd25519(signer.key, message, other.sign(message))).toBe(false)
      expect(verifyEd25519(signer.key, concat(message, Uint8Array.of(0)), signature)).toBe(false)
    }
  })

  it('refuses torsion in R, a scalar over the order, and other lengths', () => {
    const r = 5n
    const secret = ed25519.utils.getExtendedPublicKey(new Uint8Array(32).fill(1)).scalar
    const sign = (R: InstanceType<typeof Point>): Uint8Array => {
      const k = little(sha512(concat(R.toBytes(), fromHex(signer.key), message))) % L
      return concat(R.toBytes(), bytesOf((r + k * secret) % L))
    }
    expect(verifyEd25519(signer.key, message, sign(Point.BASE.multiply(r)))).toBe(true)
    const twisted = sign(Point.BASE.multiply(r).add(torsion))
    expect(ed25519.verify(twisted, message, fromHex(signer.key), { zip215: true })).toBe(true)
    expect(verifyEd25519(signer.key, message, twisted)).toBe(false)
    const signature = signer.sign(message)
    const high = concat(signature.subarray(0, 32), bytesOf(little(signature.subarray(32)) + L))
    expect(verifyEd25519(signer.key, message, high)).toBe(false)
    for (const length of [0, 63, 65]) expect(verifyEd25519(signer.key, message, new Uint8Array(length))).toBe(false)
  })

  it('refuses any change of message or signature', () => {
    const signature = signer.sign(message)
    expect(verifyEd25519(signer.key, message, signature)).toBe(true)
    fc.assert(
      fc.property(fc.nat(63), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = signature.slice()
        changed[at] = (changed[at] ?? 0) ^ flip
        expect(verifyEd25519(signer.key, message, changed)).toBe(false)
      }),
    )
    expect(verifyEd25519(signer.key, utf8('messagf'), signature)).toBe(false)
  })
})

describe('identity', () => {
  it('shows its role and survives the way there and back', () => {
    for (const role of ['site', 'approver', 'relay'] as const) {
      const identity = identityOf(role, signer.key)
      expect(identity).toMatch(new RegExp(`^q${role}1`))
      expect(parseIdentity(identity)).toEqual({ role, key: signer.key })
    }
  })

  it('is refused with any letter changed, in capitals, under another prefix, or for an unsound key', () => {
    const identity = identityOf('site', signer.key)
    for (let at = 0; at < identity.length; at++)
      for (const letter of 'qpzry9')
        if (identity[at] !== letter)
          expect(parseIdentity(identity.slice(0, at) + letter + identity.slice(at + 1))).toBeUndefined()
    for (const wrong of [
      identity.toUpperCase(),
      identity.replace('qsite', 'qrelay'),
      ` ${identity}`,
      `${identity}\n`,
      identity.slice(0, -1),
      identityOf('site', torsion.toHex() as KeyHex),
      '',
    ])
      expect(parseIdentity(wrong)).toBeUndefined()
  })

  it('never crashes on text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^qsite1[02-9ac-hj-np-z]{50,70}$/)), (text) => {
        expect(parseIdentity(text)).toBeUndefined()
      }),
    )
  })
})

describe('envelope', () => {
  const value = {
    ceremony: 'ab'.repeat(32) as Hash,
    identity: identityOf('site', signer.key),
    role: 'site' as const,
    purpose: 'approve' as const,
    at: 5,
  }
  const records = recordSigner('eu' as SiteId, signer)
  const sealed = async () => toEnvelope(await records.sign(approvalCodec, value))

  it('names its key as ssh-keygen does', () => {
    // ssh-keygen -lf of the key of RFC 8032, test 2.
    expect(keyId('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c' as KeyHex)).toBe(
      'SHA256:F34nin7tcaYH6WR5LSWSfj6weFBPfBpuyUUoPFP9YjA',
    )
  })

  it('opens for the key that signed, among others', async () => {
    const other = rawSigner(seed(2)).key
    expect(fromEnvelope(approvalCodec, await sealed(), [other, signer.key])).toMatchObject({ value, key: signer.key })
    await expect(async () => fromEnvelope(approvalCodec, await sealed(), [other])).rejects.toThrow(/none of the keys/)
    await expect(async () => fromEnvelope(approvalCodec, await sealed(), [])).rejects.toThrow(/none of the keys/)
  })

  it('opens as no other type', async () => {
    await expect(async () => fromEnvelope(resultCodec, await sealed(), [signer.key])).rejects.toThrow(/another type/)
    const bytes = approvalCodec.encode(value)
    const posing = await records.sign({ ...resultCodec, encode: () => bytes } as never, value)
    expect(() => fromEnvelope(resultCodec, toEnvelope(posing), [signer.key])).toThrow(/another type/)
  })

  it('has no second spelling', async () => {
    const bytes = await sealed()
    const text = fromUtf8(bytes)
    const json = JSON.parse(text) as {
      payload: string
      payloadType: string
      signatures: { keyid: string; sig: string }[]
    }
    const [one] = json.signatures
    if (one === undefined) throw new Error('no signature')
    const padded = (base64: string) => `${base64}=`
    const spellings: unknown[] = [
      { ...json, extra: 1 },
      { ...json, payload: padded(json.payload) },
      { ...json, payload: json.payload.replace(/=*$/, '') || 'x' },
      { ...json, payload: `${json.payload.slice(0, 4)}\n${json.payload.slice(4)}` },
      { ...json, signatures: [one, one] },
      { ...json, signatures: [] },
      { ...json, signatures: [{ ...one, sig: padded(one.sig) }] },
      { ...json, signatures: [{ ...one, keyid: '' }] },
      { ...json, signatures: [{ ...one, extra: 1 }] },
      { ...json, signatures: [{ ...one, sig: toBase64(new Uint8Array(63)) }] },
    ]
    for (const spelling of spellings.filter((s) => JSON.stringify(s) !== text))
      expect(() => fromEnvelope(approvalCodec, utf8(JSON.stringify(spelling)), [signer.key])).toThrow()
    for (const spelling of [
      ` ${text}`,
      `${text}\n`,
      text.replace(',', ', '),
      text.replace('"payload"', '"\\u0070ayload"'),
    ])
      expect(() => fromEnvelope(approvalCodec, utf8(spelling), [signer.key])).toThrow(/envelope/)
    for (let at = 0; at < bytes.length; at++) {
      const flipped = bytes.slice()
      flipped[at] = (flipped[at] ?? 0) ^ 1
      expect(() => fromEnvelope(approvalCodec, flipped, [signer.key])).toThrow()
    }
  })

  it('is bounded', () => {
    expect(() => fromEnvelope(approvalCodec, new Uint8Array(2 ** 18), [signer.key])).toThrow(/too many/)
  })

  it('is made by a limited signer for its own types only', async () => {
    const limited = limitedSigner('eu' as SiteId, signer, ['approval/v1'])
    expect((await limited.sign(approvalCodec, value)).value.identity).toBe(value.identity as Identity)
    await expect(limited.sign({ ...approvalCodec, type: 'card/v1' }, value)).rejects.toThrow(/does not sign/)
  })
})
