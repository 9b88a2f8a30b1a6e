import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, vi } from 'vitest'
import { openStore } from '../../src/shards/stores/open.ts'
import { storeComplies } from '../compliance/stores.ts'
import { seededRandom } from '../support/random.ts'
import { absent } from './installed.ts'
import { type Running, startCounterpart } from './start.ts'
import { azurite, fakeGcs, makeBucket, makeContainer, makeGcsBucket, s3Environment, versitygw } from './stores.ts'

const random = seededRandom('stores')

/** Another bit in the first byte of a file. */
const flip = (path: string): void => {
  const bytes = readFileSync(path)
  bytes[0] = (bytes[0] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

describe.skipIf(absent(versitygw.name) !== undefined)(absent(versitygw.name) ?? 'versitygw plays S3', () => {
  let server: Running
  const environment = () => s3Environment(server.url)
  beforeAll(async () => {
    server = await startCounterpart(versitygw)
    for (const [name, value] of Object.entries(environment())) vi.stubEnv(name, value)
    for (const kind of ['plain', 'versioned', 'locked'] as const) await makeBucket(server.url, kind, kind)
  })
  afterAll(async () => {
    vi.unstubAllEnvs()
    await server?.stop()
  })
  const adapter = (bucket: string, letsGo: boolean) => async () => ({
    open: () => openStore(`s3://${bucket}/sites/eu?region=us-east-1`, { random, environment: environment() }),
    letsGo,
    spoil: async (name: string) => flip(join(server.scratch, 'objects', bucket, 'sites/eu', name)),
  })
  const marker = { 'over a marker': 'it takes the mark of a removal for an object' }

  storeComplies('a bucket', adapter('plain', true))
  storeComplies('a bucket with versions', adapter('versioned', true))
  storeComplies('a bucket with a lock', adapter('locked', false), marker)
})

describe.skipIf(absent(azurite.name) !== undefined)(absent(azurite.name) ?? 'azurite plays Azure Blob Storage', () => {
  let server: Running
  let made: Awaited<ReturnType<typeof makeContainer>>
  beforeAll(async () => {
    server = await startCounterpart(azurite)
    made = await makeContainer(server.url, 'shards')
  })
  afterAll(() => server?.stop())

  storeComplies(
    'a container',
    async () => ({ open: () => openStore(made.uri, { random, environment: made.environment }) }),
    { checksum: 'it keeps many objects in one file' },
  )
})

describe.skipIf(absent(fakeGcs.name) !== undefined)(absent(fakeGcs.name) ?? 'fake-gcs-server plays GCS', () => {
  let server: Running
  beforeAll(async () => {
    server = await startCounterpart(fakeGcs)
    await makeGcsBucket(server.url, 'plain', false)
    await makeGcsBucket(server.url, 'versioned', true)
    vi.stubEnv('STORAGE_EMULATOR_HOST', server.url)
  })
  afterAll(async () => {
    vi.unstubAllEnvs()
    await server?.stop()
  })
  const memory = { checksum: 'its state is in memory' }
  for (const bucket of ['plain', 'versioned'])
    storeComplies(
      `a ${bucket} bucket`,
      async () => ({ open: () => openStore(`gs://${bucket}/sites/eu`, { random }) }),
      memory,
    )
})
