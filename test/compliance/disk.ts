import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/lib/bytes.ts'
import type { Disk } from '../../src/lib/ports.ts'

export interface DiskAdapter {
  readonly disk: Disk
  /** The same files as another process would see them after this one ended: only what was synced is promised. */
  reopen(): Promise<Disk>
  close?(): Promise<void>
}

/** What logs, shards and homes ask of every disk (src/lib/ports.ts). */
export const diskComplies = (name: string, setup: () => Promise<DiskAdapter>): void => {
  describe(`${name} as a disk`, () => {
    const using = async (act: (disk: Disk, adapter: DiskAdapter) => Promise<void>): Promise<void> => {
      const adapter = await setup()
      try {
        await act(adapter.disk, adapter)
      } finally {
        await adapter.close?.()
      }
    }

    it('has nothing at first, and says so without an error', () =>
      using(async (disk) => {
        expect(await disk.read('none')).toBeUndefined()
        expect(await disk.list('none')).toEqual([])
        await disk.remove('none')
      }))

    it('makes a file once, in a folder that is there', () =>
      using(async (disk) => {
        await disk.folder('a/b')
        await disk.create('a/b/file', utf8('first'))
        await expect(disk.create('a/b/file', utf8('second'))).rejects.toMatchObject({ code: 'E_EXISTS' })
        expect(await disk.read('a/b/file')).toEqual(utf8('first'))
        await expect(disk.create('c/file', utf8('x'))).rejects.toMatchObject({ code: 'E_DISK' })
      }))

    it('gives bytes that are the reader’s own', () =>
      using(async (disk) => {
        const given = utf8('first')
        await disk.create('file', given)
        given[0] = 0
        const read = (await disk.read('file')) ?? expect.fail()
        expect(read).toEqual(utf8('first'))
        read[0] = 0
        expect(await disk.read('file')).toEqual(utf8('first'))
      }))

    it('appends in the order asked for, cuts, and goes on', () =>
      using(async (disk) => {
        await Promise.all(['a', 'b', 'c', 'd'].map((one) => disk.append('log', utf8(one))))
        await disk.sync('log')
        expect(await disk.read('log')).toEqual(utf8('abcd'))
        await disk.truncate('log', 2)
        await disk.append('log', utf8('z'))
        expect(await disk.read('log')).toEqual(utf8('abz'))
      }))

    it('renames over what stood there, and whole folders', () =>
      using(async (disk) => {
        await disk.folder('from/inner')
        await disk.create('from/inner/file', utf8('new'))
        await disk.create('old', utf8('old'))
        await disk.rename('from/inner/file', 'old')
        expect([await disk.read('old'), await disk.read('from/inner/file')]).toEqual([utf8('new'), undefined])
        await disk.create('from/inner/again', utf8('again'))
        await disk.rename('from', 'to')
        expect(await disk.read('to/inner/again')).toEqual(utf8('again'))
        expect(await disk.list('.')).toEqual(['old', 'to'])
      }))

    it('lists names sorted, files and folders, and forgets what was removed', () =>
      using(async (disk) => {
        await disk.folder('b')
        await disk.create('c', utf8('x'))
        await disk.create('a', utf8('x'))
        expect(await disk.list('.')).toEqual(['a', 'b', 'c'])
        await disk.remove('a')
        await disk.remove('b')
        expect(await disk.list('.')).toEqual(['c'])
      }))

    it.each(['../out', '/etc/passwd', 'a/../../b', 'a//b', ''])('never leaves the home: %s', (path) =>
      using(async (disk) => {
        await expect(disk.read(path)).rejects.toThrow()
        await expect(disk.append(path, utf8('x'))).rejects.toThrow()
      }),
    )

    it('keeps what was synced, with its folders', () =>
      using(async (disk, { reopen }) => {
        await disk.folder('a')
        await disk.create('a/file', utf8('made'))
        await disk.append('a/log', utf8('appended'))
        await disk.sync('a/log')
        await disk.syncFolder('a')
        await disk.syncFolder('.')
        const again = await reopen()
        expect(await again.read('a/file')).toEqual(utf8('made'))
        expect(await again.read('a/log')).toEqual(utf8('appended'))
      }))
  })
}
