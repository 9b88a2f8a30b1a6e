import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openStore } from '../../src/shards/stores/open.ts'
import type { Store } from '../../src/shards/stores/port.ts'
import type { StoreChecked } from '../../src/site/store-doctor.ts'
import { storeComplies } from '../compliance/stores.ts'
import { newFolder } from '../e2e/support.ts'
import { finished, quorate, start } from '../support/cli.ts'
import { seededRandom } from '../support/random.ts'
import { report } from '../support/report.ts'
import { newAuthority } from './authority.ts'
import { startAzureKv } from './azure-kv.ts'
import { absent } from './installed.ts'
import { type Running, startCounterpart } from './start.ts'
import {
  allow,
  azurite,
  azuriteWithTokens,
  fakeGcs,
  makeBucket,
  makeContainer,
  makeGcsBucket,
  makeTlsContainer,
  makeUser,
  s3Environment,
  versitygw,
} from './stores.ts'

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

  describe('a site with the rights of its policy', () => {
    const bytes = (value: string) => new Uint8Array(Buffer.from(value))
    /** Of the user `site`, whatever the environment of the others is. */
    const asSite = async <T>(act: (store: Store) => Promise<T>): Promise<T> => {
      vi.stubEnv('AWS_ACCESS_KEY_ID', 'site')
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'sitesitesite')
      try {
        return await act(
          await openStore('s3://rights/quorate/eu?region=us-east-1', { random, environment: environment() }),
        )
      } finally {
        for (const [name, value] of Object.entries(environment())) vi.stubEnv(name, value)
      }
    }
    let names = 0
    /** A name that no other test has removed: see `marker`. */
    const whole = async (store: Store) => {
      const name = `a${++names}`
      const made = await store.create(name, bytes('one'))
      const tag = (await store.read(name))?.tag ?? ''
      const replaced = await store.replace(name, bytes('two'), tag)
      const listed = (await store.list('')).includes(name)
      return [made, replaced, listed, await store.remove(name), await store.read(name)]
    }
    beforeAll(async () => {
      makeUser(server.url, 'site', 'sitesitesite')
      await makeBucket(server.url, 'rights', 'versioned')
    })

    it('is refused without them, and needs no other', async () => {
      const refused = { details: { store: 'refused' } }
      await expect(asSite(whole)).rejects.toMatchObject(refused)
      await allow(server.url, 'rights', 'site', 's3.json')
      expect(await asSite(whole)).toEqual([true, true, true, 'gone', undefined])
    })

    it.each(['s3:DeleteObjectVersion', 's3:ListBucketVersions'])(
      'hides what it removes without %s, and says so',
      async (right) => {
        await allow(server.url, 'rights', 'site', 's3.json', [right])
        expect(await asSite(whole)).toEqual([true, true, true, 'kept', undefined])
      },
    )

    it.each(['s3:PutObject', 's3:GetObject', 's3:DeleteObject'])('is refused without %s', async (right) => {
      await allow(server.url, 'rights', 'site', 's3.json', [right])
      await expect(asSite(whole)).rejects.toMatchObject({ details: { store: 'refused' } })
    })
  })
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

