import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openStore } from '../../src/shards/stores/open.ts'
import type { Store } from '../../src/shards/stores/port.ts'
import { policy } from '../support/policies.ts'
import { seededRandom } from '../support/random.ts'
import { type Answer, answer, broken, endless, faultOf, silent, storeServer } from './store-server.ts'

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value))
const sum = (value: string): string => createHash('md5').update(value).digest('base64')
const error = (status: number, code: string) =>
  answer(
    status,
    { 'x-ms-error-code': code, 'content-type': 'application/xml' },
    `<Error><Code>${code}</Code><Message>so it is\nRequestId:1</Message></Error>`,
  )
const object = (value: string, headers: Readonly<Record<string, string>> = {}) =>
  answer(200, { etag: '"1"', 'content-md5': sum(value), 'content-length': String(value.length), ...headers }, value)
const made = answer(201, { etag: '"1"' })
const gone = answer(202)

describe('a container of Azure Blob Storage', () => {
  let server: Awaited<ReturnType<typeof storeServer>>
  let store: Store
  const open = (deadline?: number) =>
    openStore(`azblob:${server.url}/account/shards/quorate/ap`, {
      random: seededRandom('azblob'),
      environment: { AZURE_STORAGE_SAS_TOKEN: '?sv=2024&sig=TheSecretSignature' },
      ...(deadline === undefined ? {} : { deadline }),
    })
  beforeAll(async () => {
    server = await storeServer()
  })
  afterAll(() => server.close())
  beforeEach(async () => {
    store = await open()
  })

  it('puts an object with a condition and its MD5', async () => {
    server.answer(made)
    expect(await store.create('a/b', text('one'))).toBe(true)
    expect(await store.replace('a/b', text('two'), '"1"')).toBe(true)
    expect(
      server.asked.map(({ method, path, headers, body }) => [
        ...[method, path, headers['if-none-match'], headers['if-match'], headers['x-ms-blob-content-md5']],
        body.toString(),
      ]),
    ).toEqual([
      ['PUT', '/account/shards/quorate/ap/a/b', '*', undefined, sum('one'), 'one'],
      ['PUT', '/account/shards/quorate/ap/a/b', undefined, '"1"', sum('two'), 'two'],
    ])
  })

  it.each([
    [error(403, 'AuthorizationPermissionMismatch'), 'refused', 'AuthorizationPermissionMismatch'],
    [error(403, 'AuthenticationFailed'), 'refused', 'AuthenticationFailed'],
    [answer(403, {}, '<html>log in'), 'refused', 'HTTP 403'],
    [error(404, 'ContainerNotFound'), 'missing', 'ContainerNotFound'],
    [error(409, 'BlobImmutableDueToPolicy'), 'locked', 'BlobImmutableDueToPolicy'],
    [error(412, 'LeaseIdMissing'), 'locked', 'LeaseIdMissing'],
    [error(400, 'Md5Mismatch'), 'wrong answer', 'Md5Mismatch'],
    [error(400, 'InvalidHeaderValue'), 'unfit', 'InvalidHeaderValue'],
    [error(503, 'ServerBusy'), 'throttled', 'ServerBusy'],
    [error(500, 'InternalError'), 'unreachable', 'InternalError'],
    [answer(201, { etag: '"1"', 'content-md5': sum('other') }), 'wrong answer', 'another MD5'],
    [broken, 'unreachable', ''],
  ] as const)('tells faults by what happened: %#', async (given, fault, more) => {
    server.answer(given)
    const [what, message] = await faultOf(store.create('a', text('one')))
    expect([what, message]).toEqual([fault, expect.stringContaining(more)])
    expect(message).not.toContain('TheSecretSignature')
  })

  it('asks again where the store was busy', async () => {
    server.answer(error(503, 'ServerBusy'), made)
    expect(await store.create('a', text('one'))).toBe(true)
    expect(server.asked).toHaveLength(2)
  })

  it('knows a write again whose answer was lost, by its mark, and takes no other for it', async () => {
    let mark = ''
    const noted: Answer = (asked, response) => {
      mark = String(asked.headers['x-ms-meta-quoratemark'])
      response.destroy()
    }
    const head: Answer = (asked, response) => answer(200, { 'x-ms-meta-quoratemark': mark })(asked, response)
    server.answer(noted, error(409, 'BlobAlreadyExists'), head)
    expect(await store.create('a', text('one'))).toBe(true)
    expect(server.asked.map(({ method }) => method)).toEqual(['PUT', 'PUT', 'HEAD'])
    server.answer(error(412, 'ConditionNotMet'), head)
    expect(await store.replace('a', text('one'), '"1"')).toBe(false)
    server.answer(error(404, 'BlobNotFound'))
    expect(await store.replace('a', text('one'), '"1"')).toBe(false)
  })

  it.each([
    [object('one', { 'content-md5': sum('two') }), 'damaged', 'another one'],
    [answer(200, { etag: '"1"', 'content-length': '3' }, 'one'), 'damaged', 'no MD5'],
    [answer(200, { 'content-md5': sum('one'), 'content-length': '3' }, 'one'), 'wrong answer', ''],
    [object('one', { 'content-length': '9000000' }), 'wrong answer', 'over 65536 bytes'],
    [object('x'.repeat(65_537)), 'wrong answer', ''],
    [endless(200, { etag: '"1"' }), 'wrong answer', ''],
    [error(404, 'ContainerNotFound'), 'missing', ''],
    [error(404, 'BlobNotFound'), undefined, ''],
  ] as const)('reads no object but a whole one: %#', async (given, fault, more) => {
    server.answer(given)
    expect(await faultOf(store.read('a'))).toEqual([fault, expect.stringContaining(more)])
  })

  it('gives a store up that never answers', async () => {
    const impatient = await open(800)
    const begun = performance.now()
    server.answer(silent)
    expect((await faultOf(impatient.create('a', text('one'))))[0]).toBe('unreachable')
    server.answer((_, response) => void response.writeHead(200, { etag: '"1"', 'content-length': '9' }).write('half'))
    expect((await faultOf(impatient.read('a')))[0]).toBe('unreachable')
    expect(performance.now() - begun).toBeLessThan(5_000)
  })

  const key = 'quorate/ap/a'
  const blobs = (...all: readonly string[]) =>
    answer(
      200,
      { 'content-type': 'application/xml' },
      `<?xml version="1.0"?><EnumerationResults><Blobs>${all.join('')}</Blobs><NextMarker/></EnumerationResults>`,
    )
  const blob = (name: string, more = '') => `<Blob><Name>${name}</Name>${more}<Properties/></Blob>`
  const version = (id: string) => `<VersionId>${id}</VersionId>`

  it('removes an object, its snapshots and its versions, and nothing of its neighbours', async () => {
    server.answer(gone, blobs(blob(key, version('1')), blob(`${key}.b`, version('7'))), gone, blobs())
    expect(await store.remove('a')).toBe('gone')
    const told = server.asked.map(({ method, query, headers }) => [
      ...[method, query.get('versionid'), headers['x-ms-delete-snapshots']],
    ])
    expect(told).toEqual([
      ['DELETE', null, 'include'],
      ['GET', null, undefined],
      ['DELETE', '1', undefined],
      ['GET', null, undefined],
    ])
  })

  it.each([
    ['locks it', [error(409, 'BlobImmutableDueToPolicy')]],
    [
      'locks a version',
      [gone, blobs(blob(key, version('1'))), error(409, 'BlobImmutableDueToPolicy'), blobs(blob(key))],
    ],
    ['keeps what was deleted for some days', [gone, blobs(blob(key, '<Deleted>true</Deleted>'))]],
    ['does not say', [gone, error(403, 'AuthorizationPermissionMismatch')]],
  ] as const)('says that a container keeps an object where it %s', async (_, given) => {
    server.answer(...given)
    expect(await store.remove('a')).toBe('kept')
  })

  it('lists the names below its prefix, and refuses a list without an end', async () => {
    server.answer(blobs(blob('quorate/ap/b'), blob('quorate/ap/UP'), blob('quorate/ap/a/c'), blob('other/d')))
    expect(await store.list('')).toEqual(['a/c', 'b'])
    expect(server.asked[0]?.query.get('prefix')).toBe('quorate/ap/')
    const page = Array(1000).fill(blob(key)).join('')
    server.answer(
      answer(
        200,
        { 'content-type': 'application/xml' },
        `<EnumerationResults><Blobs>${page}</Blobs><NextMarker>t</NextMarker></EnumerationResults>`,
      ),
    )
    expect(await faultOf(store.list(''))).toEqual(['wrong answer', expect.stringContaining('over 10000 objects')])
  })

  it('asks for the rights of its policy, all of them and no other', async () => {
    const rights = new Set<string>()
    const act = async (work: () => Promise<unknown>, ...given: readonly Answer[]): Promise<void> => {
      server.answer(...given)
      await work()
      for (const { method, query } of server.asked)
        rights.add(
          method === 'PUT'
            ? 'write'
            : method !== 'DELETE'
              ? 'read'
              : query.has('versionid')
                ? 'deleteBlobVersion/action'
                : 'delete',
        )
    }
    await act(() => store.create('a', text('one')), made)
    await act(() => store.read('a'), object('one'))
    await act(() => store.remove('a'), gone, blobs(blob(key, version('1'))), gone, blobs())
    await act(() => store.list(''), blobs())
    const { DataActions } = policy<{ DataActions: readonly string[] }>('azblob.json')
    const own = 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/'
    expect([...rights].map((right) => `${own}${right}`).sort()).toEqual([...DataActions].sort())
  })
})
