import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { lintAgainst } from '../../src/ceremony/definition/lint-key.ts'
import { definitionPath } from '../../src/ceremony/paths.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { ceremonyId, definitionCodec } from '../../src/records/definition.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { keyBase, listKeys, showKey } from '../../src/site/keys.ts'
import { createIdentity } from '../../src/site/setup.ts'
import { newFolder } from '../e2e/support.ts'
import { keyOf, writeHome } from '../hostile/ceremonies.ts'
import { signDefinition } from '../support/definition.ts'
import { memoryWorld } from '../support/memory-site.ts'

/** Homes of version 0.1 may hold keys under names that lint refuses today. */
vi.mock('../../src/ceremony/definition/lint.ts', async (original) => {
  const real = await original<typeof import('../../src/ceremony/definition/lint.ts')>()
  return {
    ...real,
    lint: (...given: Parameters<typeof real.lint>) => real.lint(...given).filter(({ rule }) => rule !== 'name-as-id'),
  }
})

const sites = ['s1', 's2', 's3'] as SiteId[]
const folder = newFolder('key names')
afterAll(folder.remove)

const world = memoryWorld(sites)
const make = async (name: string, nonce: string) => keyOf(await world, sites, { name, nonce: nonce.repeat(16) })

let treasury: Awaited<ReturnType<typeof make>>
let others: readonly Awaited<ReturnType<typeof make>>[]
beforeAll(async () => {
  treasury = await make('treasury', '00')
  others = [await make(treasury.id, '11'), await make(treasury.id.slice(0, 12), '22')]
  const disk = (await world).homes.get('s1')?.disk as MemoryDisk
  const files = new Map(disk.files)
  for (const { definition } of [treasury, ...others])
    files.set(definitionPath(ceremonyId(definition)), definitionCodec.encode(definition))
  await writeHome(folder.path, files)
})

test('an id is the key of that id, whatever another is called', async () => {
  expect((await listKeys(folder.path)).keys.map(({ name }) => name).sort()).toEqual(
    ['treasury', treasury.id, treasury.id.slice(0, 12)].sort(),
  )
  for (const { id } of [treasury, ...others]) {
    expect((await showKey(folder.path, id)).key).toBe(id)
    expect((await keyBase(folder.path, id)).key).toBe(id)
  }
  expect((await showKey(folder.path, 'treasury')).key).toBe(treasury.id)
})

test('and a signature under it is checked against that key', async () => {
  const base = await keyBase(folder.path, treasury.id)
  const sign = await signDefinition({ sites: treasury.definition.sites, key: base.key, base: base.record })
  expect(lintAgainst(sign, base)).toEqual([])
})

test('what fits one by its name and another by its id is refused', async () => {
  await expect(showKey(folder.path, treasury.id.slice(0, 12))).rejects.toMatchObject({ code: 'E_NOT_FOUND' })
  expect((await showKey(folder.path, treasury.id.slice(0, 16))).key).toBe(treasury.id)
})

test('a new home takes no such name', async () => {
  const wanted = { home: join(folder.path, 'new'), role: 'approver', kms: [], stores: [] } as const
  const rest = { jurisdiction: undefined, control: undefined, passphrase: undefined, kmsPassphrase: undefined }
  for (const name of ['facade01', '7f3a-91c2'])
    await expect(createIdentity({ ...wanted, ...rest, name })).rejects.toMatchObject({ code: 'E_USAGE' })
  await expect(createIdentity({ ...wanted, ...rest, name: 'facade' })).resolves.toMatchObject({ name: 'facade' })
})
