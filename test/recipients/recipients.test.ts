import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bech32 } from '@scure/base'
import { describe, expect, it } from 'vitest'
import { toBase64, utf8 } from '../../src/lib/bytes.ts'
import { recipientFault } from '../../src/recipients/fault.ts'
import { recipientIdentity } from '../../src/recipients/identity.ts'
import { sealTo } from '../../src/recipients/seal.ts'
import type { Recipient } from '../../src/records/kinds/reconstruct.ts'
import { ageRecipient, certificateRecipient, identityFile } from '../support/recipients.ts'

const path = (name: string): string => fileURLToPath(new URL(`../support/recipients/${name}`, import.meta.url))
const plain = utf8('a share')

const all: readonly (readonly [Recipient, string])[] = [
  [ageRecipient(), 'age.txt'],
  [certificateRecipient('vault', 'p256.crt'), 'p256.key'],
  [certificateRecipient('court', 'rsa.crt'), 'rsa.key'],
]

describe.each(all)('%o', (to, file) => {
  const identity = recipientIdentity(identityFile(file))

  it('is a recipient, whose identity opens what is sealed to it, another time otherwise', async () => {
    expect(recipientFault(to)).toBeUndefined()
    const [one, other] = [await sealTo(to, plain), await sealTo(to, plain)]
    expect(toBase64(one)).not.toBe(toBase64(other))
    for (const sealed of [one, other]) expect(await identity.open(to, sealed)).toEqual(plain)
    expect(one.length).toBeLessThan(2048)
    expect(Buffer.from(one).includes(Buffer.from(plain))).toBe(false)
  })

  it('is opened by no other identity, nor after any byte was changed or cut', async () => {
    const sealed = await sealTo(to, plain)
    for (const [stranger, of] of all)
      if (stranger !== to) {
        const theirs = recipientIdentity(identityFile(of))
        expect(await theirs.isOf(to)).toBe(false)
        await expect(theirs.open(to, sealed)).rejects.toThrow()
      }
    expect(await identity.isOf(to)).toBe(true)
    await expect(identity.open(to, sealed.slice(0, -1))).rejects.toThrow(/not sealed to this|not for/)
    await expect(identity.open(to, new Uint8Array())).rejects.toThrow()
  })
})

