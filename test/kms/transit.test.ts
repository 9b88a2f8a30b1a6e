import { execFile } from 'node:child_process'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KmsKey } from '../../src/kms/port.ts'
import { openKmsKey, parseKmsSlot } from '../../src/kms/registry.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import { seededRandom } from '../support/random.ts'

const context = 'ab'.repeat(32) as Hash
const piece = () => new Secret(new Uint8Array(32).fill(9))

/** Faults that a real transit engine cannot be made to show; what it can is tried against one (test/counterparts). */
describe('a transit key whose server misbehaves', () => {
  let asked: { path: string; headers: IncomingMessage['headers']; body: Record<string, string> }[]
  let answer: (response: ServerResponse, n: number) => void
  let key: KmsKey
  let origin: string
  let close: () => Promise<void>
  const environment: Record<string, string> = { BAO_TOKEN: 'hvs.a', BAO_NAMESPACE: 'custody/eu' }

  const send = (response: ServerResponse, status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  const refuses = async (code: string, words: RegExp): Promise<void> => {
    await expect(key.wrap(piece(), context)).rejects.toMatchObject({ code, message: expect.stringMatching(words) })
  }

  beforeEach(async () => {
    asked = []
    const server = createServer((request, response) => {
      let text = ''
      request.on('data', (part) => {
        text += part
      })
      request.on('end', () => {
        asked.push({ path: request.url ?? '', headers: request.headers, body: JSON.parse(text) })
        answer(response, asked.length)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    close = async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
    key = await openKmsKey(parseKmsSlot(`transit:${origin}/teams/transit/eu`), {
      home: '/nowhere',
      random: seededRandom('transit'),
      environment,
    })
  })
  afterEach(() => close())

  it('asks for one key at one place, with token, namespace and context', async () => {
    answer = (response) => send(response, 200, { data: { ciphertext: 'vault:v3:AAAA' } })
    expect(await key.wrap(piece(), context)).toMatchObject({ version: '3', ciphertext: utf8('vault:v3:AAAA') })
    expect(asked).toMatchObject([
      {
        path: '/v1/teams/transit/encrypt/eu',
        headers: { 'x-vault-token': 'hvs.a', 'x-vault-namespace': 'custody/eu', 'x-vault-request': 'true' },
        body: {
          plaintext: Buffer.from(new Uint8Array(32).fill(9)).toString('base64'),
          associated_data: Buffer.from('ab'.repeat(32), 'hex').toString('base64'),
        },
      },
    ])
  })

  it.each([
    ['nothing', undefined],
    ['no ciphertext', { data: {} }],
    ['another form', { data: { ciphertext: 'vault:v3:%' } }],
    ['a version of no key', { data: { ciphertext: 'vault:v0:AAAA' } }],
    ['far too much', { data: { ciphertext: `vault:v1:${'A'.repeat(5000)}` } }],
    ['a list', [1]],
  ])('takes no answer that is none: %s', async (_, body) => {
    answer = (response) => send(response, 200, body)
    await refuses('E_KMS_UNAVAILABLE', /it is no ciphertext/)
  })

  it('reads no more of an answer than it can be', async () => {
    answer = (response) => response.writeHead(200).end('['.repeat(1_000_000))
    await refuses('E_KMS_UNAVAILABLE', /an answer of over 65536 bytes/)
  })

  it.each([
    [403, { errors: ['permission denied'] }, 'E_KMS_DENIED', /refuses this site \(403: permission denied\)/],
    [404, { errors: [] }, 'E_KMS_UNAVAILABLE', /is not there \(404\)/],
    [400, { errors: ['encryption key not found'] }, 'E_KMS_UNAVAILABLE', /is not there/],
    [400, { errors: ["missing 'context' for key derivation"] }, 'E_KMS_UNAVAILABLE', /takes no such request/],
    [400, { errors: ['ciphertext version is disallowed by policy (too old)'] }, 'E_KMS_UNAVAILABLE', /is disabled/],
    [400, 'no errors', 'E_KMS_UNAVAILABLE', /\(400\)$/],
    [400, { errors: [`{"plaintext":"${'QUFB'.repeat(11)}"}`] }, 'E_KMS_UNAVAILABLE', /\(400: \{"plaintext":"…"\}\)$/],
    [400, { errors: [`\u001b[2J${'x'.repeat(999)}`] }, 'E_KMS_UNAVAILABLE', /\(400: \\u\{1b\}\[…\)$/],
  ])('says what happened by status %i and %j, and asks once', async (status, body, code, words) => {
    answer = (response) => send(response, status, body)
    await refuses(code, words)
    expect(asked.length).toBe(1)
  })

  it('asks again where the server is busy or down for a moment, and not for ever', async () => {
    answer = (response, n) =>
      n === 1
        ? send(response, 429, { errors: ['slow down'] })
        : n === 2
          ? response.destroy()
          : send(response, 200, { data: { ciphertext: 'vault:v1:AAAA' } })
    expect(await key.wrap(piece(), context)).toMatchObject({ version: '1' })
    answer = (response) => send(response, 503, { errors: ['Vault is sealed'] })
    await refuses('E_KMS_UNAVAILABLE', /cannot be reached \(503: Vault is sealed\)/)
    expect(asked.length).toBe(6)
    answer = (response) => send(response, 429, { errors: [] })
    await refuses('E_KMS_UNAVAILABLE', /asked too often/)
  })

  it('opens nothing that the server does not know', async () => {
    answer = (response) => send(response, 400, { errors: ['cipher: message authentication failed'] })
    const wrapped = { provider: 'transit', key: 'k', version: '1', ciphertext: utf8('vault:v1:AAAA') }
    await expect(key.unwrap(wrapped, context)).rejects.toMatchObject({
      code: 'E_KMS_DENIED',
      message: expect.stringMatching(/does not open this piece \(400: cipher/),
    })
  })

  it('follows nobody elsewhere with its token', async () => {
    answer = (response) => response.writeHead(307, { location: `${origin}/v1/elsewhere` }).end()
    await refuses('E_KMS_UNAVAILABLE', /cannot be reached/)
    expect(new Set(asked.map(({ path }) => path))).toEqual(new Set(['/v1/teams/transit/encrypt/eu']))
  })

  it('sends a piece nowhere that transit did not make, or under another version than it says', async () => {
    answer = (response) => send(response, 200, { data: { plaintext: '!' } })
    for (const [text, version] of [
      ['', '1'],
      ['vault:v1:', '1'],
      ['vault:v2:AAAA', '1'],
      ['vault:v1:AAAA\n', '1'],
    ] as const)
      await expect(
        key.unwrap({ provider: 'transit', key: 'k', version, ciphertext: utf8(text) }, context),
      ).rejects.toMatchObject({ code: 'E_KMS_DENIED' })
    expect(asked).toEqual([])
    await expect(
      key.unwrap({ provider: 'transit', key: 'k', version: '1', ciphertext: utf8('vault:v1:AAAA') }, context),
    ).rejects.toMatchObject({ code: 'E_KMS_UNAVAILABLE', message: expect.stringMatching(/it is no plaintext/) })
  })

  it('says what it needs where there is no token, and shows the token to nobody', async () => {
    for (const BAO_TOKEN of ['', 'two\nlines', 'x'.repeat(5000)]) {
      key = await openKmsKey(parseKmsSlot(`transit:${origin}/transit/eu`), {
        home: '/nowhere',
        random: seededRandom('transit'),
        environment: { BAO_TOKEN },
      })
      await refuses('E_KMS_UNAVAILABLE', /neither BAO_TOKEN nor VAULT_TOKEN holds a token/)
    }
    expect(asked).toEqual([])
  })

  it('keeps nothing open that a process would wait for', async () => {
    answer = (response) => send(response, 200, { data: { ciphertext: 'vault:v1:AAAA' } })
    const source = `
      import { register } from 'node:module'
      register(${JSON.stringify(new URL('../../scripts/ts-hooks.mjs', import.meta.url).href)})
      const { openKmsKey } = await import(${JSON.stringify(new URL('../../src/kms/registry.ts', import.meta.url).href)})
      const { Secret } = await import(${JSON.stringify(new URL('../../src/lib/secret.ts', import.meta.url).href)})
      const key = await openKmsKey({ provider: 'transit', key: '${origin}/transit/eu' }, { random: (n) => new Uint8Array(n), environment: { BAO_TOKEN: 'x' } })
      await key.wrap(new Secret(new Uint8Array(32)), '${context}')
      setImmediate(() => console.log(process.getActiveResourcesInfo().filter((one) => /TCP|Timeout/.test(one)).length))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', source])
    expect(stdout).toBe('0\n')
  })
})
