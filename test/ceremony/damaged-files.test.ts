import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import { bundlePath, ceremonyFolder, definitionPath, logPath, notePath } from '../../src/ceremony/paths.ts'
import { writeNote } from '../../src/ceremony/store/notes.ts'
import { RecordStore } from '../../src/ceremony/store/record-store.ts'
import { openRoot } from '../../src/host/disk.ts'
import { fromEnvelope } from '../../src/identity/dsse.ts'
import type { Home } from '../../src/identity/home.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, definitionCodec } from '../../src/records/definition.ts'
import { type Note, noteCodec } from '../../src/records/note.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { findDefinition } from '../../src/site/find-definition.ts'
import { keepDefinition } from '../../src/site/kept-definition.ts'
import { keyBase, listKeys, showKey } from '../../src/site/keys.ts'
import { newFolder } from '../e2e/support.ts'
import { approveAll, joinAs, keyOf, writeHome } from '../hostile/ceremonies.ts'
import { signDefinition, siteEntries } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'
import { memoryKms } from '../support/kms.ts'
import { memoryWorld } from '../support/memory-site.ts'
import { inTurn } from '../support/report.ts'

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
  test.each(inTurn(ways, 3))('%s: this key is named as damaged, the other works', async (how) => {
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

test.each(['shard', 'slots', 'outcome', 'record'])('%s that is gone from a usable key is damage too', async (file) => {
  const before = await readFile(at(file))
  await rm(at(file))
  await wellIsWell()
  const [shown, ...more] = (await listKeys(folder.path)).damaged
  expect([shown?.name, more]).toEqual([file === 'outcome' ? null : 'hurt', []])
  expect(shown?.damage).toContain(file)
  await writeFile(at(file), before, { mode: 0o600 })
})

test.each(files)('a folder in the place of %s is damage too', async (file) => {
  const before = await readFile(at(file))
  await rm(at(file))
  await mkdir(at(file))
  await wellIsWell()
  const shown = (await listKeys(folder.path)).damaged
  expect(shown.map(({ key }) => key)).toEqual([hurt.id])
  expect(shown[0]?.damage).toContain(file)
  await rm(at(file), { recursive: true })
  await writeFile(at(file), before, { mode: 0o600 })
})

test('a file in the place of a key\u2019s folder is the damage of this key', async () => {
  const path = join(folder.path, 'keys', hurt.id)
  await rename(path, `${path}.away`)
  await writeFile(path, 'x')
  await wellIsWell()
  expect((await listKeys(folder.path)).damaged.map(({ key }) => key)).toEqual([hurt.id])
  await rm(path)
  await rename(`${path}.away`, path)
})

test('a definition that is missing is named, and the other key works', async () => {
  const path = definitionPath(ceremonyId(hurt.definition))
  const before = await readFile(join(folder.path, path))
  await rm(join(folder.path, path))
  await wellIsWell()
  expect((await listKeys(folder.path)).damaged.map(({ damage }) => damage)).toEqual([`${path} is missing`])
  await writeFile(join(folder.path, path), before)
})

describe('the definition of a key', () => {
  test.each(Object.keys(damages))('%s: the file is named, the other key works, a join writes it anew', async (how) => {
    const path = definitionPath(ceremonyId(hurt.definition))
    await damaged(join(folder.path, path), damages[how] as (bytes: Buffer) => Buffer, async () => {
      await wellIsWell()
      const [shown] = (await listKeys(folder.path)).damaged
      expect(shown?.key).toBe(hurt.id)
      const ceremony = ceremonyId(hurt.definition)
      const ask = { home: folder.path, topic: 'keygen', file: undefined } as const
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

describe('a note that is damaged', () => {
  const noteOf = async (home: Home, bytes: Uint8Array): Promise<Note> =>
    fromEnvelope(noteCodec, bytes, [home.keys.note.key]).value

  test.each(Object.keys(damages))('%s: the next one is newer than any before', async (how) => {
    const { home } = await memoryHome('s1')
    const path = notePath(ceremonyId(well.definition))
    await home.disk.folder(ceremonyFolder(ceremonyId(well.definition)))
    const { clock } = await world
    const book = new RecordStore(definitionAuthority(well.definition), clock)
    const write = () => writeNote(home, clock, book, 'approved', null)
    await write()
    const second = await noteOf(home, await write())
    expect(second.counter).toBe(2)
    const { files: all } = home.disk as MemoryDisk
    all.set(path, new Uint8Array(damages[how]?.(Buffer.from(all.get(path) as Uint8Array)) as Buffer))
    const third = await noteOf(home, await write())
    expect(third.counter).toBeGreaterThan(2 ** 32)
    expect((await noteOf(home, await write())).counter).toBe(third.counter + 1)
  })
})

test('whatever lies in the folder of a ceremony that is over, and in its bundle, a join of it is no bug', async () => {
  const ceremony = ceremonyId(well.definition)
  const disk = (await world).homes.get('s1')?.disk as MemoryDisk
  const paths = [...disk.files.keys()].filter((path) => /cosigned-|closing-ledger$|\/note$|\.bundle$/.test(path))
  const own = paths.filter(
    (path) => path.startsWith(ceremonyFolder(ceremony)) || path === bundlePath(ceremony, 'keygen'),
  )
  expect(own.length).toBeGreaterThanOrEqual(5)
  const whole = new Map(own.map((path) => [path, disk.files.get(path) as Uint8Array]))
  // No byte of these is text any more; the rest of the bundle is as it was.
  for (const [path, bytes] of whole) {
    const changed = Buffer.from(bytes)
    if (path.endsWith('.bundle')) changed.fill(0xff, changed.lastIndexOf('— '), changed.lastIndexOf('— ') + 9)
    else changed.fill(0xff)
    disk.files.set(path, new Uint8Array(changed))
  }
  const ended = await Promise.all(sites.map(async (site) => joinAs(await world, site, well.definition, null)))
  for (const { error } of ended) if (error !== undefined) expect(error).toBeInstanceOf(QuorateError)
  for (const [path, bytes] of whole) disk.files.set(path, bytes)
})
