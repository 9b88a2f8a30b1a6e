import { concat } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { homePath } from '../lib/paths.ts'
import type { Disk } from '../lib/ports.ts'

/** A disk in memory that forgets nothing, for homes that are thrown away. `files` may be looked at and edited. */
export interface MemoryDisk extends Disk {
  readonly files: Map<string, Uint8Array>
}

export const memoryDisk = (): MemoryDisk => {
  const files = new Map<string, Uint8Array>()
  const folders = new Set<string>()
  const at = (path: string): string => homePath(path).join('/')
  const present = (path: string): Uint8Array => {
    const bytes = files.get(at(path))
    if (bytes === undefined) throw new QuorateError('E_DISK', `no file ${path}`, 'this disk is in memory')
    return bytes
  }
  return {
    files,
    async read(path) {
      const found = files.get(at(path))
      return found && new Uint8Array(found)
    },
    async create(path, bytes) {
      if (files.has(at(path))) throw new QuorateError('E_EXISTS', `${path} is already there`, 'nothing was overwritten')
      const parent = homePath(path).slice(0, -1).join('/')
      if (parent !== '' && !folders.has(parent))
        throw new QuorateError('E_DISK', `no folder ${parent}`, 'this disk is in memory')
      files.set(at(path), new Uint8Array(bytes))
    },
    async append(path, bytes) {
      files.set(at(path), concat(files.get(at(path)) ?? new Uint8Array(), bytes))
    },
    async sync(path) {
      present(path)
    },
    async truncate(path, length) {
      files.set(at(path), present(path).slice(0, length))
    },
    async rename(from, to) {
      const prefix = `${at(from)}/`
      if (folders.has(at(from))) {
        for (const [path, bytes] of [...files]) {
          if (!path.startsWith(prefix)) continue
          files.delete(path)
          files.set(`${at(to)}/${path.slice(prefix.length)}`, bytes)
        }
        for (const folder of [...folders]) {
          if (folder !== at(from) && !folder.startsWith(prefix)) continue
          folders.delete(folder)
          folders.add(`${at(to)}${folder.slice(at(from).length)}`)
        }
        return
      }
      files.set(at(to), present(from))
      files.delete(at(from))
    },
    async remove(path) {
      files.delete(at(path))
      folders.delete(at(path))
    },
    async folder(path) {
      const segments = homePath(path)
      for (let n = 1; n <= segments.length; n++) folders.add(segments.slice(0, n).join('/'))
    },
    async syncFolder() {},
    async list(path) {
      const prefix = path === '.' ? '' : `${at(path)}/`
      const names = [...files.keys(), ...folders]
        .filter((name) => name.startsWith(prefix) && name.length > prefix.length)
        .map((name) => name.slice(prefix.length).split('/')[0] ?? '')
      return [...new Set(names)].sort()
    },
  }
}
