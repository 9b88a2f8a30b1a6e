import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { KmsKey } from '../../src/kms/port.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { Secret } from '../../src/lib/secret.ts'
import { kmsComplies } from '../compliance/kms.ts'
import { type Authority, newAuthority } from '../counterparts/authority.ts'
import { type AzureFault, type AzureKv, startAzureKv } from '../counterparts/azure-kv.ts'
import { type KeysProcess, startKeysProcess } from '../counterparts/keys-process.ts'
import { policy } from '../support/policies.ts'

const context = 'ab'.repeat(32) as Hash
const piece = () => new Secret(new Uint8Array(32).fill(9))
const slot = (key: string) => ({ provider: 'azure-kv', key })

let authority: Authority
let server: AzureKv
/** The second waits 1.5 s where the product waits 20 s. */
let site: KeysProcess
let hasty: KeysProcess
let [one, two, other] = ['', '', '']
let key: KmsKey
beforeAll(async () => {
  authority = newAuthority()
  server = await startAzureKv(authority)
  one = server.make('eu', 'quorate')
  two = server.make('eu', 'quorate')
  other = server.make('us', 'quorate')
  ;[site, hasty] = await Promise.all([
    startKeysProcess(server.env),
    startKeysProcess({ ...server.env, KMS_PATIENCE: '1500' }),
  ])
  key = await site.open(slot(one))
})
beforeEach(() => {
  server.set(one, { enabled: true, deleted: false, operations: ['wrapkey', 'unwrapkey'] })
  server.faults.length = 0
  server.asked.length = 0
  server.denied.clear()
})
afterAll(async () => {
  await Promise.all([site?.kill(), hasty?.kill()])
  await server?.stop()
  authority?.remove()
})
const befall = (fault: Omit<AzureFault, 'times'>, times = Number.POSITIVE_INFINITY) =>
  server.faults.push({ ...fault, times })

test('Azure Key Vault is asked to wrap and to unwrap, and for nothing else', async () => {
  expect(key.can).toMatchObject({ context: false, hardware: false })
  expect(await site.ensure(slot(one))).toBe(false)
  expect(server.asked).toEqual([])
  const wrapped = await key.wrap(piece(), context)
  expect(wrapped).toMatchObject({ key: one, version: one.split('/').at(-1) })
  expect((await key.unwrap(wrapped, context)).reveal()).toEqual(piece().reveal())
  expect(server.asked).toEqual(['-wrapkey', 'discovery', 'token', 'wrapkey', 'unwrapkey'])
  const { Actions, DataActions } = policy<{ Actions: string[]; DataActions: string[] }>('azure-kv.json')
  const rights = server.asked.slice(-2).map((step) => step.replace('key', ''))
  expect([Actions, DataActions]).toEqual([[], rights.map((right) => `Microsoft.KeyVault/vaults/keys/${right}/action`)])
})

kmsComplies('a key of Azure Key Vault', async () => ({
  open: async () => [await site.open(slot(one)), await site.open(slot(other))] as const,
  refusals: ['E_KMS_DENIED', 'E_KMS_UNAVAILABLE'],
}))

describe('a key of Azure Key Vault', () => {
  test('is one version: another opens nothing of it', async () => {
    const wrapped = await key.wrap(piece(), context)
    await expect((await site.open(slot(two))).unwrap(wrapped, context)).rejects.toMatchObject({
      code: 'E_KMS_DENIED',
      message: expect.stringContaining('does not open this piece (BadParameter)'),
    })
  })

  test('tells a piece that was wrapped for another shard', async () => {
    const wrapped = await key.wrap(piece(), context)
    await expect(key.unwrap(wrapped, 'cd'.repeat(32) as Hash)).rejects.toMatchObject({
      code: 'E_KMS_DENIED',
      message: expect.stringContaining('it was wrapped for another shard'),
    })
  })

  test('wraps and opens several pieces at once', async () => {
    const pieces = [...Array(8).keys()].map((n) => new Secret(new Uint8Array(32).fill(n)))
    const wrapped = await Promise.all(pieces.map((each) => key.wrap(each, context)))
    const opened = await Promise.all(wrapped.map((each) => key.unwrap(each, context)))
    expect(opened.map((each) => each.reveal()[31])).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })
})

