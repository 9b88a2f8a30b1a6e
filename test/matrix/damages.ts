import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'

export interface Damage {
  readonly name: string
  /** `other`: the content of some other file of the home. */
  readonly make: (path: string, bytes: Buffer, other: Buffer) => void
  /** Nothing of the file is left that a log could go on from. */
  readonly whole: boolean
}

const flip = (bytes: Buffer, at: number): Buffer => {
  const changed = Buffer.from(bytes)
  if (changed.length > 0) changed[at] = (changed[at] as number) ^ 1
  return changed
}

/** Made of files by disks, restores and people. */
export const damages: readonly Damage[] = [
  { name: 'missing', whole: true, make: (path) => rmSync(path) },
  { name: 'empty', whole: true, make: (path) => writeFileSync(path, '') },
  { name: 'a bit flipped', whole: false, make: (path, bytes) => writeFileSync(path, flip(bytes, bytes.length >> 1)) },
  { name: 'its first byte cut', whole: true, make: (path, bytes) => writeFileSync(path, bytes.subarray(1)) },
  { name: 'its last byte cut', whole: false, make: (path, bytes) => writeFileSync(path, bytes.subarray(0, -1)) },
  {
    name: 'an older one',
    whole: false,
    make: (path, bytes) => writeFileSync(path, bytes.subarray(0, bytes.length >> 1)),
  },
  { name: 'doubled', whole: false, make: (path, bytes) => writeFileSync(path, Buffer.concat([bytes, bytes])) },
  { name: 'zeroed', whole: true, make: (path, bytes) => writeFileSync(path, Buffer.alloc(bytes.length)) },
  { name: "another file's", whole: true, make: (path, _, other) => writeFileSync(path, other) },
  { name: 'no text', whole: true, make: (path, bytes) => writeFileSync(path, Buffer.alloc(bytes.length, 0xff)) },
  { name: 'huge', whole: false, make: (path) => truncateSync(path, 5 * 2 ** 30) },
  {
    name: 'a folder',
    whole: true,
    make: (path) => {
      rmSync(path)
      mkdirSync(path)
    },
  },
  {
    name: 'a link into nowhere',
    whole: true,
    make: (path) => {
      rmSync(path)
      symlinkSync('/nowhere', path)
    },
  },
  {
    name: 'a link to itself',
    whole: true,
    make: (path) => {
      rmSync(path)
      symlinkSync(path, path)
    },
  },
  {
    name: 'a pipe',
    whole: true,
    make: (path) => {
      rmSync(path)
      execFileSync('mkfifo', [path])
    },
  },
  // Root reads it all the same.
  ...(process.getuid?.() === 0
    ? []
    : [{ name: 'unreadable', whole: true, make: (path: string) => chmodSync(path, 0) } satisfies Damage]),
]
