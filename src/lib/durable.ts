import { homePath } from './paths.ts'
import type { Disk } from './ports.ts'

const parentOf = (path: string): string => homePath(path).slice(0, -1).join('/') || '.'

/** Makes a folder and its parents, and their names durable. */
export const durableFolder = async (disk: Disk, path: string): Promise<void> => {
  await disk.folder(path)
  for (let at = parentOf(path); ; at = parentOf(at)) {
    await disk.syncFolder(at)
    if (at === '.') return
  }
}

/**
 * A file that is there whole or not at all, and durable when this resolves; replaces what stood there. The folder must
 * be there. A crash leaves `PATH.new`, which the next write removes and no reader looks at.
 */
export const writeDurable = async (disk: Disk, path: string, bytes: Uint8Array): Promise<void> => {
  const fresh = `${path}.new`
  await disk.remove(fresh)
  await disk.create(fresh, bytes)
  await disk.rename(fresh, path)
  await disk.syncFolder(parentOf(path))
}
