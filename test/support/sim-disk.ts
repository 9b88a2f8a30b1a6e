import { QuorateError } from '../../src/lib/errors.ts'
import { homePath } from '../../src/lib/paths.ts'
import type { Disk } from '../../src/lib/ports.ts'

/** Uniform in [0, 1), the same for the same seed. */
export const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The machine is off: every operation throws this until `reboot`. */
export class PowerLoss extends Error {}

/**
 * A disk that keeps only what was synced. `reboot` keeps, of bytes that were not, a random prefix, with or without
 * zeros in the place of the rest; of names that were made, moved or removed without a sync of their folders, a random
 * prefix of the changes. Operations are counted from 0.
 */
export interface SimDisk extends Disk {
  readonly operations: number
  /** The n-th operation from now happens, half happens or does not; then the power is gone. */
  crashAt(n: number): void
  /** The n-th operation from now fails; after a failed sync the file's new bytes never become durable. */
  failAt(n: number, code: 'ENOSPC' | 'EIO'): void
  reboot(): void
  /** Only the process died: everything is seen as it was left, durable or not. */
  restart(): void
  /** All files as they are seen now, by path; nothing is counted. */
  peek(): ReadonlyMap<string, Uint8Array>
}

interface File {
  readonly kind: 'file'
  bytes: Uint8Array
  synced: Uint8Array
  broken: boolean
}
interface Folder {
  readonly kind: 'folder'
  entries: Map<string, File | Folder>
  durable: Map<string, File | Folder>
}
interface Link {
  readonly folder: Folder
  readonly name: string
  readonly node: File | Folder | undefined
}
interface Change {
  readonly links: readonly Link[]
  readonly waiting: Set<Folder>
}

const folder = (): Folder => ({ kind: 'folder', entries: new Map(), durable: new Map() })

const put = (entries: Map<string, File | Folder>, { name, node }: Link): void => {
  if (node === undefined) entries.delete(name)
  else entries.set(name, node)
}

const failure = (code: string, path: string): QuorateError =>
  new QuorateError('E_DISK', `cannot use ${path} (${code})`, 'this is a test disk')

