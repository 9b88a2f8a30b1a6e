import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { addGeneration, contentOf } from '../../src/shards/stores/generations.ts'
import { openStore } from '../../src/shards/stores/open.ts'
import type { Store } from '../../src/shards/stores/port.ts'
import { built, root as tree } from '../support/cli.ts'
import { many, report } from '../support/report.ts'

const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value))

describe('a folder as a store', () => {
  let root: string
  let store: Store
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'quorate-store-'))
    store = await openStore(`file:${root}`, { random })
    return () => {
      chmodSync(root, 0o700)
      rmSync(root, { recursive: true })
    }
  })
  const fault = async (work: Promise<unknown>): Promise<readonly unknown[]> =>
    work.then(
      (value) => [value],
      ({ code, details, message }) => [code, details?.store, message],
    )
  const age = (path: string, by = 7_200): void => utimesSync(path, Date.now() / 1000 - by, Date.now() / 1000 - by)
  const filesOf = (name: string): readonly string[] => readdirSync(join(root, name)).sort()

  it('is for this user alone, whatever the umask', async () => {
    const umask = process.umask(0)
    await store.create('a/b', text('one')).finally(() => process.umask(umask))
    expect(['a', 'a/b', 'a/b/@1'].map((path) => (statSync(join(root, path)).mode & 0o777).toString(8))).toEqual([
      '700',
      '700',
      '600',
    ])
  })

  it('is not made where it is not: its disk may not be there', async () => {
    const absent = await openStore(`file:${root}/absent`, { random })
    expect(await fault(absent.create('a', text('x')))).toEqual([
      'E_STORE',
      'missing',
      expect.stringContaining('ENOENT'),
    ])
    expect(existsSync(join(root, 'absent'))).toBe(false)
  })

  it('is refused where others can enter it, and where it is a link', async () => {
    chmodSync(root, 0o750)
    expect(await fault(store.read('a'))).toEqual(['E_STORE', 'refused', expect.stringContaining('mode 750')])
    chmodSync(root, 0o700)
    mkdirSync(join(root, 'real'), 0o700)
    symlinkSync(join(root, 'real'), join(root, 'link'))
    const linked = await openStore(`file:${root}/link`, { random })
    expect(await fault(linked.create('a', text('x')))).toEqual(['E_STORE', 'missing', expect.stringContaining('link')])
  })

  it('follows no link below it', async () => {
    const other = mkdtempSync(join(tmpdir(), 'quorate-other-'))
    symlinkSync(other, join(root, 'a'))
    const acts = [
      () => store.create('a/b', text('x')),
      () => store.read('a/b'),
      () => store.remove('a/b'),
      () => store.list('a'),
    ]
    for (const act of acts) expect((await fault(act())).slice(0, 2)).toEqual(['E_STORE', 'damaged'])
    expect(await store.list('')).toEqual([])
    expect(readdirSync(other)).toEqual([])
    rmSync(other, { recursive: true })

    await store.create('b', text('x'))
    writeFileSync(join(root, 'secret'), contentOf(text('secret')))
    rmSync(join(root, 'b/@1'))
    symlinkSync(join(root, 'secret'), join(root, 'b/@1'))
    expect((await fault(store.read('b'))).slice(0, 2)).toEqual(['E_STORE', 'damaged'])
  })

  it.each([
    ['nothing in it', () => text('')],
    ['half of it', (whole: Uint8Array) => whole.subarray(0, whole.length >> 1)],
    ['a byte less', (whole: Uint8Array) => whole.subarray(0, -1)],
    ['a byte more', (whole: Uint8Array) => Buffer.concat([whole, text('x')])],
    ['far more', (whole: Uint8Array) => Buffer.concat([whole, new Uint8Array(70_000)])],
    ['zeros', (whole: Uint8Array) => new Uint8Array(whole.length)],
  ])('says that an object is damaged of which the disk has %s, and lets go of it', async (_, spoil) => {
    await store.create('a', text('one'))
    const path = join(root, 'a/@1')
    writeFileSync(path, spoil(readFileSync(path)))
    expect((await fault(store.read('a'))).slice(0, 2)).toEqual(['E_STORE', 'damaged'])
    expect(await store.create('a', text('two'))).toBe(false)
    expect(await store.list('')).toEqual(['a'])
    expect(await store.remove('a')).toBe('gone')
    expect(await store.read('a')).toBeUndefined()
    expect(await store.create('a', text('two'))).toBe(true)
  })

  it('keeps no bytes of what was replaced or removed', async () => {
    await store.create('a', text('the first bytes'))
    await store.replace('a', text('the second bytes'), (await store.read('a'))?.tag ?? '')
    await store.remove('a')
    const left = filesOf('a').map((name) => readFileSync(join(root, 'a', name), 'utf8'))
    expect(left).toEqual(Array(3).fill('quorate-object/v1 gone\n'))
  })

  it('takes what a killed writer left with an object that is removed, and a writer at work begins again', async () => {
    await store.create('a', text('one'))
    const folder = join(root, 'a')
    writeFileSync(join(folder, '@new.00'), 'bytes')
    const during = addGeneration(folder, '11', contentOf(text('two')), async () => {
      expect(await store.remove('a')).toBe('gone')
      expect(filesOf('a')).toEqual(['@1', '@2'])
      return 2
    })
    await expect(during).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await store.read('a')).toBeUndefined()
    const many = await Promise.all([
      ...Array.from({ length: 10 }, (_, n) => store.create('b', text(`${n}`))),
      ...Array.from({ length: 3 }, () => store.remove('b')),
    ])
    expect(many.filter((one) => one === 'gone')).toHaveLength(3)
    expect(many.filter((one) => one === true).length).toBeGreaterThan(0)
  })

  it('clears away, an hour later, what was removed and what a killed writer left', async () => {
    await store.create('a', text('one'))
    await store.remove('a')
    mkdirSync(join(root, 'b'), 0o700)
    writeFileSync(join(root, 'b/@new.00'), 'half')
    await store.create('c', text('stays'))
    expect(await store.list('')).toEqual(['c'])
    expect(filesOf('a').concat(filesOf('b'))).toEqual(['@1', '@2', '@new.00'])
    for (const path of ['a/@1', 'a/@2', 'b/@new.00', 'c/@1']) age(join(root, path))
    expect(await store.list('')).toEqual(['c'])
    expect(readdirSync(root)).toEqual(['c'])
    expect((await store.read('c'))?.bytes).toEqual(text('stays'))
  })

  it('lets a writer that was stopped for hours put nothing in the place of an object that it did not see', async () => {
    await store.create('a', text('one'))
    const folder = join(root, 'a')
    const late = addGeneration(folder, 'stopped', contentOf(text('late')), async () => {
      // It saw the first generation, and then slept.
      await store.remove('a')
      for (const name of filesOf('a')) age(join(folder, name), name.startsWith('@new') ? 7_300 : 7_200)
      await store.list('')
      expect(existsSync(folder)).toBe(false)
      expect(await store.create('a', text('two'))).toBe(true)
      return 1
    })
    await expect(late).rejects.toMatchObject({ code: 'ENOENT' })
    expect((await store.read('a'))?.bytes).toEqual(text('two'))
  })

  it('tells a disk that fails from one that is full of other things', async () => {
    writeFileSync(join(root, 'notes.txt'), 'of somebody')
    mkdirSync(join(root, 'lost+found'), 0o000)
    await store.create('a', text('one'))
    linkSync(join(root, 'notes.txt'), join(root, 'a/@other'))
    expect(await store.list('')).toEqual(['a'])
    expect((await store.read('a'))?.bytes).toEqual(text('one'))
    mkdirSync(join(root, 'd/@1'), { recursive: true })
    expect((await fault(store.read('d'))).slice(0, 2)).toEqual(['E_STORE', 'damaged'])
  })
})

