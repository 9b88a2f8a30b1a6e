import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

/** A folder as it was, so that what a command did to it can be told and undone. */

interface Entry {
  readonly kind: 'file' | 'folder' | 'other'
  readonly stamp: string
  readonly mode: number
  readonly bytes: Buffer | undefined
}
export type Snapshot = ReadonlyMap<string, Entry>

const entryAt = (path: string, before: Entry | undefined): Entry => {
  const found = lstatSync(path, { bigint: true })
  const kind = found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other'
  const stamp = kind === 'folder' ? '' : `${found.ino} ${found.size} ${found.mtimeNs}`
  const mode = Number(found.mode)
  if (before?.stamp === stamp && before.kind === kind && before.mode === mode) return before
  const big = found.size > 2n ** 22n
  const bytes =
    kind === 'file' && !big ? readFileSync(path) : found.isSymbolicLink() ? Buffer.from(readlinkSync(path)) : undefined
  return { kind, stamp, mode, bytes }
}

/** `before` saves the reading of what has not changed since. */
export const snapshot = (root: string, before: Snapshot = new Map()): Snapshot =>
  new Map(
    readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((path) => !/\.sock(?:\.turn)?$/.test(path))
      .map((path) => [path, entryAt(join(root, path), before.get(path))]),
  )

const same = (a: Entry | undefined, b: Entry | undefined): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    a.kind === b.kind &&
    a.mode === b.mode &&
    (a.bytes === undefined || b.bytes === undefined ? a.stamp === b.stamp : a.bytes.equals(b.bytes)))

/** Paths that are new, gone or another than before. */
export const changes = (before: Snapshot, after: Snapshot): readonly string[] =>
  [...new Set([...before.keys(), ...after.keys()])].filter((path) => !same(before.get(path), after.get(path))).sort()

/** Makes the folder what it was; returns how it is now. */
export const restore = (root: string, before: Snapshot): Snapshot => {
  const now = snapshot(root, before)
  const changed = changes(before, now)
  for (const path of changed) rmSync(join(root, path), { recursive: true, force: true })
  for (const path of changed) {
    const was = before.get(path)
    if (was === undefined) continue
    const place = join(root, path)
    if (was.kind === 'folder') mkdirSync(place, { recursive: true })
    else if (was.kind === 'file') {
      mkdirSync(dirname(place), { recursive: true })
      writeFileSync(place, was.bytes as Buffer)
    } else symlinkSync(String(was.bytes), place)
    if (was.kind !== 'other') chmodSync(place, was.mode & 0o7777)
    // A folder that is made anew had files.
    if (was.kind === 'folder')
      for (const [inner, entry] of before)
        if (inner.startsWith(`${path}/`) && entry.kind === 'file') {
          mkdirSync(dirname(join(root, inner)), { recursive: true, mode: 0o700 })
          writeFileSync(join(root, inner), entry.bytes as Buffer, { mode: entry.mode & 0o7777 })
        }
  }
  return snapshot(root, before)
}
