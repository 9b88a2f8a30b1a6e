#!/usr/bin/env node
// The guard, before any other code of ours runs: what would let a debugger, a loader or a dump at the shares by accident
// is refused or switched off. It stops accidents, not root (SECURITY.md).
//
// What it cannot do: Node opens its inspector before this file runs. With --inspect it is open until the guard ends the
// process; with --inspect-brk and --inspect-wait Node runs nothing of ours before a debugger came and let it go on, and
// then the guard refuses. No launcher in front of Node would be portable, and `node bin/quorate.js` would pass it by.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

// Node opens the inspector at SIGUSR1 unless somebody listens.
process.on('SIGUSR1', () => {})

// Flags that change neither what code runs nor who may look into this process. All others are refused.
const HARMLESS =
  /^--(?:max-(?:old|semi)-space-size|stack-trace-limit|(?:no-)?warnings|disable-warning|no-deprecation|dns-result-order|use-openssl-ca|use-system-ca|use-bundled-ca|secure-heap(?:-min)?|enable-fips|force-fips|tls-min-v1\.[23]|tls-max-v1\.3|expose-gc|enable-source-maps|unhandled-rejections)(?:=|$)/

const refused = (words) =>
  words
    .map((word) => word.replace(/^["']/, '').replaceAll('_', '-'))
    .find((word) => word.startsWith('-') && !HARMLESS.test(word))

const refuse = (message, hint) => {
  process.stderr.write(`error   ${message}\nhint    ${hint}\ncode    E_USAGE (exit 2)\n`)
  const error = { code: 'E_USAGE', exit: 2, message, hint, details: {} }
  const document = { ok: false, schema: 'quorate/error/v1', warnings: [], error }
  if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(document, null, 2)}\n`)
  process.exit(2)
}

// The floor of package.json, before a line of ours is read that an older runtime would take for something else.
const FLOOR = [20, 19]
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < FLOOR[0] || (major === FLOOR[0] && minor < FLOOR[1]))
  refuse(
    `this is node ${process.versions.node}, and quorate needs ${FLOOR.join('.')} or later`,
    'start it with a newer node',
  )

const nameOf = (word) => /^--?[A-Za-z][A-Za-z0-9-]*/.exec(word)?.[0] ?? 'an option'
const inNode = refused(process.execArgv)
if (inNode !== undefined)
  refuse(`node was started with ${nameOf(inNode)}, which quorate does not run under`, 'start it without that option')
const inEnvironment = refused((process.env.NODE_OPTIONS ?? '').split(/\s+/))
if (inEnvironment !== undefined)
  refuse(
    `NODE_OPTIONS holds ${nameOf(inEnvironment)}, which quorate does not run under`,
    'unset NODE_OPTIONS, then run the same command again',
  )
if (process.env.NODE_TLS_REJECT_UNAUTHORIZED === '0')
  refuse(
    'NODE_TLS_REJECT_UNAUTHORIZED=0 switches off the check of certificates',
    'unset it, then run the same command again',
  )

// Node has read these by now: it would print requests with data keys and tokens in them, or load other files than are hashed.
for (const name of ['NODE_DEBUG', 'NODE_DEBUG_NATIVE', 'NODE_PRESERVE_SYMLINKS', 'NODE_PRESERVE_SYMLINKS_MAIN'])
  if (process.env[name])
    refuse(`${name} is set, under which quorate does not run`, `unset ${name}, then run the same command again`)
// They make libraries print command lines and input; the SDKs of clouds and the modules of cards, requests with the data keys,
// tokens and PINs in them.
for (const name of [
  'DEBUG',
  'DEBUG_AUTH',
  'GOOGLE_SDK_NODE_LOGGING',
  'GRPC_NODE_TRACE',
  'GRPC_NODE_VERBOSITY',
  'GRPC_TRACE',
  'GRPC_VERBOSITY',
  'AZURE_LOG_LEVEL',
  'TYPESPEC_RUNTIME_LOG_LEVEL',
  'OPENSC_DEBUG',
])
  delete process.env[name]
// The AWS SDK prints ten lines about versions of Node that later versions of it will need; ours is pinned.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
// Files are this user's alone, also where the caller's umask is 000.
process.umask(0o077)
// A core file of this process, or of one that it starts, holds no memory (Linux; elsewhere there is no such switch).
try {
  writeFileSync('/proc/self/coredump_filter', '0')
} catch {}

const { main } = await import('../dist/cli/main.js')
await main(process.argv.slice(2), fileURLToPath(new URL('..', import.meta.url)))
