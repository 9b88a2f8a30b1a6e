// Makes a fresh clone ready for what comes next: dependencies where they are missing, dist where it is older than src.
// Runs before `npm run demo`, `npm test` and the rest, with nothing installed yet, so it imports node alone.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

// Nobody else may write what this installs and builds, whatever the caller's umask.
process.umask(process.umask() | 0o022)

const root = fileURLToPath(new URL('..', import.meta.url))
const json = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'))

/** Every package of the lockfile that this platform takes is there in the locked version. */
const installed = () => {
  if (!existsSync(join(root, 'node_modules/.package-lock.json'))) return false
  const found = json('node_modules/.package-lock.json').packages
  return Object.entries(json('package-lock.json').packages).every(
    ([path, { version, optional }]) => path === '' || optional || found[path]?.version === version,
  )
}

const run = (command, args) => {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', process.stderr, process.stderr],
    shell: process.platform === 'win32',
  })
  if (status === 0) return
  console.error(`error   ${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`)
  process.exit(5)
}

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`error   node ${process.versions.node} is too old\nhint    install node 20.19 or newer`)
  process.exit(2)
}

if (!installed()) run('npm', ['ci', '--no-audit', '--no-fund'])
const { buildIfStale } = await import('./build.mjs')
await buildIfStale()
