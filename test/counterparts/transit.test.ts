import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KmsKey } from '../../src/kms/port.ts'
import { openKmsKey, parseKmsSlot } from '../../src/kms/registry.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { Secret } from '../../src/lib/secret.ts'
import { kmsComplies } from '../compliance/kms.ts'
import { seededRandom } from '../support/random.ts'
import { absent } from './installed.ts'
import { type OpenBao, ROOT_TOKEN, startOpenBao } from './openbao.ts'

const context = 'ab'.repeat(32) as Hash
const bytes = new Uint8Array(32).fill(9)
const piece = () => new Secret(bytes.slice())

const gone = absent('openbao')

describe.skipIf(gone !== undefined)(gone ?? 'transit at OpenBao', () => {
  let bao: OpenBao
  beforeAll(async () => {
    bao = await startOpenBao()
    for (const mount of ['transit-eu', 'transit-us']) {
      await bao.ask('POST', `sys/mounts/${mount}`, { type: 'transit' })
      for (const key of ['site', 'other']) await bao.ask('POST', `${mount}/keys/${key}`, { type: 'aes256-gcm96' })
    }
  })
  afterAll(() => bao?.close())

  const keyAt = (path: string, token = ROOT_TOKEN): Promise<KmsKey> =>
    openKmsKey(parseKmsSlot(`transit:${bao.origin}/${path}`), {
      home: '/nowhere',
      random: seededRandom('transit'),
      environment: { BAO_TOKEN: token },
    })

  kmsComplies('a key of OpenBao', async () => ({
    open: async () => [await keyAt('transit-eu/site'), await keyAt('transit-us/site')] as const,
    refusals: ['E_KMS_DENIED'],
  }))

  it('opens what an older version sealed, until its owner closes that version', async () => {
    const key = await keyAt('transit-eu/other')
    const wrapped = await key.wrap(piece(), context)
    expect(wrapped.version).toBe('1')
    await bao.ask('POST', 'transit-eu/keys/other/rotate')
    expect((await key.unwrap(wrapped, context)).reveal()).toEqual(bytes)
    expect((await key.wrap(piece(), context)).version).toBe('2')
    await bao.ask('POST', 'transit-eu/keys/other/config', { min_decryption_version: 2 })
    await expect(key.unwrap(wrapped, context)).rejects.toMatchObject({
      code: 'E_KMS_UNAVAILABLE',
      message: expect.stringMatching(/is disabled/),
    })
  })

  it('opens for nobody who may only seal, and for no token that is none', async () => {
    const wrapped = await (await keyAt('transit-eu/site')).wrap(piece(), context)
    await bao.ask('PUT', 'sys/policies/acl/seal', {
      policy: 'path "transit-eu/encrypt/site" { capabilities = ["update"] }',
    })
    const { auth } = await bao.ask('POST', 'auth/token/create', { policies: ['seal'], ttl: '60s' })
    const { client_token } = auth as { client_token: string }
    const sealing = await keyAt('transit-eu/site', client_token)
    expect(await sealing.wrap(piece(), context)).toMatchObject({ version: '1' })
    for (const key of [sealing, await keyAt('transit-eu/site', 'hvs.nobody')])
      await expect(key.unwrap(wrapped, context)).rejects.toMatchObject({
        code: 'E_KMS_DENIED',
        message: expect.stringMatching(/refuses this site \(403/),
      })
  })

  it('takes no more rights than its policy file gives, and with these makes no key by a mistyped name', async () => {
    const file = await readFile(new URL('../../ceremonies/policies/transit.hcl', import.meta.url), 'utf8')
    const policy = file.replaceAll('transit/', 'transit-eu/').replaceAll('quorate-eu', 'site')
    await bao.ask('PUT', 'sys/policies/acl/site', { policy })
    const { auth } = await bao.ask('POST', 'auth/token/create', { policies: ['site'], no_default_policy: true })
    const { client_token } = auth as { client_token: string }
    const key = await keyAt('transit-eu/site', client_token)
    expect((await key.unwrap(await key.wrap(piece(), context), context)).reveal()).toEqual(bytes)
    const mistyped = await keyAt('transit-eu/sitf', client_token)
    await expect(mistyped.wrap(piece(), context)).rejects.toMatchObject({ code: 'E_KMS_DENIED' })
    await expect(bao.ask('GET', 'transit-eu/keys/sitf')).rejects.toThrow('404')
    // The name itself allowed, and yet no key is made: it may update what is there.
    await bao.ask('PUT', 'sys/policies/acl/typo', { policy: policy.replaceAll('/site', '/sitf') })
    const { auth: typo } = await bao.ask('POST', 'auth/token/create', { policies: ['typo'], no_default_policy: true })
    const allowed = await keyAt('transit-eu/sitf', (typo as { client_token: string }).client_token)
    await expect(allowed.wrap(piece(), context)).rejects.toMatchObject({ code: expect.stringMatching(/^E_KMS_/) })
    await expect(bao.ask('GET', 'transit-eu/keys/sitf')).rejects.toThrow('404')
  })

  it('names a key and a mount that are not there', async () => {
    const wrapped = await (await keyAt('transit-eu/site')).wrap(piece(), context)
    for (const place of ['transit-eu/nobody', 'elsewhere/site'])
      await expect((await keyAt(place)).unwrap(wrapped, context)).rejects.toMatchObject({
        code: 'E_KMS_UNAVAILABLE',
        message: expect.stringMatching(/is not there/),
      })
  })

  it('says that the server is sealed', async () => {
    const key = await keyAt('transit-us/site')
    await bao.ask('PUT', 'sys/seal')
    await expect(key.wrap(piece(), context)).rejects.toMatchObject({
      code: 'E_KMS_UNAVAILABLE',
      message: expect.stringMatching(/cannot be reached \(503/),
    })
  })
})
