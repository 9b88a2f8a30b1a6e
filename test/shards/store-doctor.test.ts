import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { definitionYaml } from '../../src/records/definition-yaml.ts'
import { createIdentity, readIdentity } from '../../src/site/setup.ts'
import { askStores, listStores } from '../../src/site/store-doctor.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { type Answer, answer, storeServer } from './store-server.ts'

describe('the doctor of stores', () => {
  let folder: string
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'quorate doctor ')))
    mkdirSync(join(folder, 'store'), 0o700)
    return () => rmSync(folder, { recursive: true })
  })
  const home = async (...stores: readonly string[]): Promise<string> => {
    const at = join(folder, 'eu')
    await createIdentity({
      ...{ home: at, name: 'eu', role: 'site', kms: [`local:${folder}/eu.key`], stores },
      ...{ jurisdiction: 'EU', control: 'eu', passphrase: undefined, kmsPassphrase: undefined },
    })
    return at
  }
  const states = async (at: string, environment = {}) =>
    (await askStores({ home: at, environment })).map(({ checks }) =>
      checks.map(({ check, state }) => `${check} ${state}`),
    )
  const holds = ['creates ok', 'once ok', 'reads ok', 'swaps ok', 'removes ok']

  it('tries what a replica relies on, and leaves nothing', async () => {
    const at = await home('home', `file:${folder}/store`)
    expect(await states(at)).toEqual([holds])
    const left = readdirSync(join(folder, 'store'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.includes('@'),
    )
    expect(left.map((name) => readFileSync(join(folder, 'store', name), 'utf8'))).toEqual(
      Array(3).fill('quorate-object/v1 gone\n'),
    )
  })

  it('says who mends a store that is not there or refuses, and tries nothing else of it', async () => {
    mkdirSync(join(folder, 'open'))
    chmodSync(join(folder, 'open'), 0o755)
    const at = await home(`file:${folder}/absent`, `file:${folder}/open`, `file:${folder}/store`)
    const left = ['once left', 'reads left', 'swaps left', 'removes left']
    expect(await states(at)).toEqual([['creates failed', ...left], ['creates failed', ...left], holds])
    const [absent, open] = await askStores({ home: at })
    expect(absent?.checks[0]).toMatchObject({
      said: expect.stringContaining('is not there'),
      hint: expect.stringContaining('make it'),
    })
    expect(open?.checks[0]?.said).toContain('mode 755')
  })

  it('takes a text on an old card that names no store for one that fails', async () => {
    const at = await home('home')
    const path = join(at, 'site.yaml')
    writeFileSync(path, readFileSync(path, 'utf8').replace(/^ +- home$/m, '  - home\n  - the safe of eu'))
    expect((await readIdentity(at)).card?.stores).toEqual(['home', 'the safe of eu'])
    expect(await listStores({ home: at })).toMatchObject([{ store: 'the safe of eu', known: false }])
    expect((await states(at))[0]?.[0]).toBe('creates failed')
  })

  it('names the stores of other sites, and asks none of them', async () => {
    const at = await home(`file:${folder}/store`)
    const other = 's3://custody-us/quorate?region=us-east-1'
    const sites = (await siteEntries(['us', 'ap'])).map((site, n) => ({
      ...site,
      stores: n === 0 ? ['home', other] : ['x'],
    }))
    const definition = definitionYaml(await keygenDefinition({ sites }))
    expect(await listStores({ home: at, definition })).toEqual([
      { site: 'eu', own: true, store: `file:${folder}/store`, known: true, region: null, host: null },
      { site: 'us', own: false, store: other, known: true, region: 'us-east-1', host: null },
      { site: 'ap', own: false, store: 'x', known: false, region: null, host: null },
    ])
    expect((await askStores({ home: at, definition }))[1]?.checks).toEqual([])
  })

  it('makes no home with a text that names no store', async () => {
    for (const store of ['the safe of eu', 'bundle', 's3://custody-eu'])
      await expect(home(store)).rejects.toMatchObject({ code: 'E_USAGE' })
    expect(readdirSync(folder)).toEqual(['store'])
  })

  describe('at a server that is wrong', () => {
    let server: Awaited<ReturnType<typeof storeServer>>
    beforeEach(async () => {
      server = await storeServer()
      return () => server.close()
    })

    /** Takes every write, whatever its condition. */
    const heedless = (): Answer => {
      let held: Buffer = Buffer.alloc(0)
      let name = ''
      return (asked, response) => {
        if (asked.method === 'PUT') {
          held = asked.body
          name = asked.path
          return answer(201, { etag: '"1"' })(asked, response)
        }
        if (asked.method === 'DELETE') return answer(202)(asked, response)
        if (asked.query.has('comp'))
          return answer(200, {}, '<EnumerationResults><Blobs></Blobs></EnumerationResults>')(asked, response)
        return answer(
          name === asked.path ? 200 : 404,
          { etag: '"1"', 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' },
          held,
        )(asked, response)
      }
    }

    it('finds out that a store takes a name twice', async () => {
      const at = await home(`azblob:${server.url}/account/shards`)
      server.answer(heedless())
      const [checks] = await states(at, { AZURE_STORAGE_SAS_TOKEN: 'sv=1&sig=secret' })
      expect(checks?.slice(0, 4)).toEqual(['creates ok', 'once failed', 'reads left', 'swaps left'])
      expect(server.asked.at(-1)?.query.get('sig')).toBe('secret')
    })
  })
})
