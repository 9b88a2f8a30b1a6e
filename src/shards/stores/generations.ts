import { constants } from 'node:fs'
import { chmod, type FileHandle, link, lstat, mkdir, open, readdir, rename, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { utf8 } from '../../lib/bytes.ts'
import { hashOf } from '../../lib/hash.ts'
import { OBJECT_LIMIT } from './port.ts'

/**
 * An object of a file store is a folder of numbered generations, of which the highest is the object. A new one is written
 * under a name of its own, and linked to the next number: link(2) fails where another writer was first, so that
 * comparing and swapping are one step, without a lock that a killed process would leave behind. The names of earlier
 * generations stay for a while, without their bytes, so that no number is ever taken twice under the eyes of one writer.
 */

const { O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_WRONLY } = constants
/** Absent on Windows. */
const NOFOLLOW = constants.O_NOFOLLOW ?? 0
const NONBLOCK = constants.O_NONBLOCK ?? 0

const HEAD = /^quorate-object\/v1 ([0-9a-f]{64})\n/
const HEAD_LENGTH = 'quorate-object/v1 '.length + 65
/** In the place of the bytes of a generation that is no more. */
const GONE = utf8('quorate-object/v1 gone\n')

/** So long a writer may take between its look at the generations and its link, before others clear its file away. */
const PATIENCE = 3_600_000

/** Files that others take away are made again so often. */
export const TRIES = 5

export const errno = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''

/** A file of a store is not what this store writes. */
export class Damage extends Error {
  override readonly name = 'Damage'
}

export interface Generation {
  /** 0: there was never one. */
  readonly number: number
  /** undefined: the object was removed, or never made. */
  readonly bytes: Uint8Array | undefined
}

const syncFolder = async (path: string): Promise<void> => {
  const handle = await open(path, O_RDONLY | (O_DIRECTORY ?? 0) | NOFOLLOW)
  await handle.sync().finally(() => handle.close())
}

/** One folder for this user alone, whatever the umask; one that is there has to be a folder and no link to one. */
const makeFolder = async (path: string): Promise<boolean> => {
  try {
    await mkdir(path, 0o700)
    await chmod(path, 0o700)
    return true
  } catch (error) {
    if (errno(error) !== 'EEXIST') throw error
    if (!(await lstat(path)).isDirectory()) throw new Damage(`${path} is no folder`)
    return false
  }
}

/** Throws Damage where a link, or a file, stands in the place of a folder below the root. */
export const refuseLinks = async (root: string, parts: readonly string[]): Promise<void> => {
  let at = root
  for (const part of parts) {
    at = join(at, part)
    const found = await lstat(at).catch(() => undefined)
    if (found?.isDirectory() === false) throw new Damage(`${at} is no folder`)
  }
}

/** Folders below a root, each durable in its parent. */
export const makeFolders = async (root: string, parts: readonly string[]): Promise<string> => {
  let at = root
  for (const part of parts) {
    const next = join(at, part)
    if (await makeFolder(next)) await syncFolder(at)
    at = next
  }
  return at
}

const NUMBERED = /^@([1-9]\d{0,14})$/
const NEW = '@new.'

const numbersIn = (names: readonly string[]): readonly number[] =>
  names.flatMap((name) => NUMBERED.exec(name)?.[1] ?? []).map(Number)

/** True for a folder that holds, or held, an object, or that a writer was killed in. */
export const isObject = (names: readonly string[]): boolean => names.some((name) => name.startsWith('@'))

const entries = async (folder: string): Promise<readonly string[]> => {
  try {
    return await readdir(folder)
  } catch (error) {
    if (errno(error) === 'ENOENT') return []
    if (errno(error) === 'ENOTDIR') throw new Damage(`${folder} is no folder`)
    throw error
  }
}

/** The content of one file, never more than an object may have. undefined: not there. */
const readFile = async (path: string): Promise<Uint8Array | undefined> => {
  let handle: FileHandle
  try {
    // Opening a pipe that nobody writes to would hold a thread that nothing can stop.
    handle = await open(path, O_RDONLY | NOFOLLOW | NONBLOCK)
  } catch (error) {
    if (errno(error) === 'ENOENT') return undefined
    if (errno(error) === 'ELOOP' || errno(error) === 'ENXIO') throw new Damage(`${path} is no file`)
    throw error
  }
  try {
    const found = await handle.stat()
    if (!found.isFile()) throw new Damage(`${path} is no file`)
    if (found.size > HEAD_LENGTH + OBJECT_LIMIT) throw new Damage(`${path} is ${found.size} bytes long`)
    return new Uint8Array(await handle.readFile())
  } finally {
    await handle.close()
  }
}

const isGone = (content: Uint8Array): boolean => Buffer.from(content).equals(GONE)

const bytesIn = (path: string, content: Uint8Array): Uint8Array => {
  const [, hash] = HEAD.exec(Buffer.from(content.subarray(0, HEAD_LENGTH)).toString('latin1')) ?? []
  const bytes = new Uint8Array(content.subarray(HEAD_LENGTH))
  if (hash === undefined || hashOf(bytes) !== hash) throw new Damage(`${path}: its bytes are not those of its checksum`)
  return bytes
}

export const newest = async (folder: string): Promise<number> => Math.max(0, ...numbersIn(await entries(folder)))

/** The object as it is now. Throws Damage. */
export const newestIn = async (folder: string): Promise<Generation> => {
  for (;;) {
    const number = await newest(folder)
    if (number === 0) return { number, bytes: undefined }
    const path = join(folder, `@${number}`)
    const content = await readFile(path)
    if (content !== undefined && !isGone(content)) return { number, bytes: bytesIn(path, content) }
    // The last one for good, or another writer has put a newer one above it meanwhile.
    if (content !== undefined && (await newest(folder)) === number) return { number, bytes: undefined }
  }
}

/** True where an object has this name, damaged or not. */
export const isThere = async (folder: string): Promise<Generation | true> => {
  try {
    return await newestIn(folder)
  } catch (error) {
    if (error instanceof Damage) return true
    throw error
  }
}

export const contentOf = (bytes: Uint8Array): Uint8Array =>
  Buffer.concat([utf8(`quorate-object/v1 ${hashOf(bytes)}\n`), bytes])

const writeNew = async (path: string, content: Uint8Array): Promise<void> => {
  const handle = await open(path, O_WRONLY | O_CREAT | O_EXCL | NOFOLLOW, 0o600)
  try {
    await handle.chmod(0o600)
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * A new generation after `after`, which has to be the newest when `mayFollow` looks; false where it may not, or where
 * another writer was first. `mark` is in no other name. The file is there before anybody looks: see `sweep`.
 */
export const addGeneration = async (
  folder: string,
  mark: string,
  content: Uint8Array,
  mayFollow: () => Promise<number | undefined>,
): Promise<boolean> => {
  const fresh = join(folder, `${NEW}${mark}`)
  await writeNew(fresh, content)
  try {
    const after = await mayFollow()
    if (after === undefined) return false
    await link(fresh, join(folder, `@${after + 1}`))
  } catch (error) {
    if (errno(error) === 'EEXIST') return false
    throw error
  } finally {
    await unlink(fresh).catch(() => undefined)
  }
  await syncFolder(folder)
  return true
}

/** Puts nothing in the place of the object; false where another writer was first. */
export const endGenerations = (folder: string, mark: string, after: number): Promise<boolean> =>
  addGeneration(folder, mark, GONE, async () => after)

const unlinkIfThere = async (path: string): Promise<void> => {
  try {
    await unlink(path)
  } catch (error) {
    if (errno(error) !== 'ENOENT') throw error
  }
}

/**
 * Takes away the files of writers, which have bytes of the object in them: of those that were killed, and of those that
 * write at this moment, who find theirs gone and begin again.
 */
export const dropUnfinished = async (folder: string): Promise<void> => {
  const unfinished = (await entries(folder)).filter((name) => name.startsWith(NEW))
  for (const name of unfinished) await unlinkIfThere(join(folder, name))
  if (unfinished.length > 0) await syncFolder(folder)
}

const hasBytes = async (path: string): Promise<boolean> => {
  try {
    const content = await readFile(path)
    return content !== undefined && !isGone(content)
  } catch (error) {
    if (error instanceof Damage) return true
    throw error
  }
}

/** Takes the bytes of earlier generations away, and leaves their names. */
const emptyOlder = async (folder: string, mark: string): Promise<void> => {
  let emptied = false
  for (const number of [...numbersIn(await entries(folder))].sort((a, b) => a - b).slice(0, -1)) {
    const [path, fresh] = [join(folder, `@${number}`), join(folder, `${NEW}${mark}.${number}`)]
    // First its file, then the look, as a new generation does.
    await writeNew(fresh, GONE)
    if (await hasBytes(path)) {
      await rename(fresh, path)
      emptied = true
    } else await unlinkIfThere(fresh)
  }
  if (emptied) await syncFolder(folder)
}

const isOld = async (path: string, before: number): Promise<boolean> => {
  const found = await lstat(path).catch(() => undefined)
  return found !== undefined && found.mtimeMs < before
}

/**
 * Clears away what has been over for long: files of writers that were killed, then names of generations without bytes. In this
 * order: a writer that looked before such a name came to be has its file from before, too, and finds that it is gone
 * when it links it. So however long a process was stopped, it puts nothing in the place of an object that it did not see.
 */
export const sweep = async (folder: string): Promise<void> => {
  const names = await entries(folder)
  const numbers = [...numbersIn(names)].sort((a, b) => a - b)
  const last = `@${numbers.at(-1) ?? 0}`
  const over = [...names.filter((name) => name.startsWith(NEW)), ...numbers.map((number) => `@${number}`)]
  const before = Date.now() - PATIENCE
  const old: string[] = []
  for (const name of over) {
    const path = join(folder, name)
    if ((name !== last || !(await hasBytes(path))) && (await isOld(path, before))) old.push(name)
  }
  // The newest name goes only where nothing else stays.
  const all = names.length > 0 && old.length === names.length
  for (const name of old) if (all || name !== last) await unlinkIfThere(join(folder, name))
  if (all) await rmdir(folder).catch(() => undefined)
}

/** After a write. Others may do the same meanwhile, and take files from under each other's hands. */
export const tidy = async (folder: string, mark: string): Promise<void> => {
  for (let left = TRIES; left > 0; left--)
    try {
      await emptyOlder(folder, `${mark}.${left}`)
      return await sweep(folder)
    } catch (error) {
      if (errno(error) !== 'ENOENT') throw error
    }
}