describe.skipIf([versitygw, azurite, fakeGcs].some(({ name }) => absent(name) !== undefined))(
  'a site with stores in three clouds, by the commands that operators type',
  () => {
    const running: Running[] = []
    const work = newFolder('stores by hand')
    afterAll(async () => {
      for (const one of running) await one.stop()
      work.remove()
    })

    it('asks each of them, and ends at once', async () => {
      const [s3, azure, gcs] = await Promise.all([versitygw, azurite, fakeGcs].map(startCounterpart))
      if (s3 === undefined || azure === undefined || gcs === undefined) expect.fail('not all of them started')
      running.push(s3, azure, gcs)
      const container = await makeContainer(azure.url, 'shards')
      for (const kind of ['plain', 'locked'] as const) await makeBucket(s3.url, kind, kind)
      await makeGcsBucket(gcs.url, 'plain', false)
      mkdirSync(join(work.path, 'replica'), 0o700)
      const stores = [
        `file:${work.path}/replica`,
        's3://plain/sites/eu?region=us-east-1',
        's3://locked/sites/eu?region=us-east-1',
        'gs://plain/sites/eu',
        container.uri,
      ]
      const env = { ...s3Environment(s3.url), ...container.environment, STORAGE_EMULATOR_HOST: gcs.url }
      const at = ['--home', join(work.path, 'eu')]
      const made = await quorate([
        ...['identity', 'create', ...at, '--name', 'eu', '--kms', `local:${work.path}/eu.key`, '--no-passphrase'],
        ...['--jurisdiction', 'EU', '--control', 'eu', ...['home', ...stores].flatMap((one) => ['--store', one])],
      ])
      expect(made.code, made.stderr).toBe(0)

      const child = start(['kms', 'doctor', ...at, '--json'], { env })
      let told = 0
      child.stdout?.on('data', () => {
        told = performance.now()
      })
      const { code, stdout, stderr } = await finished(child)
      report(`the process ended ${Math.round(performance.now() - told)} ms after its last word`)
      expect(performance.now() - told).toBeLessThan(2_000)
      expect(code, stdout).toBe(0)
      // Neither an SDK nor Node adds a word of its own.
      expect(stderr.replace(/^warning +node .*\n/m, '')).toBe('')
      const document = JSON.parse(stdout) as { readonly stores: readonly StoreChecked[] }
      expect(document.stores.map(({ store }) => store)).toEqual(stores)
      for (const { store, checks } of document.stores) {
        expect(checks.map(({ check, state }) => `${check} ${state}`)).toEqual(
          ['creates', 'once', 'reads', 'swaps', 'removes'].map((check) => `${check} ok`),
        )
        expect(checks.at(-1)?.said).toMatch(store.startsWith('s3://locked') ? /^not for good/ : /^for good$/)
      }
    })

    it('says which of them is gone', async () => {
      const [s3] = running
      await s3?.stop()
      const env = { ...s3Environment(s3?.url ?? ''), STORAGE_EMULATOR_HOST: running[2]?.url ?? '' }
      const { code, stdout } = await quorate(['kms', 'doctor', '--home', join(work.path, 'eu'), '--json'], { env })
      expect(code).toBe(1)
      const { stores } = JSON.parse(stdout) as { readonly stores: readonly StoreChecked[] }
      const states = stores.map(({ checks: [first] }) => [first?.state, /\((.*)\)/.exec(first?.said ?? '')?.[1] ?? ''])
      expect(states).toEqual([
        ['ok', ''],
        ['failed', expect.stringContaining('ECONNREFUSED')],
        ['failed', expect.stringContaining('ECONNREFUSED')],
        ['ok', ''],
        // Without its signature it looks for another credential, and finds none.
        ['failed', expect.any(String)],
      ])
    })
  },
)

describe.skipIf(absent(azurite.name) !== undefined)('a container with an identity in the place of a signature', () => {
  it('takes tokens for the audience of storage, and no other', async () => {
    const authority = newAuthority()
    const login = await startAzureKv(authority)
    login.issuer = 'https://sts.windows.net/tenant/'
    const server = await startCounterpart(azuriteWithTokens(authority))
    const work = newFolder('azure identity')
    try {
      const uri = await makeTlsContainer(new URL(server.url).port, 'shards', authority)
      const at = ['--home', join(work.path, 'eu')]
      const made = await quorate([
        ...['identity', 'create', ...at, '--name', 'eu', '--kms', `local:${work.path}/eu.key`, '--no-passphrase'],
        ...['--jurisdiction', 'EU', '--control', 'eu', '--store', uri],
      ])
      expect(made.code, made.stderr).toBe(0)
      const ask = async () => {
        const { stdout } = await quorate(['kms', 'doctor', ...at, '--json'], { env: login.env })
        const { stores } = JSON.parse(stdout) as { readonly stores: readonly StoreChecked[] }
        return stores[0]?.checks.map(({ state, said }) => [state, said]) ?? []
      }
      expect((await ask()).map(([state]) => state)).toEqual(Array(5).fill('ok'))
      login.issuer = 'https://elsewhere.example/'
      expect((await ask())[0]).toEqual(['failed', expect.stringContaining('refuses this site')])
      login.secret = 'another'
      expect((await ask())[0]).toEqual(['failed', expect.stringContaining('AADSTS7000215')])
    } finally {
      await server.stop()
      await login.stop()
      authority.remove()
      work.remove()
    }
  })
})
