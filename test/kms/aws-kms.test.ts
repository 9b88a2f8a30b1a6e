import { spawn } from 'node:child_process'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { awsKms, awsKmsWithin } from '../../src/kms/aws-kms.ts'
import { KMS_DEADLINE } from '../../src/kms/fault.ts'
import type { KmsKey } from '../../src/kms/port.ts'
import type { Hash } from '../../src/lib/brand.ts'
import type { QuorateError } from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'
import { built, finished, root } from '../support/cli.ts'
import { policy } from '../support/policies.ts'
import { seededRandom } from '../support/random.ts'
import { awsServer, error, json, kms, raw } from './aws-server.ts'

/** Faults that no server of other people shows on demand; those that they show are in test/counterparts. */

const arn = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'
const other = arn.replace('1234abcd', 'ffffabcd')
const context = 'ab'.repeat(32) as Hash
const bytes = new Uint8Array(32).fill(9)
const base64 = Buffer.from(bytes).toString('base64')
const machine = { home: '/home/of/nobody', random: seededRandom('aws') }
const environment = {
  AWS_ACCESS_KEY_ID: 'AKIDTEST',
  AWS_SECRET_ACCESS_KEY: 'secretofthetest',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
}

let server: Awaited<ReturnType<typeof awsServer>>
beforeAll(async () => {
  server = await awsServer()
})
afterAll(() => server.close())
beforeEach(() => {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
  vi.stubEnv('AWS_ENDPOINT_URL_KMS', server.url)
})
afterEach(() => void vi.unstubAllEnvs())

const open = (deadline = KMS_DEADLINE): Promise<KmsKey> => awsKmsWithin(deadline).open(arn, machine)
const wrapped = { provider: 'aws-kms', key: arn, version: 'managed', ciphertext: new Uint8Array(40).fill(1) }
const failed = async (work: Promise<unknown>): Promise<QuorateError> =>
  work.then(
    () => expect.fail('it was done'),
    (fault: QuorateError) => fault,
  )
const unwrapFails = async (deadline?: number): Promise<QuorateError> =>
  failed((await open(deadline)).unwrap(wrapped, context))
const wrapFails = async (): Promise<QuorateError> =>
  failed((await open()).wrap(new Secret(Uint8Array.from(bytes)), context))