describe('an answer of Azure Key Vault', () => {
  const said = (why: string) => ({ code: 'E_KMS_UNAVAILABLE', message: expect.stringContaining(why) })
  const kidOf = (url: () => string) => (answer: Record<string, unknown>) => ({ ...answer, kid: url() })

  test.each([
    ['by another version', kidOf(() => two)],
    ['by a key of another vault', kidOf(() => other)],
    ['by a key without a version', kidOf(() => one.slice(0, one.lastIndexOf('/')))],
    ['by nobody', (answer: Record<string, unknown>) => ({ value: answer['value'] })],
  ])('%s is a wrong answer, to wrapping and to unwrapping', async (_, change) => {
    const wrapped = await key.wrap(piece(), context)
    befall({ on: 'wrapkey', change })
    befall({ on: 'unwrapkey', change })
    await expect(key.wrap(piece(), context)).rejects.toMatchObject(said('(kid of another key or version)'))
    await expect(key.unwrap(wrapped, context)).rejects.toMatchObject(said('(kid of another key or version)'))
  })

  test('may write the name of its key in another case', async () => {
    befall({ on: 'wrapkey', change: (answer) => ({ ...answer, kid: one.replace('quorate', 'Quorate') }) })
    expect((await key.wrap(piece(), context)).key).toBe(one)
  })

  test.each([
    ['that is empty', { status: 200, body: '' }],
    ['that is not JSON', { status: 200, body: '<html>' }],
    ['that is a list', { status: 200, body: '[]' }],
    ['without a value', { change: ({ kid }: Record<string, unknown>) => ({ kid }) }],
    [
      'with a value that is too long',
      { change: ({ kid }: Record<string, unknown>) => ({ kid, value: 'A'.repeat(999) }) },
    ],
  ])('%s is a wrong answer', async (_, fault) => {
    befall({ on: 'wrapkey', ...fault })
    await expect(key.wrap(piece(), context)).rejects.toMatchObject(said('its answer was changed on the way'))
  })

  test('with a flipped byte of the context is told; of the piece, by the commitment in the slot alone', async () => {
    const wrapped = await key.wrap(piece(), context)
    for (const [at, opens] of [
      [0, false],
      [31, false],
      [32, true],
    ] as const) {
      server.faults.length = 0
      befall({
        on: 'unwrapkey',
        change: ({ kid, value }) => {
          const bytes = Buffer.from(String(value), 'base64url')
          return { kid, value: Buffer.from(bytes.map((byte, n) => (n === at ? byte ^ 1 : byte))).toString('base64url') }
        },
      })
      const opened = await key.unwrap(wrapped, context).catch((error: { code: string }) => error.code)
      expect(opened instanceof Secret ? opened.reveal()[0] : opened).toBe(opens ? 8 : 'E_KMS_DENIED')
    }
  })
})

