import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openRoot, withRoot } from '../../src/host/disk.ts'
import { systemRandom } from '../../src/host/random.ts'
import { readCertificate } from '../../src/identity/certificate.ts'
import { fromEnvelope, toEnvelope } from '../../src/identity/dsse.ts'
import { rawSigner, recordSigner, verifyEd25519 } from '../../src/identity/ed25519.ts'
import { createHome, openHome } from '../../src/identity/home.ts'
import { parseIdentity } from '../../src/identity/identity.ts'
import { joinKeys } from '../../src/identity/join-keys.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { fromUtf8, utf8 } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import { approvalCodec, cardCodec } from '../../src/records/identity.ts'
import { noteCodec } from '../../src/records/note.ts'
import { memoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { memoryHome, siteOptions } from '../support/home.ts'
import { passphraseOf } from '../support/passphrase.ts'
import { seededRandom } from '../support/random.ts'

const ceremony = 'ab'.repeat(32) as Hash
const name = 'eu' as SiteId

describe('home', () => {
  it('is made once, opens again, and knows its card', async () => {
    const { home, disk } = await memoryHome('eu')
    expect(home.role).toBe('site')
    expect(home.identity).toMatch(/^qsite1/)
    expect(home.locked).toBe(false)
    expect(await home.card()).toMatchObject({
      name: 'eu',
      identity: home.identity,
      jurisdiction: 'EU',
      measurement: null,
    })
    const again = await openHome(disk)
    expect(again.identity).toBe(home.identity)
    expect(again.keys.log.key).toBe(home.keys.log.key)
    expect(again.hedge.reveal()).toEqual(home.hedge.reveal())
    expect([...disk.files.keys()].sort()).toEqual([
      'hedge',
      'identity',
      'purpose/cosign.dsse',
      'purpose/cosign.key',
      'purpose/log.dsse',
      'purpose/log.key',
      'purpose/note.dsse',
      'purpose/note.key',
      'site.yaml',
    ])
    await expect(createHome(disk, siteOptions('eu'), systemRandom)).rejects.toMatchObject({ code: 'E_EXISTS' })
    expect(new Set(Object.values(home.keys).map((one) => one.key)).size).toBe(3)
  })

  it('certifies its purpose keys, each for one purpose', async () => {
    const { home, disk } = await memoryHome('eu')
    for (const purpose of ['log', 'cosign', 'note'] as const) {
      const bytes = (await disk.read(`purpose/${purpose}.dsse`)) as Uint8Array
      expect(readCertificate(bytes, home.identity, purpose, null).value.key).toBe(home.keys[purpose].key)
      const message = utf8('x')
      expect(verifyEd25519(home.keys[purpose].key, message, home.keys[purpose].sign(message))).toBe(true)
      expect(() => readCertificate(bytes, home.identity, 'message', null)).toThrow(/another purpose/)
      expect(() => readCertificate(bytes, home.identity, purpose, ceremony)).toThrow(/another ceremony/)
      const other = (await memoryHome('us')).home.identity
      expect(() => readCertificate(bytes, other, purpose, null)).toThrow(/none of the keys/)
    }
  })

  it('signs cards, approvals and certificates with the identity and nothing else', async () => {
    const { home } = await memoryHome('eu')
    const { signer } = await home.unlock()
    const key = parseIdentity(home.identity)?.key
    expect(signer.key).toBe(key)
    const card = await signer.sign(cardCodec, await home.card())
    expect(fromEnvelope(cardCodec, toEnvelope(card), [signer.key]).value).toEqual(await home.card())
    await signer.sign(approvalCodec, { ceremony, identity: home.identity, role: 'site', purpose: 'approve', at: 1 })
    await expect(
      signer.sign(noteCodec, {
        ceremony,
        identity: home.identity,
        counter: 1,
        at: 1,
        phase: 'drafted',
        approvals: [],
        votes: [],
        certificates: [],
        evidence: [],
        abort: null,
      }),
    ).rejects.toThrow(/does not sign note/)
  })

  it('opens an identity under a passphrase only with it', async () => {
    const { home, disk } = await memoryHome('eu', { passphrase: passphraseOf('correct horse') })
    expect(home.locked).toBe(true)
    expect(fromUtf8((await disk.read('identity')) as Uint8Array)).toContain('scrypt')
    await expect(home.unlock()).rejects.toMatchObject({ code: 'E_PASSPHRASE' })
    await expect(home.unlock(passphraseOf('wrong horse'))).rejects.toMatchObject({ code: 'E_PASSPHRASE' })
    expect((await home.unlock(passphraseOf('correct horse'))).signer.key).toBe(parseIdentity(home.identity)?.key)
    const other = await memoryHome('us', { passphrase: passphraseOf('correct horse') })
    const text = fromUtf8((await other.disk.read('identity')) as Uint8Array)
    disk.files.set('identity', utf8(text.replace(other.home.identity, home.identity)))
    await expect((await openHome(disk)).unlock(passphraseOf('correct horse'))).rejects.toMatchObject({
      code: 'E_PASSPHRASE',
    })
  })

  it.each(['approver', 'relay'] as const)('makes the home of an %s without a card', async (role) => {
    const home = await createHome(memoryDisk(), { role, name: 'me' as SiteId }, seededRandom(role))
    expect(home.identity).toMatch(new RegExp(`^q${role}1`))
    expect(await home.config()).toEqual({ name: 'me', identity: home.identity })
    await expect(home.card()).rejects.toMatchObject({ code: 'E_HOME' })
    await home.unlock()
  })

  it.each([
    ['name', { name: 'EU' as SiteId }],
    ['kms', { kms: [] }],
    ['stores', { stores: [] }],
    ['jurisdiction', { jurisdiction: 'E\u0000U' }],
    ['control.account', { control: { organisation: 'o', account: '', administrator: 'a' } }],
  ])('refuses a wrong %s before anything is made', async (place, wrong) => {
    const disk = memoryDisk()
    await expect(createHome(disk, { ...siteOptions('eu'), ...wrong }, systemRandom)).rejects.toMatchObject({
      code: 'E_USAGE',
      message: expect.stringContaining(`${place}: expected`),
    })
    expect(disk.files.size).toBe(0)
  })

  it('refuses a home that is incomplete, damaged, or mixed from two', async () => {
    await expect(openHome(memoryDisk())).rejects.toMatchObject({ code: 'E_HOME' })
    const other = await memoryHome('us')
    for (const path of [...other.disk.files.keys()]) {
      const missing = await memoryHome('eu')
      missing.disk.files.delete(path)
      await expect(openHome(missing.disk)).rejects.toMatchObject({ code: 'E_HOME', exit: 2 })
      const cut = await memoryHome('eu')
      cut.disk.files.set(path, (cut.disk.files.get(path) as Uint8Array).slice(0, -2))
      await expect(openHome(cut.disk).then((home) => home.card())).rejects.toMatchObject({ code: 'E_HOME' })
      if (path === 'hedge') continue
      const mixed = await memoryHome('eu')
      mixed.disk.files.set(path, other.disk.files.get(path) as Uint8Array)
      await expect(openHome(mixed.disk).then((home) => home.unlock())).rejects.toMatchObject({ code: 'E_HOME' })
    }
  })

  it('refuses a seed that is not that of the identity', async () => {
    const { disk } = await memoryHome('eu')
    const text = fromUtf8(disk.files.get('identity') as Uint8Array)
    disk.files.set('identity', utf8(text.replace(/"key":"[0-9a-f]{64}"/, `"key":"${'11'.repeat(32)}"`)))
    await expect((await openHome(disk)).unlock()).rejects.toMatchObject({ code: 'E_HOME' })
  })

  it('names the place of what is wrong in site.yaml', async () => {
    const { home, disk } = await memoryHome('eu')
    const text = fromUtf8(disk.files.get('site.yaml') as Uint8Array)
    disk.files.set('site.yaml', utf8(text.replace('jurisdiction: EU', 'jurisdictions: EU')))
    await expect(home.card()).rejects.toMatchObject({
      code: 'E_HOME',
      message: expect.stringMatching(/^site\.yaml: jurisdictions, line \d+: unknown key$/),
    })
    disk.files.set('site.yaml', utf8(text.replace('jurisdiction: EU', 'jurisdiction: DE')))
    expect((await home.card()).jurisdiction).toBe('DE')
  })

  it('stands on disk as 0600 and 0700 under any umask', async () => {
    const umask = process.umask()
    const base = await mkdtemp(join(tmpdir(), 'quorate home '))
    try {
      for (const mask of [0o000, 0o077]) {
        process.umask(mask)
        const root = join(base, `home ${mask}`)
        const disk = await withRoot(root, async (made) => made)
        const { identity } = await createHome(disk, siteOptions('eu'), systemRandom)
        for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
          const found = await stat(join(entry.parentPath, entry.name))
          expect(found.mode & 0o777).toBe(entry.isDirectory() ? 0o700 : 0o600)
        }
        expect((await openHome(await openRoot(root))).identity).toBe(identity)
      }
    } finally {
      process.umask(umask)
      await rm(base, { recursive: true })
    }
  })
})

