import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ed448 } from '@noble/curves/ed448.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { base58 } from '@scure/base'
import { describe, expect, test } from 'vitest'
import { addressesOf, descriptorChecksum } from '../../src/formats/addresses.ts'
import { publicKeyForms } from '../../src/formats/public-key.ts'
import { toHex } from '../../src/lib/bytes.ts'

const key = new Uint8Array(57).map((_, i) => i + 1)
const keys = {
  'frost-ed25519': toHex(ed25519.getPublicKey(key.subarray(0, 32))),
  'frost-ed448': toHex(ed448.getPublicKey(key)),
  'frost-p256': toHex(p256.getPublicKey(key.subarray(0, 32), true)),
  'frost-secp256k1': toHex(secp256k1.getPublicKey(key.subarray(0, 32), true)),
} as const

describe('public keys as others read them', () => {
  test.each(Object.entries(keys))('node reads the PEM of %s back to the same key', (protocol, hex) => {
    const { pem } = publicKeyForms(protocol as keyof typeof keys, hex, 'treasury')
    const { x, y, crv } = createPublicKey(pem ?? '').export({ format: 'jwk' })
    const raw = toHex(new Uint8Array(Buffer.from(x ?? '', 'base64url')))
    expect(hex.endsWith(raw)).toBe(true)
    if (y !== undefined)
      expect(hex.startsWith((Buffer.from(y, 'base64url').at(-1) ?? 0) % 2 === 0 ? '02' : '03')).toBe(true)
    expect(crv).toBe(
      { 'frost-ed25519': 'Ed25519', 'frost-ed448': 'Ed448', 'frost-p256': 'P-256', 'frost-secp256k1': 'secp256k1' }[
        protocol
      ],
    )
  })

  test('a PEM is what OpenSSL itself would write', () => {
    const { publicKey } = generateKeyPairSync('ed25519')
    const { x } = publicKey.export({ format: 'jwk' })
    const hex = toHex(new Uint8Array(Buffer.from(x ?? '', 'base64url')))
    expect(publicKeyForms('frost-ed25519', hex, 'k').pem).toBe(publicKey.export({ format: 'pem', type: 'spki' }))
    const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey
    const jwk = ec.export({ format: 'jwk' })
    const [px, py] = [jwk.x ?? '', jwk.y ?? ''].map((part) => Buffer.from(part, 'base64url'))
    const compressed = `${(py?.at(-1) ?? 0) % 2 === 0 ? '02' : '03'}${px?.toString('hex')}`
    expect(publicKeyForms('frost-p256', compressed, 'k').pem).toBe(ec.export({ format: 'pem', type: 'spki' }))
  })

  test.each(['frost-ed25519', 'frost-p256'] as const)('ssh-keygen takes the line of %s', (protocol) => {
    const folder = mkdtempSync(join(tmpdir(), 'quorate-ssh-'))
    try {
      writeFileSync(join(folder, 'key.pub'), `${publicKeyForms(protocol, keys[protocol], 'treasury').openssh}\n`)
      const said = execFileSync('ssh-keygen', ['-l', '-f', join(folder, 'key.pub')], { encoding: 'utf8' })
      expect(said).toMatch(/^256 SHA256:\S+ treasury/)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('a taproot key is shown x-only', () => {
    const { hex, xOnly, pem } = publicKeyForms('frost-secp256k1-tr', keys['frost-secp256k1'], 'treasury')
    expect(hex).toBe(keys['frost-secp256k1'].slice(2))
    expect(xOnly).toBe(hex)
    expect(pem).toBeNull()
  })

  // BIP-341, wallet test vectors: the first output key and its address.
  test('a taproot key is shown as the address and the descriptor that it is, tweaked already', () => {
    const output = '53a1f6e454df1aa2776a2814a721372d6258050de330b3c6d10ee8f4e0dda343'
    const { taproot } = addressesOf('frost-secp256k1-tr', `02${output}`)
    expect(taproot?.address).toBe('bc1p2wsldez5mud2yam29q22wgfh9439spgduvct83k3pm50fcxa5dps59h4z5')
    expect(taproot?.testnet).toMatch(/^tb1p2wsldez5mud2yam29q22wgfh9439spgduvct83k3pm50fcxa5dps[a-z0-9]{6}$/)
    expect(taproot?.descriptor).toMatch(new RegExp(`^rawtr\\(${output}\\)#[a-z0-9]{8}$`))
  })

  // BIP-380, test vectors.
  test('a descriptor has the checksum of BIP-380', () => {
    expect(descriptorChecksum('raw(deadbeef)')).toBe('89f8spxm')
    expect(() => descriptorChecksum('raw(Ü)')).toThrow(RangeError)
  })

  test('an Ed25519 key is shown as the account that it is on Solana', () => {
    // The system program's account: 32 zero bytes.
    expect(addressesOf('frost-ed25519', '00'.repeat(32)).solana).toBe('1'.repeat(32))
    const { solana } = addressesOf('frost-ed25519', keys['frost-ed25519'])
    expect(toHex(base58.decode(solana ?? ''))).toBe(keys['frost-ed25519'])
  })

  test('a key of another curve is refused', () => {
    expect(() => publicKeyForms('frost-p256', `02${'ff'.repeat(32)}`, 'k')).toThrow()
  })
})