describe('what is sealed to a certificate', () => {
  it.each(['p256', 'rsa'])('is opened by openssl cms: %s', async (name) => {
    const folder = mkdtempSync(join(tmpdir(), 'quorate-cms-'))
    try {
      const file = join(folder, 'sealed')
      writeFileSync(file, await sealTo(certificateRecipient('x', `${name}.crt`), plain))
      const key = ['-inkey', path(`${name}.key`), '-recip', path(`${name}.crt`)]
      const args = ['cms', '-decrypt', '-inform', 'DER', '-in', file, ...key]
      expect(execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] }).toString()).toBe('a share')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

const found = (tool: string): boolean => spawnSync(tool, ['--version'], { stdio: 'ignore' }).error === undefined

// .ci/run installs it; elsewhere whoever has it runs this.
describe.runIf(found('age'))('the age tool', () => {
  it('opens what is sealed to an identity of its own, and seals what that identity opens', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'quorate-age-'))
    const file = (name: string): string => join(folder, name)
    const run = (tool: string, ...args: string[]): Buffer =>
      execFileSync(tool, args, { stdio: ['ignore', 'pipe', 'ignore'] })
    try {
      run('age-keygen', '-o', file('key'))
      const recipient = run('age-keygen', '-y', file('key')).toString().trim()
      const to: Recipient = { form: 'age', name: 'x', recipient }
      expect(recipientFault(to)).toBeUndefined()
      writeFileSync(file('ours'), await sealTo(to, plain))
      expect(run('age', '--decrypt', '-i', file('key'), file('ours')).toString()).toBe('a share')
      writeFileSync(file('plain'), plain)
      run('age', '-r', recipient, '-o', file('theirs'), file('plain'))
      const identity = recipientIdentity(new Uint8Array(readFileSync(file('key'))))
      expect(await identity.isOf(to)).toBe(true)
      expect(await identity.open(to, new Uint8Array(readFileSync(file('theirs'))))).toEqual(plain)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('no recipient', () => {
  const { recipient } = ageRecipient() as Extract<Recipient, { form: 'age' }>
  const age = (text: string): Recipient => ({ form: 'age', name: 'x', recipient: text })
  const certificate = (bytes: Uint8Array): Recipient => ({ form: 'x509', name: 'x', certificate: toBase64(bytes) })
  const { certificate: sound } = certificateRecipient('x', 'rsa.crt') as Extract<Recipient, { form: 'x509' }>
  const der = new Uint8Array(Buffer.from(sound, 'base64'))
  const mistyped = recipient.replace(/.$/, (last) => (last === 'q' ? 'p' : 'q'))
  const weak = 'its key is none of RSA with 3072 to 8192 bits, and P-256'

  it.each<[string, Recipient, string]>([
    ['an age recipient that is mistyped', age(mistyped), 'not an age recipient: mistyped, or cut'],
    [
      'another bech32 string',
      age(bech32.encodeFromBytes('agf', new Uint8Array(32))),
      'not an age recipient: mistyped, or cut',
    ],
    [
      'a key of 31 bytes',
      age(bech32.encodeFromBytes('age', new Uint8Array(31))),
      'not an age recipient: mistyped, or cut',
    ],
    [
      'a point of small order',
      age(bech32.encodeFromBytes('age', new Uint8Array(32))),
      'an age recipient that everybody could open for',
    ],
    [
      'another point of small order',
      age(bech32.encodeFromBytes('age', Uint8Array.of(1, ...new Uint8Array(31)))),
      'an age recipient that everybody could open for',
    ],
    ['bytes that are no certificate', certificate(utf8('none')), 'not one X.509 certificate'],
    ['a certificate with bytes behind it', certificate(Uint8Array.of(...der, 0)), 'not one X.509 certificate'],
    ['a certificate that is cut', certificate(der.slice(0, -1)), 'not one X.509 certificate'],
    ['a short RSA key', certificateRecipient('x', 'rsa2048.crt'), weak],
    ['a key on another curve', certificateRecipient('x', 'p384.crt'), weak],
  ])('is %s', (_, to, fault) => {
    expect(recipientFault(to)).toBe(fault)
  })
})

describe('an identity file', () => {
  it.each<[string, string | Uint8Array, RegExp]>([
    ['is no age recipient', 'age1qqq', /no age identity/],
    ['has no line that is none', `${Buffer.from(identityFile('age.txt'))}x`, /no age identity/],
    ['has no more than 64 of them', 'AGE-SECRET-KEY-1QQ\n'.repeat(65), /no age identity/],
    ['is not under a passphrase', '-----BEGIN AGE ENCRYPTED FILE-----\n', /under a passphrase/],
    ['is a whole key', '-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----\n', /does not open/],
    [
      'is a key that opens',
      '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA\n-----END ENCRYPTED PRIVATE KEY-----\n',
      /does not open/,
    ],
    ['is text', Uint8Array.of(0xff, 0xfe), /not text/],
  ])('%s', (_, text, why) => {
    const bytes = typeof text === 'string' ? utf8(text) : text
    expect(() => recipientIdentity(bytes)).toThrow(
      expect.objectContaining({ code: 'E_FILE', message: expect.stringMatching(why) }),
    )
  })

  it('may have a checksum that does not fit: then it is nobody’s', async () => {
    const key = `AGE-SECRET-KEY-1${'Q'.repeat(58)}`
    expect(await recipientIdentity(utf8(`${key}\n`)).isOf(ageRecipient())).toBe(false)
  })

  it('may hold several, and comments', async () => {
    const both = Buffer.concat([identityFile('other-age.txt'), identityFile('age.txt')])
    expect(await recipientIdentity(new Uint8Array(both)).isOf(ageRecipient())).toBe(true)
  })
})
