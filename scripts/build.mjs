// src → dist and the command manifest. Types are checked by `npm run check`; this only strips them, so that a build takes
// a second. Files that did not change are not touched: a running process never sees half a build.
//
//   node scripts/build.mjs            build
//   node scripts/build.mjs --pack     build, and put the shrinkwrap where npm pack takes it
//   node scripts/build.mjs --unpack   remove it again
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[/\\]$/, '')
const src = join(root, 'src')
const dist = join(root, 'dist')
const manifestFile = join(root, 'oclif.manifest.json')
const lockFile = join(dist, 'dependencies.json')
const shrinkwrapFile = join(root, 'npm-shrinkwrap.json')

const filesUnder = (folder) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .sort()
    : []

const writeIfChanged = (path, text) => {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return
  mkdirSync(dirname(path), { recursive: true })
  const draft = `${path}.${process.pid}.draft`
  writeFileSync(draft, text, { mode: 0o644 })
  renameSync(draft, path)
}

const transpile = (ts, compilerOptions, path) => {
  const { outputText, diagnostics } = ts.transpileModule(readFileSync(path, 'utf8'), {
    fileName: path,
    reportDiagnostics: true,
    compilerOptions,
  })
  if (diagnostics.length === 0) return outputText
  const host = { getCanonicalFileName: (name) => name, getCurrentDirectory: () => root, getNewLine: () => '\n' }
  console.error(ts.formatDiagnostics(diagnostics, host))
  process.exit(1)
}

/** The lockfile without development dependencies: what an installation gets, and what the build hash covers. */
const shrinkwrap = () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const packages = Object.entries(lock.packages).filter(([, entry]) => !entry.dev && !entry.devOptional)
  const { devDependencies: _, ...self } = lock.packages['']
  lock.packages = { ...Object.fromEntries(packages), '': self }
  lock.packages = { '': self, ...lock.packages }
  return `${JSON.stringify(lock, null, 2)}\n`
}

/** What oclif would otherwise learn by importing every command at every start. */
const manifest = async () => {
  const { Plugin } = await import('@oclif/core')
  const plugin = new Plugin({
    root,
    isRoot: true,
    ignoreManifest: true,
    errorOnManifestCreate: true,
    respectNoCacheDefault: true,
  })
  await plugin.load()
  const commands = Object.entries(plugin.manifest.commands).sort(([a], [b]) => (a < b ? -1 : 1))
  return `${JSON.stringify({ ...plugin.manifest, commands: Object.fromEntries(commands) }, null, 2)}\n`
}

export const build = async () => {
  process.umask(process.umask() | 0o022)
  const { default: ts } = await import('typescript')
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root)
  // Alone, a file does not show that the package is of type module.
  const compilerOptions = {
    ...options,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  }
  const made = new Set([lockFile])
  for (const path of filesUnder(src).filter((path) => path.endsWith('.ts'))) {
    const target = join(dist, relative(src, path)).replace(/\.ts$/, '.js')
    made.add(target)
    writeIfChanged(target, transpile(ts, compilerOptions, path))
  }
  for (const path of filesUnder(src).filter((path) => !path.endsWith('.ts'))) {
    const target = join(dist, relative(src, path))
    made.add(target)
    writeIfChanged(target, readFileSync(path, 'utf8'))
  }
  writeIfChanged(lockFile, shrinkwrap())
  for (const path of filesUnder(dist)) if (!made.has(path) && !path.endsWith('.draft')) rmSync(path, { force: true })
  writeIfChanged(manifestFile, await manifest())
  writeFileSync(stampFile, '')
}

const stampFile = join(root, 'node_modules/.quorate-built')

/** Builds unless everything was built after it was last changed. */
export const buildIfStale = async () => {
  const inputs = [
    ...filesUnder(src),
    ...['package.json', 'package-lock.json', 'tsconfig.json', 'scripts/build.mjs'].map((name) => join(root, name)),
  ]
  const built = existsSync(stampFile) && existsSync(manifestFile) ? statSync(stampFile).mtimeMs : 0
  const folders = new Set(inputs.map(dirname).filter((folder) => folder.startsWith(src + sep) || folder === src))
  if ([...inputs, ...folders].some((path) => statSync(path).mtimeMs >= built)) await build()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--unpack')) rmSync(shrinkwrapFile, { force: true })
  else {
    await build()
    if (process.argv.includes('--pack')) writeFileSync(shrinkwrapFile, shrinkwrap(), { mode: 0o644 })
  }
}
