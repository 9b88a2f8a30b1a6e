import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { definitionPath, logPath } from '../../src/ceremony/paths.ts'
import { openRoot } from '../../src/host/disk.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, definitionCodec } from '../../src/records/definition.ts'
import { findDefinition } from '../../src/site/find-definition.ts'
import { keepDefinition } from '../../src/site/kept-definition.ts'
import { keyBase, listKeys, showKey } from '../../src/site/keys.ts'
import { newFolder } from '../e2e/support.ts'
import { approveAll, joinAs, keyOf, writeHome } from '../hostile/ceremonies.ts'
import { signDefinition, siteEntries } from '../support/definition.ts'
import { memoryKms } from '../support/kms.ts'
import type { MemoryDisk } from '../support/memory-disk.ts'
import { memoryWorld } from '../support/memory-site.ts'

/** One damaged file disables one thing: two keys in one home, and each file of the first is damaged in each way. */

const sites = ['s1', 's2', 's3'] as SiteId[]
const folder = newFolder('damaged files')
afterAll(folder.remove)

const world = memoryWorld(sites)
const make = async (name: string, nonce: string) => keyOf(await world, sites, { name, nonce: nonce.repeat(16) })
let hurt: Awaited<ReturnType<typeof make>>
let well: Awaited<ReturnType<typeof make>>

const files = ['shard', 'slots', 'outcome', 'record', 'votes'] as const
const at = (file: string): string => join(folder.path, 'keys', hurt.id, hurt.id, file)

beforeAll(async () => {
  hurt = await make('hurt', '00')
  well = await make('well', '11')
  const disk = (await world).homes.get('s1')?.disk as MemoryDisk
  const all = new Map(disk.files)
  for (const { definition } of [hurt, well])
    all.set(definitionPath(ceremonyId(definition)), definitionCodec.encode(definition))
  await writeHome(folder.path, all)
})

const damages: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  'a bit of it is flipped': (bytes) => {
    const changed = Buffer.from(bytes)
    const place = changed.length >> 2
    changed[place] = (changed[place] as number) ^ 1
    return changed
  },
  'it is cut': (bytes) => bytes.subarray(0, bytes.length - 7),
  'it is empty': () => Buffer.alloc(0),
  'it holds zeros': (bytes) => Buffer.alloc(bytes.length),
  'it is another text': () => Buffer.from('restored from somewhere\n'),
}

const damaged = async (path: string, damage: (bytes: Buffer) => Buffer, look: () => Promise<void>): Promise<void> => {
  const before = await readFile(path)
  await writeFile(path, damage(before))
  try {
    await look()
  } finally {
    await writeFile(path, before)
  }
}

const wellIsWell = async (): Promise<void> => {
  const { keys } = await listKeys(folder.path)
  expect(keys.map(({ name, state }) => [name, state])).toEqual([['well', 'installed']])
  expect((await showKey(folder.path, 'well')).key).toBe(well.id)
  expect((await keyBase(folder.path, well.id)).key).toBe(well.id)
}

const faultOf = async (work: Promise<unknown>): Promise<QuorateError> => {
  const error = await work.then(() => undefined).catch((thrown: unknown) => thrown)
  if (error instanceof QuorateError) return error
  throw new Error(`no fault of ours: ${error}`)
}

describe.each(files)('%s of a key', (file) => {
  // A bit of a vote may be one of its signature, which shows only to those who check it: the log has the votes too.
  const ways = Object.keys(damages).filter((how) => file !== 'votes' || !how.includes('bit'))
  test.each(ways)('%s: this key is named as damaged, the other works', async (how) => {
    await damaged(at(file), damages[how] as (bytes: Buffer) => Buffer, async () => {
      await wellIsWell()
      const shown = (await listKeys(folder.path)).damaged
      expect(shown.map(({ key }) => key)).toEqual([hurt.id])
      expect(shown[0]?.name).toBe(file === 'outcome' ? null : 'hurt')
      expect(shown[0]?.damage).toContain(`keys/${hurt.id}/${hurt.id}`)
      expect(shown[0]?.damage).toContain(file)
      const fault = await faultOf(showKey(folder.path, hurt.id))
      expect(fault).toMatchObject({ code: 'E_SHARD', message: shown[0]?.damage })
      expect(fault.hint).toContain('never the whole home')
      expect((await faultOf(showKey(folder.path, 'nothing'))).code).toBe('E_NOT_FOUND')
    })
    expect((await listKeys(folder.path)).damaged).toEqual([])
  })
})

test.each(['shard', 'slots'])('%s that is gone from a usable key is damage too', async (file) => {
  const before = await readFile(at(file))
  await rm(at(file))
  await wellIsWell()
  expect((await listKeys(folder.path)).damaged.map(({ name }) => name)).toEqual(['hurt'])
  await writeFile(at(file), before, { mode: 0o600 })
})

describe('the definition of a key', () => {
  test.each(Object.keys(damages))('%s: the file is named, the other key works, a join writes it anew', async (how) => {
    const path = definitionPath(ceremonyId(hurt.definition))
    await damaged(join(folder.path, path), damages[how] as (bytes: Buffer) => Buffer, async () => {
      await wellIsWell()
      const [shown] = (await listKeys(folder.path)).damaged
      expect(shown?.key).toBe(hurt.id)
      const ceremony = ceremonyId(hurt.definition)
      const ask = { home: folder.path, kind: 'keygen', file: undefined } as const
      expect((await findDefinition({ ...ask, ceremony: undefined })).definition.name).toBe('well')
      const fault = await faultOf(findDefinition({ ...ask, ceremony }))
      expect(fault.message).toContain(path)
      expect(shown?.damage).toBe(fault.message)
      const disk = await openRoot(folder.path)
      await keepDefinition(disk, hurt.definition)
      await disk.close()
      expect((await listKeys(folder.path)).damaged).toEqual([])
    })
  })
})

test('a site whose file of the definition is damaged signs: its log has it too', async () => {
  const disk = (await world).homes.get('s1')?.disk as MemoryDisk
  disk.files.set(definitionPath(ceremonyId(hurt.definition)), new Uint8Array(9))
  const { record } = await showKey(folder.path, 'hurt')
  const definition = await signDefinition({
    sites: await siteEntries(sites),
    key: hurt.id,
    base: record as Hash,
    message: { form: 'file', name: 'm', size: 1, sha256: hashOf(Uint8Array.of(7)) },
  })
  await approveAll(await world, ['s1', 's2'] as SiteId[], definition)
  // A KMS key that cannot open the share is known before anybody is troubled: no attempt is used up.
  const swapped = await joinAs(await world, 's1' as SiteId, definition, Uint8Array.of(7), undefined, {
    site: { kms: async () => memoryKms('of another site') },
  })
  expect(swapped.error).toMatchObject({ code: 'E_KMS_DENIED' })
  expect(disk.files.has(logPath(ceremonyId(definition)))).toBe(false)
  const ended = await Promise.all(
    (['s1', 's2'] as SiteId[]).map(async (site) => joinAs(await world, site, definition, Uint8Array.of(7))),
  )
  expect(ended.map(({ error }) => error)).toEqual([undefined, undefined])
})
