import { chmod, mkdir, mkdtemp, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { localKeyCodec } from '../../src/kms/local.ts'
import type { KmsContext } from '../../src/kms/port.ts'
import { ensureKmsKey, openKmsKey, parseKmsSlot } from '../../src/kms/registry.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import { passphraseOf } from '../support/passphrase.ts'
import { seededRandom } from '../support/random.ts'

const context = 'ab'.repeat(32) as Hash
const other = 'cd'.repeat(32) as Hash
const secret = () => new Secret(new Uint8Array(32).fill(9))

let base: string
let path: string
let machine: KmsContext
beforeEach(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), 'quorate kms ')))
  await mkdir(join(base, 'home'))
  path = join(base, 'keys', 'eu.key')
  machine = { home: join(base, 'home'), random: seededRandom('kms') }
})
afterEach(() => rm(base, { recursive: true }))
const slot = (key = path) => ({ provider: 'local', key })

describe('local KMS', () => {
  it('makes its key once, for this user alone, under any umask', async () => {
    const umask = process.umask(0)
    try {
      expect(await ensureKmsKey(slot(), machine)).toBe(true)
    } finally {
      process.umask(umask)
    }
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(base, 'keys'))).mode & 0o777).toBe(0o700)
    const before = await readFile(path)
    expect(await ensureKmsKey(slot(), machine)).toBe(false)
    expect(await readFile(path)).toEqual(before)
  })

  it('unwraps what it wrapped, for the same context only', async () => {
    await ensureKmsKey(slot(), machine)
    const key = await openKmsKey(slot(), machine)
    expect(key.can).toEqual({ context: true, hardware: false, protection: 'local: no hardware protection' })
    const wrapped = await key.wrap(secret(), context)
    expect(wrapped).toMatchObject({ provider: 'local', key: path, version: '1' })
    expect((await key.unwrap(wrapped, context)).reveal()).toEqual(secret().reveal())
    await expect(key.unwrap(wrapped, other)).rejects.toMatchObject({ code: 'E_KMS_DENIED', exit: 5 })
    await expect(key.unwrap({ ...wrapped, version: '2' }, context)).rejects.toMatchObject({ code: 'E_KMS_UNAVAILABLE' })
    await expect(key.unwrap({ ...wrapped, ciphertext: new Uint8Array(3) }, context)).rejects.toMatchObject({
      code: 'E_KMS_DENIED',
    })
    for (let at = 0; at < wrapped.ciphertext.length; at++) {
      const ciphertext = wrapped.ciphertext.slice()
      ciphertext[at] = (ciphertext[at] ?? 0) ^ 1
      await expect(key.unwrap({ ...wrapped, ciphertext }, context)).rejects.toMatchObject({ code: 'E_KMS_DENIED' })
    }
  })

  it('wraps with the newest version and unwraps with the one named', async () => {
    await ensureKmsKey(slot(), machine)
    const wrapped = await (await openKmsKey(slot(), machine)).wrap(secret(), context)
    const file = localKeyCodec.decode(new Uint8Array(await readFile(path)))
    await writeFile(
      path,
      localKeyCodec.encode({ versions: [...file.versions, { version: 2, key: toHex(machine.random(32)) }] }),
    )
    const key = await openKmsKey(slot(), machine)
    expect((await key.unwrap(wrapped, context)).reveal()).toEqual(secret().reveal())
    expect((await key.wrap(secret(), context)).version).toBe('2')
    await expect(key.unwrap({ ...wrapped, version: '2' }, context)).rejects.toMatchObject({ code: 'E_KMS_DENIED' })
  })

  it('keeps a key under a passphrase', async () => {
    const passphrase = async () => passphraseOf('four words of mine')
    await ensureKmsKey(slot(), { ...machine, passphrase })
    const wrapped = await (await openKmsKey(slot(), { ...machine, passphrase })).wrap(secret(), context)
    await expect((await openKmsKey(slot(), machine)).unwrap(wrapped, context)).rejects.toMatchObject({
      code: 'E_PASSPHRASE',
    })
    const wrong = async () => passphraseOf('four words of yours')
    await expect(
      (await openKmsKey(slot(), { ...machine, passphrase: wrong })).unwrap(wrapped, context),
    ).rejects.toMatchObject({ code: 'E_PASSPHRASE' })
  })

  it('refuses a key inside the home that it protects, by any way there', async () => {
    await symlink(join(base, 'home'), join(base, 'link'))
    for (const inside of ['home/x.key', 'home/a/b/x.key', 'link/x.key', 'link/a/x.key', 'a/../home/x.key', 'home']) {
      await expect(ensureKmsKey(slot(`${base}/${inside}`), machine)).rejects.toMatchObject({ code: 'E_KMS_DENIED' })
      await expect(openKmsKey(slot(`${base}/${inside}`), machine)).rejects.toMatchObject({ code: 'E_KMS_DENIED' })
    }
    for (const wrong of ['x.key', './x.key', `${base}/`])
      await expect(openKmsKey(slot(wrong), machine)).rejects.toMatchObject({ code: 'E_USAGE' })
    expect(await ensureKmsKey(slot(join(base, 'home-beside', 'x.key')), machine)).toBe(true)
  })

  it('says who can do what about a key that is missing, open to others, or damaged', async () => {
    await expect(openKmsKey(slot(), machine)).rejects.toMatchObject({
      code: 'E_KMS_UNAVAILABLE',
      hint: expect.stringContaining('backup'),
    })
    await ensureKmsKey(slot(), machine)
    await chmod(path, 0o640)
    await expect(openKmsKey(slot(), machine)).rejects.toMatchObject({
      code: 'E_KMS_DENIED',
      hint: expect.stringContaining('0600'),
    })
    await chmod(path, 0o600)
    await writeFile(path, 'not a key')
    await expect(openKmsKey(slot(), machine)).rejects.toMatchObject({ code: 'E_KMS_UNAVAILABLE' })
    await expect(ensureKmsKey(slot(), machine)).rejects.toMatchObject({ code: 'E_KMS_UNAVAILABLE' })
    await expect(ensureKmsKey(slot(join(path, 'below.key')), machine)).rejects.toMatchObject({
      code: 'E_KMS_UNAVAILABLE',
    })
  })

  it('never crashes on a key file', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((s) => new TextEncoder().encode(s)),
        ),
        (bytes) => {
          expect(() => localKeyCodec.decode(bytes)).toThrow(/local-kms-key/)
        },
      ),
    )
  })
})

describe('registry', () => {
  it('knows its providers', async () => {
    expect(parseKmsSlot('local:/a b/c')).toEqual({ provider: 'local', key: '/a b/c' })
    for (const wrong of ['', 'local', 'local:', 'toString:x', ':x'])
      expect(() => parseKmsSlot(wrong)).toThrow(/PROVIDER:KEY/)
    const region = 'arn:aws:kms:eu-central-1:111122223333'
    for (const key of ['x', 'alias/treasury', `${region}:alias/treasury`, `${region}:key/`, ` ${region}:key/1-2`])
      expect(() => parseKmsSlot(`aws-kms:${key}`)).toThrow(/not the name of a key of aws-kms/)
    expect(parseKmsSlot(`aws-kms:${region}:key/1-2`).key).toBe(`${region}:key/1-2`)
    for (const provider of ['other', 'constructor'])
      await expect(openKmsKey({ provider, key: 'x' }, machine)).rejects.toMatchObject({ code: 'E_KMS_UNAVAILABLE' })
  })
})
