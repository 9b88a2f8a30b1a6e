import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Hash } from '../lib/brand.ts'
import { toHex, utf8 } from '../lib/bytes.ts'
import { sha256, tupleHash } from '../lib/hash.ts'

const here = fileURLToPath(new URL('../..', import.meta.url))
/** The same in a clone and in an installed package; dist/dependencies.json is the lockfile of what is shipped. */
const OWN_FILES = ['bin/quorate.js', 'oclif.manifest.json', 'package.json']
const OWN_FOLDERS = ['dist']
/** Files of a package that Node loads; types and pages for people are left out. */
const LOADED = /\.(?:js|cjs|mjs|json|wasm|node)$/

interface Manifest {
  readonly name?: string
  readonly version?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest

/** The folder that an import of `name` from a file in `from` is resolved to; undefined where it is not installed. */
const resolved = (name: string, from: string): string | undefined => {
  for (let folder = from; ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', name)
    if (existsSync(join(found, 'package.json'))) return realpathSync(found)
    if (folder === dirname(folder)) return undefined
  }
}

/** Folders of every package that the one at `root` can load, its own first. */
const packagesOf = (root: string): ReadonlyMap<string, Manifest> => {
  const found = new Map<string, Manifest>()
  const add = (folder: string): void => {
    if (found.has(folder)) return
    const manifest = manifestOf(folder)
    found.set(folder, manifest)
    const wanted = {
      ...manifest.dependencies,
      // Our optional ones are the SDKs of clouds: a site loads that of its own cloud, and another one none.
      ...(folder === root ? {} : manifest.optionalDependencies),
      // Ours are addons that are loaded where somebody installed them; those of others are types and tools.
      ...(folder === root ? manifest.peerDependencies : {}),
    }
    for (const name of Object.keys(wanted).sort()) {
      const next = resolved(name, folder)
      if (next !== undefined) add(next)
    }
  }
  add(root)
  return found
}

/** Packages within a package are packages of their own. */
const filesIn = (folder: string): readonly string[] =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.name !== 'node_modules')
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      return entry.isDirectory() ? filesIn(path) : entry.isFile() ? [path] : []
    })

const hashOfFiles = (folder: string, files: readonly string[]): Uint8Array =>
  tupleHash(
    'quorate package files v1',
    ...[...files]
      .sort()
      .flatMap((file) => [utf8(relative(folder, file).split(sep).join('/')), sha256(readFileSync(file))]),
  )

/**
 * Over everything that a site loads: path and SHA-256 of each own file, and of each file of each installed dependency,
 * wherever it was resolved to. Reads all of it at once, some 8 MB: done before anything runs. Two sites that state the same hash run the same code, to whom they tell the truth.
 */
export const buildHash = (root = here.replace(/[/\\]$/, '')): Hash => {
  const files = OWN_FILES.map((name) => join(root, name)).filter((path) => existsSync(path))
  const own = hashOfFiles(root, [...files, ...OWN_FOLDERS.flatMap((name) => filesIn(join(root, name)))])
  const packages = [...packagesOf(root)].filter(([folder]) => folder !== root)
  const hashes = packages.map(([folder, { name = '', version = '' }]) => {
    const loaded = filesIn(folder).filter((file) => LOADED.test(file))
    return `${name}@${version} ${toHex(hashOfFiles(folder, loaded))}`
  })
  // By name and not by place: npm may put one package beside another or within it.
  return toHex(tupleHash('quorate build v2', own, ...[...new Set(hashes)].sort().map(utf8))) as Hash
}
