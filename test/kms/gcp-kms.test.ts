import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Hash } from '../../src/lib/brand.ts'
import { Secret } from '../../src/lib/secret.ts'
import { kmsComplies } from '../compliance/kms.ts'
import { type Authority, newAuthority } from '../counterparts/authority.ts'
import { type GcpFault, type GcpKms, startGcpKms } from '../counterparts/gcp-kms.ts'
import { type KeysProcess, startKeysProcess } from '../counterparts/keys-process.ts'
import { policy } from '../support/policies.ts'

const context = 'ab'.repeat(32) as Hash
const piece = () => new Secret(new Uint8Array(32).fill(9))
const slot = (key: string) => ({ provider: 'gcp-kms', key })

let authority: Authority
let server: GcpKms
/** The second waits 1.5 s where the product waits 20 s, and has a credential file of its own. */
let site: KeysProcess
let hasty: KeysProcess
const names = { key: '', raw: '' }
let account: string
beforeAll(async () => {
  authority = newAuthority()
  server = await startGcpKms(authority)
  account = join(authority.folder, 'hasty.json')
  copyFileSync(server.env['GOOGLE_APPLICATION_CREDENTIALS'] ?? '', account)
  ;[site, hasty] = await Promise.all([
    startKeysProcess(server.env),
    startKeysProcess({ ...server.env, GOOGLE_APPLICATION_CREDENTIALS: account, KMS_PATIENCE: '1500' }),
  ])
})
beforeEach(() => {
  names.key = server.make('eu')
  names.raw = server.make('eu-raw', true)
  server.faults.length = 0
  server.asked.length = 0
  server.denied.clear()
  server.clock = 0
})
afterAll(async () => {
  await Promise.all([site?.kill(), hasty?.kill()])
  await server?.stop()
  authority?.remove()
})
const befall = (fault: Omit<GcpFault, 'times'>, times = Number.POSITIVE_INFINITY) =>
  server.faults.push({ ...fault, times })

const refusals = ['E_KMS_DENIED', 'E_KMS_UNAVAILABLE']
kmsComplies('a key of Google Cloud KMS', async () => {
  const [one, two] = [server.make('one'), server.make('two')]
  return { open: async () => [await site.open(slot(one)), await site.open(slot(two))] as const, refusals }
})
kmsComplies('a key version of Google Cloud KMS', async () => {
  const [one, two] = [server.make('one-raw', true), server.make('two-raw', true)]
  return { open: async () => [await site.open(slot(one)), await site.open(slot(two))] as const, refusals }
})

