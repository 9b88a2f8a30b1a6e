import { constants } from 'node:fs'
import { chmod, type FileHandle, lstat, mkdir, open, readdir, rename, rmdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { QuorateError } from '../lib/errors.ts'
import { homePath } from '../lib/paths.ts'
import type { Disk } from '../lib/ports.ts'
import { diskError, errno } from './disk-error.ts'

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants
/** Absent on Windows. */
const NOFOLLOW = O_NOFOLLOW ?? 0
const DIRECTORY = O_DIRECTORY ?? 0
const NONBLOCK = O_NONBLOCK ?? 0
/** Node reads no longer file at once. */
const LONGEST = 2 ** 31 - 1

/** Opening says so of what is no file. */
const NO_FILE: Readonly<Record<string, string>> = { ELOOP: 'a symbolic link', ENXIO: 'a socket or a device' }

const noFile = (path: string, what = 'a pipe or a device', cause?: unknown): QuorateError =>
  new QuorateError(
    'E_FILE',
    `${path} is ${what}, which no file of a home is`,
    'look at what stands there and move it away; then put the file back, from a backup of this one file',
    {},
    cause,
  )

/** A file open for appending. Work on it runs one at a time, in the order in which it was asked for. */
interface Appender {
  readonly handle: FileHandle
  size: number
  tail: Promise<unknown>
  /** After a failed sync the kernel may have dropped the bytes and would call the next sync a success: none is tried. */
  broken: unknown
}

export interface HostDisk extends Disk {
  /** Closes the files that appends keep open. */
  close(): Promise<void>
}

const inTurn = <T>(appender: Appender, work: () => Promise<T>): Promise<T> => {
  const run = appender.tail.then(() => {
    if (appender.broken !== undefined) throw appender.broken
    return work()
  })
  appender.tail = run.catch(() => undefined)
  return run
}

/** The files under `root`, an absolute path of a folder that is there and private: see `openRoot` and `makeRoot`. */
const hostDisk = (root: string): HostDisk => {
  const appenders = new Map<string, Promise<Appender>>()
  const real = (path: string): string => join(root, ...homePath(path))

  const attempt = async <T>(doing: string, path: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw diskError(doing, path, error)
    }
  }

  const openNew = async (path: string, flags: number): Promise<FileHandle> => {
    const handle = await open(real(path), flags | NOFOLLOW, 0o600)
    try {
      // The umask may have taken bits away.
      if (flags & O_CREAT) await handle.chmod(0o600)
    } catch (error) {
      await handle.close()
      throw error
    }
    return handle
  }

  const appender = (path: string): Promise<Appender> => {
    const known = appenders.get(path)
    if (known !== undefined) return known
    const made = (async () => {
      const handle = await openNew(path, O_WRONLY | O_CREAT | O_APPEND)
      return { handle, size: (await handle.stat()).size, tail: Promise.resolve(), broken: undefined }
    })()
    appenders.set(path, made)
    made.catch(() => appenders.delete(path))
    return made
  }

  const release = async (path: string): Promise<void> => {
    const open = appenders.get(path)
    appenders.delete(path)
    if (open === undefined) return
    const { handle, tail } = await open
    await tail
    await handle.close()
  }

  /** Work on the file that appends hold open, or on a handle of its own. */
  const withHandle = async (path: string, work: (handle: FileHandle, held?: Appender) => Promise<void>) => {
    const held = await appenders.get(path)
    if (held !== undefined) return inTurn(held, () => work(held.handle, held))
    const handle = await open(real(path), O_RDWR | NOFOLLOW)
    try {
      await work(handle)
    } finally {
      await handle.close()
    }
  }

  const syncHandle = async (handle: FileHandle, held?: Appender): Promise<void> => {
    try {
      await handle.sync()
    } catch (error) {
      if (held !== undefined) held.broken = error
      throw error
    }
  }

  return {
    read: (path) =>
      attempt('read', path, async () => {
        let handle: FileHandle
        try {
          // Opening a pipe that nobody writes to would hold a thread that nothing can stop.
          handle = await open(real(path), O_RDONLY | NOFOLLOW | NONBLOCK)
        } catch (error) {
          if (errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR') return undefined
          const what = NO_FILE[errno(error) ?? '']
          throw what === undefined ? error : noFile(path, what, error)
        }
        try {
          const found = await handle.stat()
          if (!found.isFile()) throw noFile(path, found.isDirectory() ? 'a folder' : undefined)
          if (found.size > LONGEST) throw noFile(path, `${found.size} bytes long`)
          return new Uint8Array(await handle.readFile())
        } finally {
          await handle.close()
        }
      }),

    create: (path, bytes) =>
      attempt('write', path, async () => {
        let handle: FileHandle
        try {
          handle = await openNew(path, O_WRONLY | O_CREAT | O_EXCL)
        } catch (error) {
          if (errno(error) !== 'EEXIST') throw error
          throw new QuorateError('E_EXISTS', `${path} is already there`, 'nothing was overwritten', {}, error)
        }
        try {
          await handle.writeFile(bytes)
          await handle.sync()
          await handle.close()
        } catch (error) {
          // Half a file under the right name would look like a whole one to a retry.
          await handle.close().catch(() => undefined)
          await unlink(real(path)).catch(() => undefined)
          throw error
        }
      }),

    append: (path, bytes) =>
      attempt('append to', path, async () => {
        const file = await appender(path)
        await inTurn(file, async () => {
          try {
            await file.handle.appendFile(bytes)
          } catch (error) {
            // Bytes that were written in part must not stand before those that are appended next.
            await file.handle.truncate(file.size).catch((worse: unknown) => {
              file.broken = worse
            })
            throw error
          }
          file.size += bytes.length
        })
      }),

    sync: (path) => attempt('sync', path, () => withHandle(path, syncHandle)),

    truncate: (path, length) =>
      attempt('cut', path, () =>
        withHandle(path, async (handle, held) => {
          await handle.truncate(length)
          if (held !== undefined) held.size = length
          await syncHandle(handle, held)
        }),
      ),

    rename: (from, to) =>
      attempt('rename', from, async () => {
        await release(from)
        await release(to)
        await rename(real(from), real(to))
      }),

    remove: (path) =>
      attempt('remove', path, async () => {
        await release(path)
        try {
          if ((await lstat(real(path))).isDirectory()) await rmdir(real(path))
          else await unlink(real(path))
        } catch (error) {
          if (errno(error) !== 'ENOENT') throw error
        }
      }),

    folder: (path) =>
      attempt('make the folder', path, async () => {
        let at = root
        for (const segment of homePath(path)) {
          at = join(at, segment)
          await makeFolder(at)
        }
      }),

    syncFolder: (path) =>
      attempt('sync the folder', path, async () => {
        const handle = await open(path === '.' ? root : real(path), O_RDONLY | DIRECTORY)
        try {
          await handle.sync()
        } finally {
          await handle.close()
        }
      }),

    list: (path) =>
      attempt('list', path, async () => {
        try {
          return (await readdir(path === '.' ? root : real(path))).sort()
        } catch (error) {
          if (errno(error) === 'ENOENT') return []
          throw error
        }
      }),

    async close() {
      await Promise.all([...appenders.keys()].map(release))
    },
  }
}

/** Makes one folder, 0700 whatever the umask; leaves one that is there as it is. */
const makeFolder = async (path: string): Promise<boolean> => {
  try {
    await mkdir(path, 0o700)
  } catch (error) {
    if (errno(error) === 'EEXIST') return false
    throw error
  }
  await chmod(path, 0o700)
  return true
}

const privateOnly = async (root: string): Promise<void> => {
  const found = await stat(root)
  if (!found.isDirectory())
    throw new QuorateError('E_HOME', `${root} is not a folder`, 'name the folder of a home with --home or QUORATE_HOME')
  // Windows has neither owners nor modes to look at.
  if (process.getuid === undefined) return
  if (found.uid !== process.getuid())
    throw new QuorateError('E_HOME', `${root} belongs to another user`, 'run as its owner, or chown it to this user')
  if ((found.mode & 0o077) !== 0)
    throw new QuorateError(
      'E_HOME',
      `${root} is open to other users (mode ${(found.mode & 0o777).toString(8)})`,
      'chmod 0700 it; if others could read it, make a new home and have this identity revoked',
    )
}

/** The disk of a home that is there. Throws E_HOME where it is missing or anybody but this user can enter it. */
export const openRoot = async (root: string): Promise<HostDisk> => {
  try {
    await privateOnly(root)
  } catch (error) {
    if (errno(error) !== 'ENOENT' && errno(error) !== 'ENOTDIR') throw diskError('open', root, error)
    throw new QuorateError('E_HOME', `no home at ${root}`, 'make one with quorate identity create', {}, error)
  }
  return hostDisk(root)
}

/**
 * Work on the disk of a home that is made if absent, parents included. Where the work throws and has made nothing, no new
 * folder is left. Throws E_HOME where others can enter what is there.
 */
export const withRoot = async <T>(root: string, work: (disk: HostDisk) => Promise<T>): Promise<T> => {
  let made = false
  try {
    await mkdir(join(root, '..'), { recursive: true, mode: 0o700 })
    made = await makeFolder(root)
  } catch (error) {
    throw diskError('make the folder', root, error)
  }
  try {
    return await work(await openRoot(root))
  } catch (error) {
    // It stays where something lies in it.
    if (made) await rmdir(root).catch(() => undefined)
    throw error
  }
}