export const simDisk = (random: () => number = seeded(1)): SimDisk => {
  const root = folder()
  let journal: Change[] = []
  let operations = 0
  let crash = Number.POSITIVE_INFINITY
  let fault: { readonly at: number; readonly code: string } | undefined
  let off = false

  const segments = (path: string): readonly string[] => (path === '.' ? [] : homePath(path))
  const find = (path: string): File | Folder | undefined => {
    let node: File | Folder | undefined = root
    for (const name of segments(path)) node = node?.kind === 'folder' ? node.entries.get(name) : undefined
    return node
  }
  const fileAt = (path: string): File => {
    const node = find(path)
    if (node?.kind !== 'file') throw failure('ENOENT', path)
    return node
  }
  const folderAt = (path: string): Folder => {
    const node = find(path)
    if (node?.kind !== 'folder') throw failure('ENOENT', path)
    return node
  }
  const place = (path: string): { readonly folder: Folder; readonly name: string } => {
    const all = segments(path)
    return { folder: folderAt(all.slice(0, -1).join('/') || '.'), name: all.at(-1) ?? '' }
  }
  const change = (links: readonly Link[]): void => {
    for (const link of links) put(link.folder.entries, link)
    journal.push({ links, waiting: new Set(links.map((link) => link.folder)) })
  }

  /** Counts, and plays the fault that is due: `half` is what an operation may leave behind when the power goes. */
  const step = (path: string, half: () => void = () => undefined, onFail: () => void = () => undefined): void => {
    if (off) throw new PowerLoss()
    const now = operations++
    if (now === crash) {
      off = true
      if (random() < 0.5) half()
      throw new PowerLoss()
    }
    if (now === fault?.at) {
      const { code } = fault
      fault = undefined
      onFail()
      throw failure(code, path)
    }
  }

  const write = (file: File, bytes: Uint8Array): void => {
    file.bytes = new Uint8Array(Buffer.concat([file.bytes, bytes]))
  }
  const open = (path: string): File => {
    const node = find(path)
    if (node !== undefined) return fileAt(path)
    const file: File = { kind: 'file', bytes: new Uint8Array(), synced: new Uint8Array(), broken: false }
    change([{ ...place(path), node: file }])
    return file
  }
  const mkdirs = (path: string): void => {
    const all = segments(path)
    for (let n = 1; n <= all.length; n++) {
      const at = all.slice(0, n).join('/')
      if (find(at) === undefined) change([{ ...place(at), node: folder() }])
    }
  }
  const move = (from: string, to: string): void => {
    const node = find(from)
    if (node === undefined) throw failure('ENOENT', from)
    change([
      { ...place(from), node: undefined },
      { ...place(to), node },
    ])
  }

  const settle = (node: File | Folder, seen: Set<Folder>): void => {
    if (node.kind === 'folder') {
      if (seen.has(node)) return
      seen.add(node)
      node.entries = new Map(node.durable)
      for (const child of node.entries.values()) settle(child, seen)
      return
    }
    if (node.bytes.length > node.synced.length) {
      const lost = node.bytes.length - node.synced.length
      const kept = node.synced.length + (node.broken ? 0 : Math.floor(random() * (lost + 1)))
      const length = random() < 0.75 ? kept : node.bytes.length
      node.bytes = node.bytes.slice(0, length).fill(0, kept)
    }
    node.synced = node.bytes
    node.broken = false
  }

  const restart = (): void => {
    off = false
    crash = Number.POSITIVE_INFINITY
    fault = undefined
  }

  return {
    get operations() {
      return operations
    },
    crashAt(n) {
      crash = operations + n
    },
    failAt(n, code) {
      fault = { at: operations + n, code }
    },
    restart,
    peek() {
      const found = new Map<string, Uint8Array>()
      const walk = (node: Folder, path: string): void => {
        for (const [name, child] of node.entries)
          if (child.kind === 'file') found.set(`${path}${name}`, child.bytes.slice())
          else walk(child, `${path}${name}/`)
      }
      walk(root, '')
      return found
    },
    reboot() {
      restart()
      const open = journal.filter((one) => one.waiting.size > 0)
      const kept = new Set(open.slice(0, Math.floor(random() * (open.length + 1))))
      for (const one of journal)
        if (one.waiting.size === 0 || kept.has(one)) for (const link of one.links) put(link.folder.durable, link)
      journal = []
      settle(root, new Set())
    },
    async read(path) {
      step(path)
      const node = find(path)
      return node?.kind === 'file' ? node.bytes.slice() : undefined
    },
    async create(path, bytes) {
      if (find(path) !== undefined)
        throw new QuorateError('E_EXISTS', `${path} is already there`, 'nothing was overwritten')
      step(path, () => write(open(path), bytes))
      const file = open(path)
      write(file, bytes)
      file.synced = file.bytes
    },
    async append(path, bytes) {
      step(path, () => write(open(path), bytes))
      write(open(path), bytes)
    },
    async sync(path) {
      const file = find(path)
      step(
        path,
        () => undefined,
        () => {
          if (file?.kind === 'file' && file.bytes.length > file.synced.length) file.broken = true
        },
      )
      const found = fileAt(path)
      if (found.broken) throw failure('EIO', path)
      found.synced = found.bytes
    },
    async truncate(path, length) {
      const cut = (): void => {
        const file = fileAt(path)
        if (file.bytes.length < length) throw failure('EINVAL', path)
        file.bytes = file.bytes.slice(0, length)
        file.synced = file.synced.slice(0, length)
      }
      step(path, cut)
      cut()
      const file = fileAt(path)
      file.broken = false
      file.synced = file.bytes
    },
    async rename(from, to) {
      step(from, () => move(from, to))
      move(from, to)
    },
    async remove(path) {
      const gone = (): void => {
        if (find(path) !== undefined) change([{ ...place(path), node: undefined }])
      }
      step(path, gone)
      gone()
    },
    async folder(path) {
      step(path, () => mkdirs(path))
      mkdirs(path)
    },
    async syncFolder(path) {
      step(path)
      const synced = folderAt(path)
      for (const one of journal) one.waiting.delete(synced)
    },
    async list(path) {
      step(path)
      const node = find(path)
      return node?.kind === 'folder' ? [...node.entries.keys()].sort() : []
    },
  }
}