describe('a process that writes to a folder', () => {
  let root: string
  beforeAll(async () => {
    await built()
    root = mkdtempSync(join(tmpdir(), 'quorate-killed-'))
  })
  afterAll(() => rmSync(root, { recursive: true }))

  it('may be killed at any moment: all of a step is there, or nothing of it', async () => {
    const store = await openStore(`file:${root}`, { random })
    const rounds = many(6, 80, 1_000)
    let step = 1
    let halves = 0
    for (let round = 0; round < rounds; round++) {
      const child = spawn(
        process.execPath,
        [join(tree, 'test/shards/file-store-process.mjs'), `file:${root}`, String(step)],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      )
      let said = ''
      child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), Math.random() * 250))
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk
      })
      await new Promise((resolve) => child.once('close', resolve))
      const words = said.trim().split('\n')
      const [word = '', last = ''] = words.at(-1)?.split(' ') ?? []
      const now = await store.read('pieces/one')
      const found = now === undefined ? undefined : Buffer.from(now.bytes).toString()
      const leftBy = (at: number): string | undefined => (at % 4 === 0 ? undefined : `${at} `.repeat(4000))
      expect(word === 'ended' ? [leftBy(Number(last))] : [leftBy(Number(last) - 1), leftBy(Number(last))]).toContain(
        found,
      )
      if (word === 'begins') halves++
      step = Number(last) + 1
      // The next one goes on from the step that was said last.
      await store.remove('pieces/one')
      const wanted = leftBy(step - 1)
      if (wanted !== undefined) await store.create('pieces/one', text(wanted))
    }
    report(`a file store: ${rounds} writers killed, ${halves} of them within a step, ${step} steps`)
  })
})
