import { readdir, readFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Hash } from '../lib/brand.ts'
import { toHex, utf8 } from '../lib/bytes.ts'
import { sha256, tupleHash } from '../lib/hash.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** The same in a clone and in an installed package; dist/dependencies.json is the lockfile of what is shipped. */
const shipped = ['bin/quorate.js', 'dist', 'oclif.manifest.json', 'package.json']

const filesIn = async (path: string): Promise<readonly string[]> => {
  try {
    const entries = await readdir(path, { withFileTypes: true, recursive: true })
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  } catch {
    return [path]
  }
}

/** Over path and SHA-256 of each shipped file and the lockfile: says which build a site runs, to whom it tells the truth. */
export const buildHash = async (): Promise<Hash> => {
  const files = (await Promise.all(shipped.map((name) => filesIn(join(root, name))))).flat().sort()
  const parts: Uint8Array[] = []
  for (const file of files) {
    const bytes = await readFile(file).catch(() => undefined)
    if (bytes !== undefined) parts.push(utf8(relative(root, file).split(sep).join('/')), sha256(bytes))
  }
  return toHex(tupleHash('quorate build v1', ...parts)) as Hash
}
