import { constants } from 'node:fs'
import { access, lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { toHex } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import { storeFault } from './fault.ts'
import {
  addGeneration,
  contentOf,
  Damage,
  dropUnfinished,
  endGenerations,
  errno,
  type Generation,
  isObject,
  isThere,
  makeFolders,
  newest,
  newestIn,
  refuseLinks,
  sweep,
  TRIES,
  tidy,
} from './generations.ts'
import { isName, namesOf, partsOf, refuseLarge } from './name.ts'
import { LIST_LIMIT, type Store, type StoreContext } from './port.ts'

const faultOf = (error: unknown, uri: string): unknown => {
  if (error instanceof QuorateError) return error
  if (error instanceof Damage) return storeFault('damaged', uri, error.message)
  const code = errno(error)
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return storeFault('refused', uri, code, error)
  return code === '' ? error : storeFault('unreachable', uri, code, error)
}

/** A disk that is not mounted would leave an empty folder on another one, or none: the root is never made here. */
const refuseRoot = async (root: string, uri: string): Promise<void> => {
  const found = await lstat(root).catch((error: unknown) => {
    if (errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR') throw storeFault('missing', uri, errno(error), error)
    throw error
  })
  if (!found.isDirectory()) throw storeFault('missing', uri, 'it is no folder, or a link to one')
  // Windows has neither owners nor modes to look at.
  if (process.getuid === undefined) return
  if (found.uid !== process.getuid()) throw storeFault('refused', uri, 'it belongs to another user')
  if ((found.mode & 0o077) !== 0)
    throw storeFault('refused', uri, `it is open to other users, mode ${(found.mode & 0o777).toString(8)}`)
  await access(root, constants.R_OK | constants.W_OK)
}

const tagOf = (number: number, bytes: Uint8Array): string => `${number}-${hashOf(bytes)}`

/** A folder of this machine, on another disk than the home; on a network file system link(2) has to be atomic there. */
export const openFileStore = async (uri: string, { random }: StoreContext): Promise<Store> => {
  const root = uri.slice('file:'.length)
  const folderOf = async (name: string): Promise<string> => {
    const parts = partsOf(name)
    await refuseLinks(root, parts)
    return join(root, ...parts)
  }
  const mark = (): string => toHex(random(16))

  const at = async <T>(act: () => Promise<T>): Promise<T> => {
    try {
      await refuseRoot(root, uri)
      for (let left = TRIES - 1; ; left--)
        try {
          return await act()
        } catch (error) {
          // The folder of an object that was removed long ago was cleared away meanwhile.
          if (errno(error) !== 'ENOENT' || left === 0) throw error
        }
    } catch (error) {
      throw faultOf(error, uri)
    }
  }

  /** Names of objects below a folder, those that were removed and are not cleared away among them. */
  const walk = async (folder: string, name: string, found: string[]): Promise<void> => {
    const names = await readdir(folder, { withFileTypes: true })
    if (name !== '' && isObject(names.map((one) => one.name))) found.push(name)
    if (found.length > LIST_LIMIT) throw storeFault('wrong answer', uri, `over ${LIST_LIMIT} objects`)
    // Others have folders there too, as lost+found.
    for (const one of names)
      if (one.isDirectory() && isName(one.name))
        await walk(join(folder, one.name), name === '' ? one.name : `${name}/${one.name}`, found)
  }

  return {
    uri,
    create: (name, bytes) =>
      at(async () => {
        refuseLarge(bytes)
        const folder = await makeFolders(root, partsOf(name))
        const made = await addGeneration(folder, mark(), contentOf(bytes), async () => {
          const now = await isThere(folder)
          return now === true || now.bytes !== undefined ? undefined : now.number
        })
        if (made) await tidy(folder, mark())
        return made
      }),

    replace: (name, bytes, tag) =>
      at(async () => {
        refuseLarge(bytes)
        const folder = await folderOf(name)
        const known = ({ number, bytes: there }: Generation): boolean =>
          there !== undefined && tagOf(number, there) === tag
        if (!known(await newestIn(folder))) return false
        const made = await addGeneration(folder, mark(), contentOf(bytes), async () => {
          const now = await newestIn(folder)
          return known(now) ? now.number : undefined
        })
        if (made) await tidy(folder, mark())
        return made
      }),

    read: (name) =>
      at(async () => {
        const { number, bytes } = await newestIn(await folderOf(name))
        return bytes === undefined ? undefined : { bytes, tag: tagOf(number, bytes) }
      }),

    remove: (name) =>
      at(async (): Promise<'gone'> => {
        const folder = await folderOf(name)
        for (;;) {
          const now = await isThere(folder)
          if (now !== true && now.bytes === undefined) {
            await dropUnfinished(folder)
            if (now.number > 0) await tidy(folder, mark())
            return 'gone'
          }
          await endGenerations(folder, mark(), now === true ? await newest(folder) : now.number)
        }
      }),

    list: (prefix) =>
      at(async () => {
        const parts = prefix === '' ? [] : partsOf(prefix)
        await refuseLinks(root, parts)
        const found: string[] = []
        try {
          await walk(join(root, ...parts), '', found)
        } catch (error) {
          if (errno(error) !== 'ENOENT') throw error
        }
        const names: string[] = []
        for (const below of found) {
          const name = [...parts, below].join('/')
          const folder = join(root, ...parts, below)
          const now = await isThere(folder)
          if (now === true || now.bytes !== undefined) names.push(name)
          await sweep(folder)
        }
        return namesOf('', names)
      }),
  }
}
