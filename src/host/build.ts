import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Hash } from '../lib/brand.ts'
import { toHex, utf8 } from '../lib/bytes.ts'
import { sha256, tupleHash } from '../lib/hash.ts'

const here = fileURLToPath(new URL('../..', import.meta.url))
/** The same in a clone and in an installed package; dist/dependencies.json is the lockfile of what is shipped. */
const OWN_FILES = ['bin/quorate.js', 'oclif.manifest.json', 'package.json']
const OWN_FOLDERS = ['dist']
/** Files of a package that Node does not load: types, maps and pages for people. All others it may, whatever their names. */
const UNLOADED = /\.(?:d\.[cm]?ts|map|md|markdown)$/i
/** Beside the addon that node-gyp built: its notes of folders and flags, which no two machines share. */
const BUILD_NOTES = /^build\/(?:Makefile|[^/]+\.(?:mk|Makefile|gypi)|Release\/(?:\.deps|obj\.target)\/.+)$/

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

/** Names of packages that one can load. */
const wantedBy = ({ dependencies, optionalDependencies, peerDependencies }: Manifest, isOurs: boolean): string[] =>
  Object.keys({
    ...dependencies,
    // Our optional ones are the SDKs of clouds (packagesHash): a site loads that of its own cloud, another one none. Our
    // peers are addons that are loaded where somebody installed them; those of others are types and tools.
    ...(isOurs ? peerDependencies : optionalDependencies),
  }).sort()

/** Folders of every package that can be loaded from `root` by these names, with what those load in turn. */
const packagesFrom = (root: string, names: readonly string[]): ReadonlyMap<string, Manifest> => {
  const found = new Map<string, Manifest>()
  const add = (from: string, name: string): void => {
    const folder = resolved(name, from)
    if (folder === undefined || folder === root || found.has(folder)) return
    const manifest = manifestOf(folder)
    found.set(folder, manifest)
    for (const next of wantedBy(manifest, false)) add(folder, next)
  }
  for (const name of names) add(root, name)
  return found
}

/** Files of a folder, through symbolic links, which an installer may set, but for places that are left out. */
const filesIn = (
  folder: string,
  leftOut: (path: string) => boolean = () => false,
  within: readonly string[] = [],
): readonly string[] => {
  const here = realpathSync(folder)
  // A link that leads back.
  if (within.includes(here)) return []
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    const found = leftOut(path) ? undefined : statSync(path, { throwIfNoEntry: false })
    return found?.isDirectory() ? filesIn(path, leftOut, [...within, here]) : found?.isFile() ? [path] : []
  })
}

/** Packages in a package's own `node_modules` are packages of their own; whatever else lies there, or in another one, is not. */
const filesOf = (folder: string): readonly string[] => {
  const nested = join(folder, 'node_modules')
  const isPlace = (path: string): boolean =>
    dirname(path) === nested || (dirname(dirname(path)) === nested && basename(dirname(path)).startsWith('@'))
  return filesIn(
    folder,
    (path) => isPlace(path) && (existsSync(join(path, 'package.json')) || basename(path).startsWith('.')),
  )
}

const within = (folder: string, file: string): string => relative(folder, file).split(sep).join('/')

const hashOfFiles = (folder: string, files: readonly string[]): Uint8Array =>
  tupleHash(
    'quorate package files v1',
    ...[...files].sort().flatMap((file) => [utf8(within(folder, file)), sha256(readFileSync(file))]),
  )

/** One line a package; by name and not by place: npm may put one package beside another or within it. */
const linesOf = (packages: ReadonlyMap<string, Manifest>): readonly Uint8Array[] => {
  const lines = [...packages].map(([folder, { name = '', version = '' }]) => {
    const isLoaded = (file: string): boolean => !UNLOADED.test(file) && !BUILD_NOTES.test(within(folder, file))
    const loaded = filesOf(folder).filter(isLoaded)
    return `${name}@${version} ${toHex(hashOfFiles(folder, loaded))}`
  })
  return [...new Set(lines)].sort().map(utf8)
}

const ROOT = here.replace(/[/\\]$/, '')

/**
 * Over everything that every site loads: path and SHA-256 of each own file, and of each file of each installed dependency,
 * wherever it was resolved to. Reads all of it at once, some 8 MB: done before anything runs. Two sites that state the same hash run the same code, to whom they tell the truth.
 */
export const buildHash = (root = ROOT): Hash => {
  const files = OWN_FILES.map((name) => join(root, name)).filter((path) => existsSync(path))
  const own = hashOfFiles(root, [...files, ...OWN_FOLDERS.flatMap((name) => filesIn(join(root, name)))])
  const packages = packagesFrom(root, wantedBy(manifestOf(root), true))
  return toHex(tupleHash('quorate build v2', own, ...linesOf(packages))) as Hash
}

/** The same over optional packages, and everything that they load; one that is not installed is none of them. */
export const packagesHash = (names: readonly string[], root = ROOT): Hash =>
  toHex(tupleHash('quorate packages v1', ...linesOf(packagesFrom(root, names)))) as Hash