describe('keys of a join', () => {
  it('are fresh, certified for one ceremony, and expire', async () => {
    const { home } = await memoryHome('eu')
    const identity = await home.unlock()
    const [one, two] = [
      await joinKeys(identity, ceremony, 99, systemRandom),
      await joinKeys(identity, ceremony, 99, systemRandom),
    ]
    expect(one.channel.key).not.toBe(two.channel.key)
    expect(one.message.raw.key).not.toBe(two.message.raw.key)
    for (const purpose of ['channel', 'message'] as const) {
      const read = readCertificate(toEnvelope(one[purpose].certificate), home.identity, purpose, ceremony)
      expect(read.value.expires).toBe(99)
      expect(() => readCertificate(toEnvelope(one[purpose].certificate), home.identity, purpose, null)).toThrow()
      expect(() => readCertificate(toEnvelope(one[purpose].certificate), home.identity, 'log', ceremony)).toThrow()
    }
    expect(JSON.stringify(one.channel.secret)).toBe('"[secret]"')
  })

  it('are refused without an expiry, or with one on a key of the home', async () => {
    const { home } = await memoryHome('eu')
    const { signer } = await home.unlock()
    const { certificateCodec } = await import('../../src/records/identity.ts')
    const base = { identity: home.identity, key: home.keys.log.key }
    const eternal = await signer.sign(certificateCodec, {
      ...base,
      purpose: 'message',
      authority: ceremony,
      expires: null,
    })
    expect(() => readCertificate(toEnvelope(eternal), home.identity, 'message', ceremony)).toThrow(/expires/)
    const brief = await signer.sign(certificateCodec, { ...base, purpose: 'log', authority: null, expires: 5 })
    expect(() => readCertificate(toEnvelope(brief), home.identity, 'log', null)).toThrow(/expires/)
    const liar = await recordSigner(name, rawSigner(new Secret(new Uint8Array(32).fill(7)))).sign(certificateCodec, {
      ...base,
      purpose: 'log',
      authority: null,
      expires: null,
    })
    expect(() => readCertificate(toEnvelope(liar), home.identity, 'log', null)).toThrow(/none of the keys/)
  })
})
