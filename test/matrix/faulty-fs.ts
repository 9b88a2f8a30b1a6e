import type { FileHandle } from 'node:fs/promises'

/** The file system of this process, in which one change fails: the n-th from now, or from there on all. */

export type Code = 'ENOSPC' | 'EIO' | 'EROFS'

let left = Number.POSITIVE_INFINITY
let code: Code = 'EIO'
let met = 0

/** `after` changes succeed. A full or read-only disk stays so; a fault of the device befalls one change. */
export const failAfter = (after: number, how: Code): void => {
  left = after
  code = how
  met = 0
}
/** How many changes failed. */
export const mend = (): number => {
  left = Number.POSITIVE_INFINITY
  return met
}

const step = (syscall: string): void => {
  if (left > 0) {
    left -= 1
    return
  }
  if (code === 'EIO' && met > 0) return
  met += 1
  throw Object.assign(new Error(`${code}: fault, ${syscall}`), { code, syscall, errno: -5 })
}

/** Of a handle, what changes the disk. */
const CHANGES = ['writeFile', 'appendFile', 'write', 'truncate', 'sync', 'chmod'] as const
const handleOf = (handle: FileHandle): FileHandle => {
  for (const name of CHANGES) {
    const real = handle[name].bind(handle) as (...given: unknown[]) => Promise<unknown>
    Object.assign(handle, {
      [name]: async (...given: unknown[]) => {
        step(name)
        return real(...given)
      },
    })
  }
  return handle
}

/** The module with every change counted. */
export const faulty = (real: typeof import('node:fs/promises')): typeof import('node:fs/promises') => {
  const counted = Object.fromEntries(
    (['mkdir', 'rename', 'link', 'unlink', 'rmdir', 'chmod', 'writeFile'] as const).map((name) => [
      name,
      async (...given: unknown[]) => {
        step(name)
        return (real[name] as (...all: unknown[]) => Promise<unknown>)(...given)
      },
    ]),
  )
  const open = async (...given: Parameters<typeof real.open>): Promise<FileHandle> => {
    const makes = typeof given[1] === 'number' ? (given[1] & 0o100) !== 0 : /[wa]/.test(String(given[1]))
    if (makes) step('open')
    return handleOf(await real.open(...given))
  }
  return { ...real, ...counted, open }
}