describe('a key of Google Cloud KMS', () => {
  test('wraps by the version that the service chooses, and opens older ones', async () => {
    const key = await site.open(slot(names.key))
    expect(key.can).toMatchObject({ context: true, hardware: false })
    const old = await key.wrap(piece(), context)
    server.rotate('eu')
    expect([old.version, (await key.wrap(piece(), context)).version]).toEqual(['1', '2'])
    expect((await key.unwrap(old, context)).reveal()).toEqual(piece().reveal())
    server.state('eu', 'DESTROY_SCHEDULED', 1)
    await expect(key.unwrap(old, context)).rejects.toMatchObject({
      code: 'E_KMS_UNAVAILABLE',
      message: expect.stringMatching(
        /is disabled, or is about to be deleted \(FAILED_PRECONDITION: .*DESTROY_SCHEDULED/,
      ),
    })
  })

  test('takes the rights of its policy file, and no other, in either form', async () => {
    const { includedPermissions } = policy<{ includedPermissions: string[] }>('gcp-kms.json')
    for (const name of [names.key, names.raw]) {
      server.asked.length = 0
      const key = await site.open(slot(name))
      await key.unwrap(await key.wrap(piece(), context), context)
      const rights = server.asked.map((method) => `cloudkms.cryptoKeyVersions.useTo${method.replace('Raw', '')}`)
      expect(rights.sort()).toEqual(includedPermissions)
    }
  })

  test('by a version wraps by that one alone', async () => {
    const key = await site.open(slot(names.raw))
    server.rotate('eu-raw')
    const wrapped = await key.wrap(piece(), context)
    expect(wrapped).toMatchObject({ version: '1', key: names.raw })
    const second = await site.open(slot(names.raw.replace(/1$/, '2')))
    await expect(second.unwrap(wrapped, context)).rejects.toMatchObject({ code: 'E_KMS_DENIED' })
  })

  test('is never made by a site', async () => {
    expect(await site.ensure(slot(names.key))).toBe(false)
    expect(server.asked).toEqual([])
  })

  test('wraps and opens several pieces at once', async () => {
    const key = await site.open(slot(names.key))
    const wrapped = await Promise.all(
      [...Array(8).keys()].map((n) => key.wrap(new Secret(new Uint8Array(32).fill(n)), context)),
    )
    const opened = await Promise.all(wrapped.map((one) => key.unwrap(one, context)))
    expect(opened.map((one) => one.reveal()[31])).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })
})

const flip = (bytes: unknown) => Buffer.from(bytes as Uint8Array).map((byte, n) => (n === 6 ? byte ^ 1 : byte))
const changed =
  (change: (answer: Record<string, unknown>) => Record<string, unknown>) => (answer: Record<string, unknown>) => ({
    ...answer,
    ...change(answer),
  })
const wrapping: readonly (readonly [string, 'key' | 'raw', Omit<GcpFault, 'times' | 'on'>, RegExp])[] = [
  [
    'no plaintext checksum that it looked at',
    'key',
    { change: changed(() => ({ verifiedPlaintextCrc32c: false })) },
    /verified_plaintext/,
  ],
  [
    'none of the context',
    'key',
    { change: changed(() => ({ verifiedAdditionalAuthenticatedDataCrc32c: false })) },
    /verified_additional/,
  ],
  [
    'none of the plaintext, by a version',
    'raw',
    { change: changed(() => ({ verifiedPlaintextCrc32c: false })) },
    /verified_plaintext/,
  ],
  [
    'none of the context, by a version',
    'raw',
    { change: changed(() => ({ verifiedAdditionalAuthenticatedDataCrc32c: false })) },
    /verified_additional/,
  ],
  [
    'a flipped byte',
    'key',
    { change: changed((old) => ({ ciphertext: flip(old['ciphertext']) })) },
    /checksum of the ciphertext/,
  ],
  [
    'a flipped byte, by a version',
    'raw',
    { change: changed((old) => ({ ciphertext: flip(old['ciphertext']) })) },
    /checksum of the ciphertext/,
  ],
  [
    'a flipped byte of the IV',
    'raw',
    { change: changed((old) => ({ initializationVector: flip(old['initializationVector']) })) },
    /checksum of the init/,
  ],
  ['another tag length', 'raw', { change: changed(() => ({ tagLength: 12 })) }, /lengths of AES-256-GCM/],
  ['no checksum', 'key', { change: changed(() => ({ ciphertextCrc32c: null })) }, /checksum of the ciphertext/],
  [
    'another checksum',
    'key',
    { change: changed(() => ({ ciphertextCrc32c: { value: 0 } })) },
    /checksum of the ciphertext/,
  ],
  [
    'another key',
    'key',
    { change: changed((old) => ({ name: String(old['name']).replace('/eu/', '/us/') })) },
    /name of the key/,
  ],
  [
    'a key whose name begins alike',
    'key',
    { change: changed((old) => ({ name: String(old['name']).replace('/eu/', '/eu2/') })) },
    /name of the key/,
  ],
  [
    'no version',
    'key',
    { change: changed((old) => ({ name: String(old['name']).replace(/1$/, '') })) },
    /name of the key/,
  ],
  [
    'another version',
    'raw',
    { change: changed((old) => ({ name: String(old['name']).replace(/1$/, '2') })) },
    /name of the key version/,
  ],
]
const opening: readonly (readonly [string, 'key' | 'raw', Omit<GcpFault, 'times' | 'on'>, RegExp])[] = [
  [
    'a flipped byte',
    'key',
    { change: changed((old) => ({ plaintext: flip(old['plaintext']) })) },
    /checksum of the plaintext/,
  ],
  [
    'a flipped byte, by a version',
    'raw',
    { change: changed((old) => ({ plaintext: flip(old['plaintext']) })) },
    /checksum of the plaintext/,
  ],
  ['no checksum', 'key', { change: changed(() => ({ plaintextCrc32c: null })) }, /checksum of the plaintext/],
  [
    'no ciphertext checksum that it looked at',
    'raw',
    { change: changed(() => ({ verifiedCiphertextCrc32c: false })) },
    /verified_ciphertext/,
  ],
  [
    'none of the context',
    'raw',
    { change: changed(() => ({ verifiedAdditionalAuthenticatedDataCrc32c: false })) },
    /verified_additional/,
  ],
  [
    'none of the IV',
    'raw',
    { change: changed(() => ({ verifiedInitializationVectorCrc32c: false })) },
    /verified_init/,
  ],
]

describe('an answer of Google Cloud KMS that says', () => {
  const said = (why: RegExp) => ({
    code: 'E_KMS_UNAVAILABLE',
    message: expect.stringMatching(new RegExp(`was not the one that answered, .*${why.source}`)),
  })
  test.each(wrapping)('%s wraps nothing', async (_, which, fault, why) => {
    befall({ on: which === 'key' ? 'Encrypt' : 'RawEncrypt', ...fault })
    const key = await site.open(slot(names[which]))
    await expect(key.wrap(piece(), context)).rejects.toMatchObject(said(why))
  })
  test.each(opening)('%s opens nothing', async (_, which, fault, why) => {
    const key = await site.open(slot(names[which]))
    const wrapped = await key.wrap(piece(), context)
    befall({ on: which === 'key' ? 'Decrypt' : 'RawDecrypt', ...fault })
    await expect(key.unwrap(wrapped, context)).rejects.toMatchObject(said(why))
  })
})

describe('Google Cloud KMS', () => {
  const wrap = async (at: KeysProcess = site, name = names.key) => (await at.open(slot(name))).wrap(piece(), context)

  test.each([
    ['is throttled', { code: 8, details: 'Quota exceeded.' }],
    ['is not to be had', { code: 14, details: 'zone down' }],
    ['resets the connection', { reset: true }],
  ] as const)('is asked again where a call once %s', async (_, fault) => {
    befall({ on: 'Encrypt', ...fault }, 2)
    expect((await wrap()).version).toBe('1')
    expect(server.asked).toHaveLength(3)
  })

  const fails = async (at: KeysProcess, name: string, said: RegExp): Promise<number> => {
    const key = await at.open(slot(name))
    const began = performance.now()
    await expect(key.wrap(piece(), context)).rejects.toMatchObject({
      code: 'E_KMS_UNAVAILABLE',
      message: expect.stringMatching(said),
    })
    return performance.now() - began
  }

  /** On a busy machine a first connection alone may take the whole of a short deadline. */
  const reached = async (name: string): Promise<void> => {
    const wraps = () =>
      wrap(hasty, name).then(
        () => true,
        () => false,
      )
    while (!(await wraps()));
  }

  test('throttles, is down, breaks off or says nothing: the deadline is over all', async () => {
    await reached(names.key)
    befall({ on: 'Encrypt', key: 'throttled', code: 8, details: 'Quota exceeded for eu.' })
    befall({ on: 'Encrypt', key: 'down', code: 14, details: 'zone down' })
    server.make('endless')
    befall({ on: 'Encrypt', key: 'endless', change: (made) => ({ ...made, ciphertext: Buffer.alloc(100_000) }) })
    befall({ on: 'Encrypt', key: 'silent', silent: true })
    befall({ on: 'Encrypt', key: 'broken', reset: true })
    const [endpoint = '', resource = ''] = names.key.split(/(?=projects)/)
    const name = (key: string, at = endpoint) => at + resource.replace(/eu$/, key)
    const took = await Promise.all([
      fails(hasty, name('throttled'), /is asked too often \(RESOURCE_EXHAUSTED: Quota exceeded for eu\./),
      fails(hasty, name('down'), /cannot be reached \(UNAVAILABLE: zone down/),
      fails(hasty, name('endless'), /its answer was changed on the way \(it is far too long\)/),
      fails(hasty, name('silent'), /cannot be reached \(gRPC status 4/),
      fails(hasty, name('broken', server.broken), /cannot be reached \((?:UNAVAILABLE|gRPC)/),
      fails(hasty, name('eu', server.dead), /cannot be reached \((?:UNAVAILABLE|gRPC)/),
      fails(hasty, name('eu', '//localhost:1/'), /cannot be reached \(UNAVAILABLE: No connection/),
      // The certificate is not for this name.
      fails(
        hasty,
        name('eu', endpoint.replace('localhost', '127.0.0.1')),
        // Node 26 already refuses to ask for an address by name.
        /cannot be reached \(UNAVAILABLE: .*(?:altnames|ServerName)/,
      ),
    ])
    expect(took.filter((ms) => ms > 10_000)).toEqual([])
    server.faults.length = 0
    expect((await wrap(site, name('eu', server.broken))).version).toBe('1')
  })

  test('is not asked without credentials, and those are looked for again with the next call', async () => {
    const elsewhere = server.broken + names.key.slice(names.key.indexOf('projects'))
    rmSync(account)
    await fails(hasty, elsewhere, /cannot be reached \(.*no such file/)
    writeFileSync(account, 'none')
    await fails(hasty, elsewhere, /cannot be reached \(.*JSON/)
    copyFileSync(server.env['GOOGLE_APPLICATION_CREDENTIALS'] ?? '', account)
    await reached(elsewhere)
  })

  test('refuses, misses and disables, each told by itself, in one line without the request', async () => {
    const told = async (code: string, said: RegExp, name = names.key) => {
      const error = await wrap(site, name).catch((thrown: unknown) => thrown as { code: string; message: string })
      expect(error).toMatchObject({ code, message: expect.stringMatching(said) })
      expect((error as { message: string }).message).toMatch(/^[\x20-\x7e…]{1,500}$/)
    }
    server.denied.add('eu@custody.iam.gserviceaccount.com')
    await told('E_KMS_DENIED', /refuses this site \(PERMISSION_DENIED: Permission/)
    server.denied.clear()
    await told('E_KMS_UNAVAILABLE', /is not there \(NOT_FOUND/, names.key.replace(/eu$/, 'us'))
    await told(
      'E_KMS_UNAVAILABLE',
      /takes no such request \(FAILED_PRECONDITION: .*purpose/,
      names.raw.replace(/\/[^/]+\/1$/, ''),
    )
    server.state('eu', 'DISABLED')
    await told('E_KMS_UNAVAILABLE', /is disabled.*FAILED_PRECONDITION/)
    befall({ on: 'Encrypt', code: 3, details: 'The checksum in field plaintext_crc32c did not match' })
    await told('E_KMS_UNAVAILABLE', /its answer was changed on the way \(INVALID_ARGUMENT: The checksum/)
    server.faults.length = 0
    befall({ on: 'Encrypt', code: 13, details: `${'\u001b[2J'}long\n${'x'.repeat(5000)}` })
    await told('E_KMS_UNAVAILABLE', /cannot be reached \(gRPC status 13: /)
  })

  test('refuses a machine whose clock is an hour wrong', async () => {
    for (const ahead of [7_200_000, -7_200_000]) {
      server.clock = ahead
      await expect(wrap()).rejects.toMatchObject({
        code: 'E_KMS_DENIED',
        message: expect.stringContaining('UNAUTHENTICATED'),
      })
    }
    server.clock = 0
    expect((await wrap()).version).toBe('1')
  })
})

test('a process that asked Google Cloud KMS prints nothing, and ends at once', async () => {
  const { code, stdout, stderr, after } = await site.end()
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(after).toBeLessThan(3000)
})