describe('Azure Key Vault', () => {
  const wrap = async (at: KeysProcess = site, name = one) => (await at.open(slot(name))).wrap(piece(), context)

  test.each([
    ['is throttled', { status: 429, headers: { 'retry-after': '0' } }],
    ['is not to be had', { status: 503 }],
    ['resets the connection', { reset: true }],
  ] as const)('is asked again where a call once %s', async (_, fault) => {
    await wrap()
    server.asked.length = 0
    befall({ on: 'wrapkey', ...fault }, 2)
    expect((await wrap()).key).toBe(one)
    expect(server.asked).toEqual(['wrapkey', 'wrapkey', 'wrapkey'])
  })

  const fails = async (at: KeysProcess, name: string, said: RegExp, code = 'E_KMS_UNAVAILABLE'): Promise<number> => {
    const asking = await at.open(slot(name))
    const began = performance.now()
    await expect(asking.wrap(piece(), context)).rejects.toMatchObject({ code, message: expect.stringMatching(said) })
    return performance.now() - began
  }
  const at = (vault: string) => one.replace('//eu.', `//${vault}.`)

  test('is not asked where its authority refuses the site or says nothing', async () => {
    // Each is a client of its own; a token of a minute is not kept for the next.
    server.lifetime = 60
    server.secret = 'another'
    await fails(hasty, at('refused'), /refuses this site \(AADSTS7000215\)/, 'E_KMS_DENIED')
    server.secret = server.env['AZURE_CLIENT_SECRET'] ?? ''
    befall({ on: 'token', silent: true })
    expect(await fails(hasty, at('waits'), /cannot be reached/)).toBeLessThan(10_000)
    server.faults.length = 0
    server.clock = -7_200_000
    await fails(hasty, at('clock'), /refuses this site \(Unauthorized\)/, 'E_KMS_DENIED')
    server.clock = 0
    server.lifetime = 3600
  })

  test('throttles, is down, breaks off or says nothing: the deadline is over all', async () => {
    befall({ on: 'wrapkey', vault: 'later', status: 429, headers: { 'retry-after': '60' } })
    befall({ on: 'wrapkey', vault: 'throttled', status: 429 })
    befall({ on: 'wrapkey', vault: 'down', status: 503 })
    befall({ on: 'wrapkey', vault: 'proxy', status: 502, body: '<html>' })
    befall({ on: 'wrapkey', vault: 'broken', reset: true })
    befall({ on: 'wrapkey', vault: 'silent', silent: true })
    const took = await Promise.all([
      fails(hasty, at('later'), /is asked too often \(HTTP 429\)/),
      fails(hasty, at('throttled'), /is asked too often \(Injected\)/),
      fails(hasty, at('down'), /cannot be reached \(HTTP 503\)/),
      fails(hasty, at('proxy'), /cannot be reached \(HTTP 502\)/),
      fails(hasty, at('broken'), /cannot be reached \(no answer within 1.5 s\)/),
      fails(hasty, at('silent'), /cannot be reached \(no answer within 1.5 s\)/),
      // The certificate is not for this name.
      fails(hasty, one.replace('.vault.', '.other.'), /cannot be reached \(ERR_TLS_CERT_ALTNAME_INVALID/),
    ])
    expect(took.filter((ms) => ms > 10_000)).toEqual([])
  })

  test('gets no token where it names the authority of another domain', async () => {
    server.domain = 'vault.example'
    await fails(site, at('another'), /was not the one that answered.*challenge resource/)
    server.domain = 'vault.localhost'
    expect(server.asked).toEqual(['-wrapkey'])
  })

  test('refuses, misses and disables, each told by itself, in one line without the request', async () => {
    const told = async (code: string, said: string, name = one) => {
      const error = await wrap(site, name).catch((thrown: unknown) => thrown as { code: string; message: string })
      expect(error).toMatchObject({ code, message: expect.stringContaining(said) })
      expect((error as { message: string }).message).toMatch(/^[\x20-\x7e]{1,400}$/)
    }
    server.denied.add('99999999-8888-7777-6666-555555555555')
    await told('E_KMS_DENIED', 'refuses this site (ForbiddenByRbac)')
    server.denied.clear()
    server.set(one, { operations: ['unwrapkey'] })
    await told('E_KMS_DENIED', 'refuses this site (KeyOperationForbidden)')
    server.set(one, { enabled: false })
    await told('E_KMS_UNAVAILABLE', 'is disabled, or is about to be deleted (KeyDisabled)')
    server.set(one, { deleted: true })
    await told('E_KMS_UNAVAILABLE', 'is not there (KeyNotFound)')
    await told('E_KMS_UNAVAILABLE', 'is not there (KeyNotFound)', one.replace(/\w+$/, randomBytes(16).toString('hex')))
  })
})

test('a process without credentials says so; one that asked prints nothing, and ends at once', async () => {
  const poor = await startKeysProcess({ ...server.env, AZURE_CLIENT_SECRET: '' })
  await expect((await poor.open(slot(one))).wrap(piece(), context)).rejects.toMatchObject({
    code: 'E_KMS_UNAVAILABLE',
    message: expect.stringMatching(/cannot be reached \(.*[Cc]redential/),
    hint: expect.stringContaining('credentials'),
  })
  for (const one of [poor, site]) {
    const { code, stdout, stderr, after } = await one.end()
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(after).toBeLessThan(3000)
  }
})