describe('a key of AWS KMS', () => {
  it('asks by its ARN, in its region, with one entry of context, and opens what it wrapped', async () => {
    server.answer(kms)
    const key = await open()
    const made = await key.wrap(new Secret(Uint8Array.from(bytes)), context)
    expect(made).toMatchObject({ provider: 'aws-kms', key: arn, version: 'managed' })
    expect((await key.unwrap(made, context)).reveal()).toEqual(bytes)
    const common = { KeyId: arn, EncryptionContext: { quorate: context }, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' }
    const CiphertextBlob = Buffer.from(made.ciphertext).toString('base64')
    expect(server.asked).toEqual([
      { operation: 'Encrypt', input: { ...common, Plaintext: base64 } },
      { operation: 'Decrypt', input: { ...common, CiphertextBlob } },
    ])
    expect((await failed(key.unwrap(made, 'cd'.repeat(32) as Hash))).code).toBe('E_KMS_DENIED')
  })

  it('takes the rights of its policy file, and no other', async () => {
    server.answer(kms)
    const key = await open()
    await key.unwrap(await key.wrap(new Secret(Uint8Array.from(bytes)), context), context)
    const { Statement } = policy<{ Statement: { Action: string[]; Condition: Record<string, object> }[] }>(
      'aws-kms.json',
    )
    expect(Statement.map(({ Action }) => Action)).toEqual([server.asked.map(({ operation }) => `kms:${operation}`)])
    // A call with another entry of context, or without any, is no call of quorate.
    const entries = server.asked.map(({ input }) => Object.keys(input['EncryptionContext'] as object))
    expect(Statement.map(({ Condition }) => Condition)).toEqual([
      {
        'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': [...new Set(entries.flat())] },
        Null: { 'kms:EncryptionContextKeys': 'false' },
      },
    ])
  })

  it('is not made and not asked when a home is made', async () => {
    server.answer(kms)
    expect(await awsKms.ensure(arn, machine)).toBe(false)
    expect(await failed(awsKms.ensure('key', machine))).toMatchObject({ code: 'E_KMS_UNAVAILABLE' })
    expect(server.asked).toEqual([])
  })

  it('believes no answer that another key gave, or that holds nothing', async () => {
    const blob = Buffer.from('sealed').toString('base64')
    for (const [answer, says] of [
      [{ KeyId: other, CiphertextBlob: blob }, 'another key'],
      [{ CiphertextBlob: blob }, 'another key'],
      [{ KeyId: arn }, 'nothing in it'],
      [{ KeyId: arn, CiphertextBlob: '' }, 'nothing in it'],
      [{ KeyId: arn, CiphertextBlob: 'A'.repeat(10_000) }, '7500 bytes'],
    ] as const) {
      server.answer(json(answer))
      expect(await wrapFails(), says).toMatchObject({
        code: 'E_KMS_UNAVAILABLE',
        message: expect.stringMatching(new RegExp(`was not the one that answered.*${says}`)),
      })
    }
    for (const [answer, says] of [
      [{ KeyId: other, Plaintext: base64 }, 'another key'],
      [{ KeyId: arn.replace('eu-central-1', 'us-east-1'), Plaintext: base64 }, 'another key'],
      [{ KeyId: arn.split('/')[1], Plaintext: base64 }, 'another key'],
      [{ KeyId: arn }, 'nothing in it'],
      [{ KeyId: arn, Plaintext: null }, 'nothing in it'],
    ] as const) {
      server.answer(json(answer))
      expect(await unwrapFails(), says).toMatchObject({
        code: 'E_KMS_UNAVAILABLE',
        message: expect.stringMatching(new RegExp(`was not the one that answered.*${says}`)),
      })
    }
    server.answer(json({ KeyId: arn, Plaintext: 7 }))
    expect((await unwrapFails()).message).toContain('was not the one that answered')
    server.answer(raw('<html>a hotel’s page</html>', 200))
    expect((await unwrapFails()).message).toContain('(SyntaxError: HTTP 200)')
    server.answer(raw('<html>no such page</html>', 404))
    expect((await unwrapFails()).message).toContain('(SyntaxError: HTTP 404)')
  })

  it('asks nobody about a ciphertext that no key of AWS makes', async () => {
    server.answer(kms)
    const key = await open()
    for (const length of [0, 6145])
      expect(await failed(key.unwrap({ ...wrapped, ciphertext: new Uint8Array(length) }, context))).toMatchObject({
        code: 'E_KMS_DENIED',
      })
    expect(server.asked).toEqual([])
  })

  it('is asked again where it was asked too often, and three times at most', async () => {
    const throttled = error('ThrottlingException', 'Rate exceeded')
    server.answer(throttled, kms)
    const key = await open()
    const made = await key.wrap(new Secret(Uint8Array.from(bytes)), context)
    expect(server.asked).toHaveLength(2)
    server.answer(throttled)
    expect(await failed(key.unwrap(made, context))).toMatchObject({
      code: 'E_KMS_UNAVAILABLE',
      message: expect.stringContaining('is asked too often (ThrottlingException: Rate exceeded)'),
    })
    expect(server.asked).toHaveLength(3)
    server.answer(raw('slow down', 429))
    expect((await failed(key.unwrap(made, context))).message).toContain('is asked too often (SyntaxError: HTTP 429)')
  })

  const names: readonly (readonly [string, number, string, string])[] = [
    ['InvalidCiphertextException', 400, 'E_KMS_DENIED', 'does not open this piece'],
    ['IncorrectKeyException', 400, 'E_KMS_DENIED', 'does not open this piece'],
    ['AccessDeniedException', 400, 'E_KMS_DENIED', 'refuses this site'],
    ['AccessDenied', 403, 'E_KMS_DENIED', 'refuses this site'],
    ['InvalidKeyUsageException', 400, 'E_KMS_UNAVAILABLE', 'takes no such request'],
    ['ValidationException', 400, 'E_KMS_UNAVAILABLE', 'takes no such request'],
    ['RequestExpired', 400, 'E_KMS_UNAVAILABLE', 'cannot be reached'],
    ['NotFoundException', 400, 'E_KMS_UNAVAILABLE', 'is not there'],
    ['DisabledException', 400, 'E_KMS_UNAVAILABLE', 'is disabled'],
    ['KMSInvalidStateException', 400, 'E_KMS_UNAVAILABLE', 'is disabled'],
    ['UnrecognizedClientException', 400, 'E_KMS_UNAVAILABLE', 'cannot be reached'],
    ['ExpiredTokenException', 400, 'E_KMS_UNAVAILABLE', 'cannot be reached'],
    ['KMSInternalException', 500, 'E_KMS_UNAVAILABLE', 'cannot be reached'],
    ['Unheard', 503, 'E_KMS_UNAVAILABLE', 'cannot be reached'],
  ]
  it.each(names)('takes %s with status %i for %s: %s', async (name, status, code, says) => {
    server.answer(error(name, 'so it is', status))
    const fault = await unwrapFails()
    expect(fault).toMatchObject({ code, exit: 5 })
    expect(fault.message.startsWith(`the KMS key aws-kms:${arn} ${says}`), fault.message).toBe(true)
    expect(fault.message.endsWith(` (${name}: so it is)`), fault.message).toBe(true)
  })

  it('sends a data key over plain HTTP to this machine alone', async () => {
    server.answer(kms)
    vi.stubEnv('AWS_ENDPOINT_URL_KMS', server.url.replace(/127\.0\.0\.1|localhost/, '127.0.0.2'))
    expect(await wrapFails()).toMatchObject({
      code: 'E_KMS_UNAVAILABLE',
      message: expect.stringContaining('cannot be reached (PlainHttpError: its endpoint is not on this machine)'),
    })
    expect(server.asked).toEqual([])
  })

  it('knows a refusal in a form that the SDK does not read', async () => {
    for (const status of [401, 403]) {
      server.answer(raw('<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>', status))
      expect(await unwrapFails()).toMatchObject({
        code: 'E_KMS_DENIED',
        message: expect.stringContaining(`refuses this site (SyntaxError: HTTP ${status})`),
      })
    }
  })

  it('says of a connection that breaks, of an error of the server, and of nobody there that it cannot be reached', async () => {
    const says = (text: string) => ({
      code: 'E_KMS_UNAVAILABLE',
      message: expect.stringMatching(new RegExp(`cannot be reached \\(${text}\\)`)),
    })
    server.answer((_, response) => response.destroy())
    expect(await unwrapFails()).toMatchObject(says('.*ECONNRESET'))
    expect(server.asked).toHaveLength(3)
    server.answer((_, response) => {
      response.writeHead(200, { 'content-length': 1000 })
      response.write('{"KeyId":')
      setTimeout(() => response.destroy(), 10)
    })
    expect(await unwrapFails()).toMatchObject(says('.*ECONNRESET'))
    server.answer(raw('<html>', 502))
    expect(await unwrapFails()).toMatchObject(says('SyntaxError: HTTP 502'))
    expect(server.asked).toHaveLength(3)
    const empty = await awsServer()
    vi.stubEnv('AWS_ENDPOINT_URL_KMS', empty.url)
    await empty.close()
    expect(await unwrapFails()).toMatchObject(says('.*ECONNREFUSED'))
  })

  it('waits no longer than its deadline, all attempts together', async () => {
    const begun = performance.now()
    server.answer(() => undefined)
    expect(await unwrapFails(900)).toMatchObject({
      code: 'E_KMS_UNAVAILABLE',
      message: expect.stringMatching(/cannot be reached \(TimeoutError\b.*\)$/),
    })
    expect(performance.now() - begun).toBeLessThan(5_000)
    expect(server.asked.length).toBeGreaterThan(1)
    // An answer that comes a byte at a time is none, either.
    server.answer((_, response) => {
      response.writeHead(200)
      const drip = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(drip))
    })
    expect((await unwrapFails(600)).message).toContain('cannot be reached (TimeoutError')
  })

  it('says that there are no credentials', async () => {
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE']) vi.stubEnv(name, undefined)
    server.answer(kms)
    expect(await unwrapFails()).toMatchObject({
      code: 'E_KMS_UNAVAILABLE',
      message: expect.stringMatching(/cannot be reached \(CredentialsProviderError: no AWS credentials/),
    })
    expect(server.asked).toEqual([])
  })

  it('quotes one short line of a server, with nothing in it that a terminal acts on and no secret that it sent back', async () => {
    const dump = `no\u001b[2J ${base64} ${'x '.repeat(300)}\nThe canonical string was\n'POST`
    const texts: string[] = []
    for (const answer of [
      error('InvalidSignatureException', dump),
      error('AccessDeniedException', dump),
      error(`Odd\u202e${base64}Exception`, dump),
      raw(`{"KeyId": "${arn}", "Plaintext": "${base64}" oops`, 200),
      raw(`{"__type": "Odd", "message": "${base64}" oops`, 400),
    ]) {
      server.answer(answer)
      for (const fault of [await wrapFails(), await unwrapFails()]) {
        expect(fault.cause).toBeUndefined()
        texts.push(fault.message)
      }
    }
    server.answer(error('DisabledException', `${arn} is disabled.`))
    expect((await unwrapFails()).message).toMatch(/\(DisabledException: this key is disabled\.\)$/)
    for (const text of texts) {
      expect(text).toMatch(/^\P{Cc}{1,420}$/u)
      expect(text).not.toMatch(/\u202e|CQkJ|canonical/)
    }
  })
})

describe('a process that asked AWS KMS', () => {
  it('ends with its last call', async () => {
    await built()
    server.answer(kms)
    const script = `
      const { awsKms } = await import(${JSON.stringify(`${root}/dist/kms/aws-kms.js`)})
      const key = await awsKms.open(${JSON.stringify(arn)}, {})
      const { Secret } = await import(${JSON.stringify(`${root}/dist/lib/secret.js`)})
      await key.unwrap(await key.wrap(new Secret(new Uint8Array(32)), 'ab'), 'ab')
      const done = Date.now()
      process.on('exit', () => console.log(Date.now() - done))`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      env: { ...environment, PATH: process.env['PATH'], AWS_ENDPOINT_URL_KMS: server.url },
    })
    const ran = await finished(child)
    expect([ran.code, ran.stderr]).toEqual([0, ''])
    expect(server.asked).toHaveLength(2)
    // A server keeps a connection open for five seconds.
    expect(Number(ran.stdout)).toBeLessThan(2_000)
  })
})
