import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { openStore } from '../../src/shards/stores/open.ts'
import type { Store } from '../../src/shards/stores/port.ts'
import { policy } from '../support/policies.ts'
import { seededRandom } from '../support/random.ts'
import { type Answer, type Asked, answer, broken, endless, faultOf, silent, storeServer } from './store-server.ts'

// As in bin/quorate.js.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value))
const sum = (value: string): string => createHash('sha256').update(value).digest('base64')
const error = (status: number, code: string, message = 'so it is') =>
  answer(
    status,
    { 'content-type': 'application/xml' },
    `<Error><Code>${code}</Code><Message>${message}</Message></Error>`,
  )
const object = (value: string, headers: Readonly<Record<string, string>> = {}) =>
  answer(200, { etag: '"1"', 'x-amz-checksum-sha256': sum(value), ...headers }, value)
const made = answer(200, { etag: '"1"' })
const gone = answer(204)

describe('a bucket of S3', () => {
  let server: Awaited<ReturnType<typeof storeServer>>
  let store: Store
  const open = (deadline?: number) =>
    openStore('s3://custody-eu/quorate/eu?region=eu-central-1', {
      random: seededRandom('s3'),
      environment: { AWS_ENDPOINT_URL_S3: server.url },
      ...(deadline === undefined ? {} : { deadline }),
    })
  beforeAll(async () => {
    server = await storeServer()
  })
  afterAll(() => server.close())
  beforeEach(async () => {
    const own = {
      AWS_ENDPOINT_URL_S3: server.url,
      AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'secretsecret',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_EC2_METADATA_DISABLED: 'true',
    }
    for (const [name, value] of Object.entries(own)) vi.stubEnv(name, value)
    store = await open()
    return () => void vi.unstubAllEnvs()
  })

  it('puts an object with a condition and its SHA-256', async () => {
    server.answer(made)
    expect(await store.create('a/b', text('one'))).toBe(true)
    expect(await store.replace('a/b', text('two'), '"1"')).toBe(true)
    const told = server.asked.map(({ method, path, headers, body }) => [
      ...[method, path, headers['if-none-match'], headers['if-match'], headers['x-amz-checksum-sha256']],
      body.toString(),
    ])
    expect(told).toEqual([
      ['PUT', '/custody-eu/quorate/eu/a/b', '*', undefined, sum('one'), 'one'],
      ['PUT', '/custody-eu/quorate/eu/a/b', undefined, '"1"', sum('two'), 'two'],
    ])
  })

  it.each([
    [error(403, 'AccessDenied'), 'refused', 'AccessDenied: so it is'],
    [error(403, 'InvalidAccessKeyId'), 'unreachable', 'InvalidAccessKeyId'],
    [error(403, 'SignatureDoesNotMatch'), 'unreachable', 'SignatureDoesNotMatch'],
    [answer(403, {}, '<html>log in'), 'refused', '403'],
    [error(404, 'NoSuchBucket'), 'missing', 'NoSuchBucket'],
    [error(301, 'PermanentRedirect'), 'missing', 'PermanentRedirect'],
    [error(400, 'AuthorizationHeaderMalformed'), 'missing', 'Authorization'],
    [error(501, 'NotImplemented'), 'unfit', 'NotImplemented'],
    [error(400, 'InvalidRequest'), 'unfit', 'InvalidRequest'],
    [error(400, 'BadDigest'), 'wrong answer', 'BadDigest'],
    [error(429, 'TooManyRequests'), 'throttled', 'TooManyRequests'],
    [error(503, 'SlowDown'), 'throttled', 'SlowDown'],
    [error(500, 'InternalError'), 'unreachable', 'InternalError'],
    [broken, 'unreachable', ''],
    [endless(403, { 'content-type': 'application/xml' }), 'wrong answer', 'LongAnswer'],
    [answer(200, { etag: '"1"', 'x-amz-checksum-sha256': sum('other') }), 'wrong answer', 'another SHA-256'],
  ] as const)('tells faults by what happened: %#', async (given, fault, more) => {
    server.answer(given)
    const [what, message] = await faultOf(store.create('a', text('one')))
    expect([what, message]).toEqual([fault, expect.stringContaining(more)])
    expect(message).not.toMatch(/secret|AKIAEXAMPLE/)
  })

  it('asks again where the store was busy, and where another writer was in the middle', async () => {
    server.answer(error(503, 'SlowDown'), error(409, 'ConditionalRequestConflict'), made)
    expect(await store.create('a', text('one'))).toBe(true)
    expect(server.asked).toHaveLength(3)
  })

  it('knows a write again whose answer was lost, by its mark, and takes no other for it', async () => {
    const marks: string[] = []
    const noted: Answer = (asked, response) => {
      marks.push(String(asked.headers['x-amz-meta-quorate-mark']))
      response.destroy()
    }
    const head: Answer = (_, response) =>
      void response.writeHead(200, { 'x-amz-meta-quorate-mark': marks[0] ?? '' }).end()
    server.answer(noted, error(412, 'PreconditionFailed'), head)
    expect(await store.create('a', text('one'))).toBe(true)
    expect(server.asked.map(({ method }) => method)).toEqual(['PUT', 'PUT', 'HEAD'])
    server.answer(error(412, 'PreconditionFailed'), head)
    expect(await store.replace('a', text('one'), '"1"')).toBe(false)
    server.answer(error(404, 'NoSuchKey'))
    expect(await store.replace('a', text('one'), '"1"')).toBe(false)
  })

  it.each([
    [object('one', { 'x-amz-checksum-sha256': sum('two') }), 'damaged', ''],
    [answer(200, { etag: '"1"' }, 'one'), 'damaged', 'no SHA-256'],
    [answer(200, { 'x-amz-checksum-sha256': sum('one') }, 'one'), 'wrong answer', 'no object'],
    [object('x'.repeat(65_537)), 'wrong answer', 'over 65536 bytes'],
    [endless(200, { etag: '"1"' }), 'wrong answer', 'over 65536 bytes'],
    [answer(200, { etag: '"1"', 'content-length': '3000000' }), 'wrong answer', 'over 2097152 bytes'],
    [
      (_, response) =>
        void response.writeHead(200, { etag: '"1"', 'content-length': '9' }).write('half', () => response.destroy()),
      'unreachable',
      '',
    ],
  ] as const satisfies readonly (readonly [Answer, string, string])[])(
    'reads no object but a whole one: %#',
    async (given, fault, more) => {
      server.answer(given)
      expect(await faultOf(store.read('a'))).toEqual([fault, expect.stringContaining(more)])
    },
  )

  it('gives a store up that never answers', async () => {
    server.answer(silent)
    const impatient = await open(600)
    const begun = performance.now()
    expect((await faultOf(impatient.read('a')))[0]).toBe('unreachable')
    server.answer((_, response) => void response.writeHead(200, { etag: '"1"' }).write('half'))
    expect((await faultOf(impatient.read('a')))[0]).toBe('unreachable')
    expect(performance.now() - begun).toBeLessThan(5_000)
  })

  it('sends nothing in plain HTTP but to this machine, and nothing without credentials', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL_S3', 'http://192.0.2.1:9')
    expect(await faultOf((await open()).read('a'))).toEqual(['unreachable', expect.stringContaining('PlainHttpError')])
    vi.stubEnv('AWS_ENDPOINT_URL_S3', server.url)
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, undefined)
    server.answer(gone)
    expect(await faultOf((await open()).read('a'))).toEqual([
      'unreachable',
      expect.stringContaining('no AWS credentials'),
    ])
    expect(server.asked).toEqual([])
  })

  const versions = (...all: readonly string[]) =>
    answer(200, {}, `<ListVersionsResult>${all.join('')}</ListVersionsResult>`)
  const version = (key: string, id: string) => `<Version><Key>${key}</Key><VersionId>${id}</VersionId></Version>`
  const marker = (key: string, id: string) =>
    `<DeleteMarker><Key>${key}</Key><VersionId>${id}</VersionId></DeleteMarker>`
  const hidden = answer(204, { 'x-amz-delete-marker': 'true', 'x-amz-version-id': 'm' })
  const key = 'quorate/eu/a'

  it('removes each version of an object, and then the marks of its removals, and nothing of its neighbours', async () => {
    server.answer(
      hidden,
      versions(version(key, '1'), version(`${key}.b`, '7'), version(key, '2'), marker(key, 'm')),
      gone,
    )
    expect(await store.remove('a')).toBe('gone')
    expect(server.asked.map(({ method, query }) => [method, query.get('versionId')])).toEqual([
      ['DELETE', null],
      ['GET', null],
      ['DELETE', '1'],
      ['DELETE', '2'],
      ['DELETE', 'm'],
    ])
  })

  it.each([
    [
      'a version is locked',
      [hidden, versions(version(key, '1'), marker(key, 'm')), error(403, 'AccessDenied', 'object lock')],
    ],
    ['versions may not be listed', [hidden, error(403, 'AccessDenied')]],
  ] as const)('keeps an object out of sight where %s, and says so', async (_, given) => {
    server.answer(...given)
    expect(await store.remove('a')).toBe('kept')
    expect(server.asked.some(({ query }) => query.get('versionId') === 'm')).toBe(false)
  })

  it('lists page by page, and refuses a list without an end', async () => {
    const page = (more: boolean, ...keys: string[]) =>
      answer(
        200,
        {},
        `<ListBucketResult><IsTruncated>${more}</IsTruncated><NextContinuationToken>t</NextContinuationToken>${keys
          .map((one) => `<Contents><Key>${one}</Key></Contents>`)
          .join('')}</ListBucketResult>`,
      )
    server.answer(page(true, 'quorate/eu/b', 'quorate/eu/UP'), page(false, 'quorate/eu/a/c', 'other/d'))
    expect(await store.list('')).toEqual(['a/c', 'b'])
    expect(server.asked.map(({ query }) => query.get('prefix'))).toEqual(['quorate/eu/', 'quorate/eu/'])
    server.answer(page(true, ...Array(1000).fill('quorate/eu/a')))
    expect(await faultOf(store.list(''))).toEqual(['wrong answer', expect.stringContaining('over 10000 objects')])
  })

  it('asks for the rights of its policy, all of them and no other', async () => {
    server.answer(made)
    await store.create('a', text('one'))
    const asked: Asked[] = [...server.asked]
    const note = async (act: Promise<unknown>): Promise<void> => {
      await act
      asked.push(...server.asked)
    }
    server.answer(object('one'))
    await note(store.read('a'))
    server.answer(hidden, versions(version(key, '1')), gone)
    await note(store.remove('a'))
    server.answer(answer(200, {}, '<ListBucketResult/>'))
    await note(store.list(''))
    const rights = asked.map(({ method, query }) => {
      if (method === 'GET')
        return query.has('versions') ? 'ListBucketVersions' : query.has('list-type') ? 'ListBucket' : 'GetObject'
      return method === 'PUT' ? 'PutObject' : query.has('versionId') ? 'DeleteObjectVersion' : 'DeleteObject'
    })
    const { Statement } = policy<{ Statement: readonly { Action: readonly string[] }[] }>('s3.json')
    expect([...new Set(rights)].map((right) => `s3:${right}`).sort()).toEqual(
      Statement.flatMap(({ Action }) => Action).sort(),
    )
  })
})
