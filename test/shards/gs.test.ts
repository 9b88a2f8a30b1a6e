import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { crc32c } from '../../src/lib/crc32c.ts'
import { openStore } from '../../src/shards/stores/open.ts'
import type { Store } from '../../src/shards/stores/port.ts'
import { policy } from '../support/policies.ts'
import { seededRandom } from '../support/random.ts'
import { type Answer, answer, broken, endless, faultOf, silent, storeServer } from './store-server.ts'

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value))
const sum = (value: string): string => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32c(text(value)))
  return bytes.toString('base64')
}
const json = (body: unknown, status = 200) =>
  answer(status, { 'content-type': 'application/json' }, JSON.stringify(body))
const error = (status: number, reason: string, message = 'so it is') =>
  json({ error: { code: status, message, errors: [{ reason, message }] } }, status)
const made = (value: string) => json({ name: 'a', generation: '1', crc32c: sum(value) })
const object = (value: string, headers: Readonly<Record<string, string>> = {}) =>
  answer(200, { 'x-goog-generation': '7', 'x-goog-hash': `crc32c=${sum(value)},md5=x`, ...headers }, value)

describe('a bucket of Google Cloud Storage', () => {
  let server: Awaited<ReturnType<typeof storeServer>>
  let store: Store
  const open = (deadline?: number) =>
    openStore('gs://custody-us/quorate/us', {
      random: seededRandom('gs'),
      ...(deadline === undefined ? {} : { deadline }),
    })
  beforeAll(async () => {
    server = await storeServer()
  })
  afterAll(() => server.close())
  beforeEach(async () => {
    vi.stubEnv('STORAGE_EMULATOR_HOST', server.url)
    store = await open()
    return () => void vi.unstubAllEnvs()
  })

  it('puts an object with the generation that it replaces, and its CRC-32C', async () => {
    server.answer(made('one'))
    expect(await store.create('a/b', text('one'))).toBe(true)
    expect(await store.replace('a/b', text('one'), '7')).toBe(true)
    expect(server.asked.map(({ method, path, query }) => [method, path, query.get('ifGenerationMatch')])).toEqual([
      ['POST', '/upload/storage/v1/b/custody-us/o', '0'],
      ['POST', '/upload/storage/v1/b/custody-us/o', '7'],
    ])
    expect(server.asked[0]?.query.get('name')).toBe('quorate/us/a/b')
    expect(server.asked[0]?.body.toString()).toContain(`"crc32c":"${sum('one')}"`)
  })

  it.each([
    [error(403, 'forbidden', 'site@custody does not have storage.objects.create access'), 'refused', 'HTTP 403'],
    [error(403, 'retentionPolicyNotMet'), 'locked', 'retentionPolicyNotMet'],
    [error(403, 'objectUnderActiveHold'), 'locked', 'objectUnderActiveHold'],
    [error(401, 'authError'), 'refused', 'authError'],
    [error(404, 'notFound', 'The specified bucket does not exist.'), 'missing', 'notFound'],
    [error(400, 'invalid', 'Provided CRC32C does not match'), 'wrong answer', ''],
    [error(400, 'invalid'), 'unfit', 'invalid'],
    [error(429, 'rateLimitExceeded'), 'throttled', 'rateLimitExceeded'],
    [answer(200, { 'content-type': 'text/html' }, '<html>log in'), 'wrong answer', 'another CRC-32C'],
    [made('other'), 'wrong answer', 'another CRC-32C'],
    [broken, 'unreachable', ''],
  ] as const)('tells faults by what happened: %#', async (given, fault, more) => {
    server.answer(given)
    expect(await faultOf(store.create('a', text('one')))).toEqual([fault, expect.stringContaining(more)])
  })

  it('asks again where the store was busy', async () => {
    server.answer(error(503, 'backendError'), made('one'))
    expect(await store.create('a', text('one'))).toBe(true)
    expect(server.asked).toHaveLength(2)
  })

  it('knows a write again whose answer was lost, by its mark, and takes no other for it', async () => {
    let mark = ''
    const noted: Answer = (asked, response) => {
      mark = /"quorate-mark":"([0-9a-f]+)"/.exec(asked.body.toString())?.[1] ?? ''
      error(503, 'backendError')(asked, response)
    }
    const head: Answer = (asked, response) => json({ metadata: { 'quorate-mark': mark } })(asked, response)
    server.answer(noted, error(412, 'conditionNotMet'), head)
    expect(await store.create('a', text('one'))).toBe(true)
    server.answer(error(412, 'conditionNotMet'), head)
    expect(await store.replace('a', text('one'), '7')).toBe(false)
    server.answer(error(412, 'conditionNotMet'), error(404, 'notFound'))
    expect(await store.replace('a', text('one'), '7')).toBe(false)
  })

  it.each([
    [object('one', { 'x-goog-hash': `crc32c=${sum('two')}` }), 'damaged', 'CRC-32C'],
    [object('one', { 'x-goog-hash': 'md5=x' }), 'damaged', 'CRC-32C'],
    [object('one', { 'x-goog-generation': '' }), 'wrong answer', 'no generation'],
    [object('x'.repeat(65_537)), 'wrong answer', ''],
    [endless(200, { 'x-goog-generation': '7' }), 'wrong answer', ''],
    [answer(404, {}, 'The specified bucket does not exist.'), 'missing', ''],
    [answer(404, {}, 'No such object: custody-us/quorate/us/a'), undefined, ''],
  ] as const)('reads no object but a whole one: %#', async (given, fault, more) => {
    server.answer(given)
    expect(await faultOf(store.read('a'))).toEqual([fault, expect.stringContaining(more)])
  })

  it('reads the generation that it got', async () => {
    server.answer(object('one'))
    expect(await store.read('a')).toEqual({ bytes: text('one'), tag: '7' })
  })

  it('gives a store up that never answers', async () => {
    const impatient = await open(800)
    const begun = performance.now()
    server.answer(silent)
    expect((await faultOf(impatient.create('a', text('one'))))[0]).toBe('unreachable')
    server.answer((_, response) => void response.writeHead(200, { 'x-goog-generation': '7' }).write('half'))
    expect((await faultOf(impatient.read('a')))[0]).toBe('unreachable')
    expect(performance.now() - begun).toBeLessThan(5_000)
  })

  it('sends nothing in plain HTTP but to this machine', async () => {
    vi.stubEnv('STORAGE_EMULATOR_HOST', 'http://192.0.2.1:9')
    expect((await faultOf((await open()).read('a')))[0]).toBe('unreachable')
  })

  const files = (...all: readonly (readonly [string, string])[]) =>
    json({ items: all.map(([name, generation]) => ({ name, generation, bucket: 'custody-us' })) })
  const key = 'quorate/us/a'

  it('removes each generation of an object, and nothing of its neighbours', async () => {
    server.answer(files([key, '1'], [key, '2'], [`${key}.b`, '3']), answer(204), answer(204), files())
    expect(await store.remove('a')).toBe('gone')
    expect(
      server.asked.filter(({ method }) => method === 'DELETE').map(({ query }) => query.get('generation')),
    ).toEqual(['1', '2'])
    expect(server.asked.at(-1)?.query.get('softDeleted')).toBe('true')
  })

  it.each([
    ['locks it', [files([key, '1']), error(403, 'retentionPolicyNotMet'), files()]],
    ['keeps what was deleted for some days', [files([key, '1']), answer(204), files([key, '1'])]],
    ['does not say', [files([key, '1']), answer(204), error(403, 'forbidden')]],
  ] as const)('says that a bucket keeps an object where it %s', async (_, given) => {
    server.answer(...given)
    expect(await store.remove('a')).toBe('kept')
  })

  it('lists page by page, and refuses a list without an end', async () => {
    server.answer(
      json({ items: [{ name: 'quorate/us/b' }, { name: 'quorate/us/UP' }], nextPageToken: 't' }),
      json({ items: [{ name: 'quorate/us/a/c' }, { name: 'other/d' }] }),
    )
    expect(await store.list('')).toEqual(['a/c', 'b'])
    server.answer(json({ items: Array(1000).fill({ name: 'quorate/us/a' }), nextPageToken: 't' }))
    expect(await faultOf(store.list(''))).toEqual(['wrong answer', expect.stringContaining('over 10000 objects')])
  })

  it('asks for the rights of its policy, all of them and no other', async () => {
    const rights = new Set<string>()
    const act = async (work: () => Promise<unknown>, ...given: readonly Answer[]): Promise<void> => {
      server.answer(...given)
      await work()
      for (const { method, path } of server.asked)
        rights.add(method === 'POST' ? 'create' : method === 'DELETE' ? 'delete' : path.endsWith('/o') ? 'list' : 'get')
    }
    await act(() => store.create('a', text('one')), made('one'))
    await act(() => store.read('a'), object('one'))
    await act(() => store.remove('a'), files([key, '1']), answer(204), files())
    await act(() => store.list(''), files())
    const { includedPermissions } = policy<{ includedPermissions: readonly string[] }>('gcs.json')
    expect([...rights].map((right) => `storage.objects.${right}`).sort()).toEqual(includedPermissions)
  })
})
