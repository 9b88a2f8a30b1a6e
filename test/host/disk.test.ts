import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type HostDisk, openRoot, withRoot } from '../../src/host/disk.ts'
import { diskError } from '../../src/host/disk-error.ts'
import { utf8 } from '../../src/lib/bytes.ts'

let base: string
let root: string
let disk: HostDisk
let umask: number

beforeEach(async () => {
  umask = process.umask()
  base = await mkdtemp(join(tmpdir(), 'quorate disk '))
  root = join(base, 'a home')
  disk = await withRoot(root, async (made) => made)
})
afterEach(async () => {
  process.umask(umask)
  await disk.close()
  await rm(base, { recursive: true })
})

const mode = async (path: string): Promise<number> => (await stat(join(root, path))).mode & 0o777

describe('host disk', () => {
  it.each([0o000, 0o022, 0o077, 0o277, 0o777])('makes files 0600 and folders 0700 under umask %o', async (mask) => {
    process.umask(mask)
    await disk.folder('a/b')
    await disk.create('a/b/made', utf8('x'))
    await disk.append('a/b/log', utf8('x'))
    await withRoot(join(base, 'second', 'home'), async (made) => made)
    expect([await mode('a'), await mode('a/b')]).toEqual([0o700, 0o700])
    expect([await mode('a/b/made'), await mode('a/b/log')]).toEqual([0o600, 0o600])
    expect((await stat(join(base, 'second', 'home'))).mode & 0o777).toBe(0o700)
  })

  it('creates a file once and leaves what stands there alone', async () => {
    await disk.create('one', utf8('first'))
    await expect(disk.create('one', utf8('second'))).rejects.toMatchObject({ code: 'E_EXISTS' })
    expect(await disk.read('one')).toEqual(utf8('first'))
  })

  it('appends in the order asked for, syncs, cuts and goes on appending', async () => {
    await Promise.all(['a', 'b', 'c', 'd'].map((c) => disk.append('log', utf8(c))))
    await disk.sync('log')
    expect(await disk.read('log')).toEqual(utf8('abcd'))
    await disk.truncate('log', 2)
    await disk.append('log', utf8('z'))
    expect(await disk.read('log')).toEqual(utf8('abz'))
    await disk.create('whole', utf8('123'))
    await disk.sync('whole')
    await disk.truncate('whole', 1)
    expect(await disk.read('whole')).toEqual(utf8('1'))
  })

  it('renames over a file that appends hold open', async () => {
    await disk.append('log', utf8('old'))
    await disk.create('new', utf8('new'))
    await disk.rename('new', 'log')
    await disk.append('log', utf8('+'))
    await disk.syncFolder('.')
    expect(await disk.read('log')).toEqual(utf8('new+'))
    expect(await disk.read('new')).toBeUndefined()
  })

  it('lists, removes, and has nothing where there is nothing', async () => {
    await disk.folder('f/g')
    await disk.create('f/b', utf8('1'))
    await disk.create('f/a', utf8('2'))
    await disk.syncFolder('f')
    expect(await disk.list('f')).toEqual(['a', 'b', 'g'])
    expect(await disk.list('.')).toEqual(['f'])
    await disk.remove('f/a')
    await disk.remove('f/a')
    await disk.remove('f/g')
    expect(await disk.list('f')).toEqual(['b'])
    expect(await disk.list('nowhere')).toEqual([])
    expect(await disk.read('nowhere/file')).toBeUndefined()
    await expect(disk.remove('f')).rejects.toMatchObject({ code: 'E_DISK' })
  })

  it.each(['../out', '/etc/passwd', 'a/../../b', '', '.', 'a//b', './a', 'a\0b', 'a\\b', 'a b'])(
    'refuses the path %j',
    async (path) => {
      await expect(disk.read(path)).rejects.toThrow()
      await expect(disk.create(path, utf8('x'))).rejects.toThrow()
      await expect(disk.append(path, utf8('x'))).rejects.toThrow()
      await expect(disk.folder(path)).rejects.toThrow()
      await expect(disk.rename('a', path)).rejects.toThrow()
      expect(await readdir(base)).toEqual(['a home'])
    },
  )

  it('follows no symbolic link', async () => {
    await writeFile(join(base, 'outside'), 'theirs')
    await symlink(join(base, 'outside'), join(root, 'link'))
    await expect(disk.read('link')).rejects.toMatchObject({ code: 'E_FILE' })
    await expect(disk.append('link', utf8('x'))).rejects.toMatchObject({ code: 'E_DISK' })
    await expect(disk.create('link', utf8('x'))).rejects.toMatchObject({ code: 'E_EXISTS' })
  })

  it.runIf(process.platform === 'linux')('reads files alone: nothing else that stands there holds it up', async () => {
    await mkdir(join(root, 'folder'))
    execFileSync('mkfifo', [join(root, 'pipe')])
    await writeFile(join(root, 'huge'), '')
    await truncate(join(root, 'huge'), 2 ** 33)
    for (const name of ['folder', 'pipe', 'huge'])
      await expect(disk.read(name)).rejects.toMatchObject({ code: 'E_FILE', message: expect.stringContaining(name) })
  })

  it('leaves no new folder where the work in it threw before it made anything', async () => {
    const fail = () => Promise.reject(new Error('refused'))
    await expect(withRoot(join(base, 'new'), fail)).rejects.toThrow('refused')
    expect(await readdir(base)).toEqual(['a home'])
    await mkdir(join(base, 'there'), { mode: 0o700 })
    await expect(withRoot(join(base, 'there'), fail)).rejects.toThrow('refused')
    const half = (made: HostDisk) => made.create('file', utf8('x')).then(fail)
    await expect(withRoot(join(base, 'half'), half)).rejects.toThrow('refused')
    expect(await readdir(base)).toEqual(['a home', 'half', 'there'])
  })

  it('says what could not be done and what to do about it', async () => {
    await expect(disk.create('no-folder/file', utf8('x'))).rejects.toMatchObject({
      code: 'E_DISK',
      message: 'cannot write no-folder/file (ENOENT)',
    })
    const full = diskError('write', 'ledger', Object.assign(new Error('x'), { code: 'ENOSPC' }))
    expect(full).toMatchObject({ code: 'E_DISK', exit: 5, message: 'cannot write ledger (ENOSPC)' })
    expect(full.hint).toMatch(/make room/)
  })

  it('opens only a folder that this user alone can enter', async () => {
    await expect(openRoot(join(base, 'none'))).rejects.toMatchObject({ code: 'E_HOME' })
    await writeFile(join(base, 'file'), '')
    await expect(openRoot(join(base, 'file'))).rejects.toMatchObject({ code: 'E_HOME' })
    await expect(openRoot(join(base, 'file', 'below'))).rejects.toMatchObject({ code: 'E_HOME' })
    await mkdir(join(base, 'open'))
    for (const open of [0o750, 0o705, 0o701, 0o770]) {
      await chmod(join(base, 'open'), open)
      await expect(openRoot(join(base, 'open'))).rejects.toMatchObject({ code: 'E_HOME' })
      await expect(withRoot(join(base, 'open'), async (made) => made)).rejects.toMatchObject({ code: 'E_HOME' })
    }
    await (await openRoot(root)).close()
  })
})
