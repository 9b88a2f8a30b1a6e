import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openRoot } from '../../src/host/disk.ts'
import { systemRandom } from '../../src/host/random.ts'
import { openHome } from '../../src/identity/home.ts'
import { openKmsKey } from '../../src/kms/registry.ts'
import { fromHex, utf8 } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import { shardStore } from '../../src/shards/store.ts'
import { Group, inBackground, newFolder, type RunningRelay, serveRelay } from '../e2e/support.ts'
import { bin, built, quorate, type Ran } from '../support/cli.ts'
import { report } from '../support/report.ts'
import { finder, type Secretive } from './needles.ts'
import { filesUnder } from './seeded-sites.ts'

const PASSPHRASE = 'correct horse battery staple of eu'
const KMS_PASSPHRASE = 'another long passphrase for the kms key'

const work = newFolder('output')
const group = new Group(work.path)
const [eu, us, ap] = ['eu', 'us', 'ap'] as const
/** Everything that any process printed. */
const printed: string[] = []
let relay: RunningRelay
let ceremony = ''

const passphraseFlags = (): string[] => [
  '--passphrase-file',
  group.path('passphrase'),
  '--kms-passphrase-file',
  group.path('kms-passphrase'),
]
const run = async (site: string, ...args: string[]): Promise<Ran> => {
  const ran = await quorate([...args, '--verbose', '--no-input'], group.as(site))
  printed.push(ran.stdout, ran.stderr)
  return ran
}
const both = async (site: string, ...args: string[]): Promise<Ran> => {
  await run(site, ...args)
  return run(site, ...args, '--json', '--json-events')
}
const join_ = (site: string, kind: 'keygen' | 'sign', definition: string, ...more: string[]) => {
  const running = inBackground(
    [kind, 'join', '--definition', definition, '--verbose', ...(site === eu ? passphraseFlags() : []), ...more],
    group.as(site),
  )
  running.ended.then(({ stdout, stderr }) => printed.push(stdout, stderr)).catch(() => undefined)
  return running
}

const create = (site: string, more: readonly string[]): Promise<Ran> =>
  run(
    site,
    'identity',
    'create',
    '--name',
    site,
    '--kms',
    `local:${group.path(`kms/${site}.key`)}`,
    '--jurisdiction',
    site,
    '--control',
    `${site}/${site}/${site}`,
    ...more,
  )

const planAndApprove = async (name: string): Promise<string> => {
  const cards = group.names.flatMap((site) => ['--site', group.path(`${site}.card`)])
  const args = ['--name', name, '--protocol', 'frost-ed25519', '--threshold', '2', ...cards, '--relay', relay.address]
  const made = await run(eu, 'keygen', 'plan', ...args, '--gather', '30', '--out', `${name}.yaml`, '--json')
  const { ceremony: id } = JSON.parse(made.stdout)
  for (const site of group.names) {
    const ran = await run(
      site,
      'keygen',
      'approve',
      '--definition',
      `${name}.yaml`,
      '--confirm',
      id,
      ...(site === eu ? passphraseFlags().slice(0, 2) : []),
    )
    expect(ran.code, ran.stderr).toBe(0)
  }
  return id
}

beforeAll(async () => {
  await built()
  relay = await serveRelay(['--port', '0', '--verbose', '--json-events'])
  mkdirSync(group.path('user'))
  writeFileSync(group.path('passphrase'), `${PASSPHRASE}\n`, { mode: 0o600 })
  writeFileSync(group.path('kms-passphrase'), `${KMS_PASSPHRASE}\n`, { mode: 0o600 })
  for (const site of group.names) {
    const made = await create(site, site === eu ? passphraseFlags() : ['--no-passphrase'])
    expect(made.code, made.stderr).toBe(0)
    const card = await run(site, 'identity', 'card', ...(site === eu ? passphraseFlags().slice(0, 2) : []))
    writeFileSync(group.path(`${site}.card`), card.stdout)
  }
  ceremony = await planAndApprove('treasury')
  const runs = await Promise.all(group.names.map((site) => join_(site, 'keygen', 'treasury.yaml').ended))
  for (const ran of runs) expect(ran.code, ran.stdout + ran.stderr).toBe(0)
})
afterAll(work.remove)

/** All that the three homes and their KMS keys hold. */
const secrets = async (): Promise<readonly Secretive[]> => {
  const found: Secretive[] = [
    { name: 'passphrase', bytes: utf8(PASSPHRASE) },
    { name: 'kms passphrase', bytes: utf8(KMS_PASSPHRASE) },
  ]
  for (const site of group.names) {
    const disk = await openRoot(group.path(site))
    const home = await openHome(disk)
    for (const file of ['purpose/log.key', 'purpose/cosign.key', 'purpose/note.key', 'hedge'])
      found.push({ name: `${site} ${file}`, bytes: fromHex(group.read(`${site}/${file}`).trim()) })
    if (site !== eu) {
      found.push({ name: `${site} identity`, bytes: fromHex(JSON.parse(group.read(`${site}/identity`)).key) })
      const file = JSON.parse(group.read(`kms/${site}.key`))
      found.push({ name: `${site} kms key`, bytes: fromHex(file.versions[0].key) })
    }
    const slot = { provider: 'local', key: group.path(`kms/${site}.key`) }
    const passphrase = async () => new Secret(utf8(KMS_PASSPHRASE))
    const kms = await openKmsKey(slot, { home: group.path(site), random: systemRandom, passphrase })
    const store = shardStore(home.disk)
    for (const epoch of await store.list()) {
      const share = await store.reopen(epoch.key, epoch.outcome, epoch.envelope, [kms])
      found.push({ name: `${site} share`, bytes: share.reveal().slice() })
    }
    await disk.close()
  }
  return found
}

/** A copy of a home whose one file was damaged, and the KMS key's folder beside it. */
const damagedHome = (site: string, name: string, file: string, edit: (text: string) => string): string => {
  const to = group.path(`damaged ${name}`)
  execFileSync('cp', ['-a', group.path(site), to])
  const path = join(to, file)
  writeFileSync(path, edit(readFileSync(path, 'latin1')), 'latin1')
  return to
}

describe('nothing secret is printed', () => {
  test('by commands that succeed', async () => {
    for (const args of [
      ['identity', 'show'],
      ['keys', 'list'],
      ['keys', 'show', '--key', 'treasury'],
      ['keygen', 'status'],
      ['keygen', 'plan', '--definition', 'treasury.yaml'],
      ['help'],
    ])
      for (const site of [eu, us]) expect((await both(site, ...args)).code).toBe(0)
    const { bundle } = JSON.parse((await run(us, 'keygen', 'status', '--json')).stdout)
    expect((await both(us, 'audit', 'verify', '--bundle', bundle, '--trust-stated')).code).toBe(0)
    await both(us, 'audit', 'show', '--bundle', bundle, '--messages')
  })

  test('by a wrong passphrase, a missing one, and one that is typed in the wrong place', async () => {
    writeFileSync(group.path('wrong'), 'not the passphrase of this home\n')
    const join = ['keygen', 'join', '--definition', 'treasury.yaml']
    for (const args of [
      [...join],
      [...join, '--passphrase-file', group.path('wrong')],
      [...join, '--passphrase-file', group.path('none')],
      [...join, '--passphrase', PASSPHRASE],
      [...join, `--passphrase=${PASSPHRASE}`],
      [...join, PASSPHRASE],
      [PASSPHRASE],
      ['keygen', PASSPHRASE],
      ['keygen', 'approve', '--definition', 'treasury.yaml', '--confirm', PASSPHRASE],
      ['keygen', 'plan', '--definition', 'treasury.yaml', '--threshold', PASSPHRASE],
      ['keygen', 'plan', '--protocol', PASSPHRASE, '--out', 'x'],
      ['relay', 'serve', '--limit', PASSPHRASE],
      ['identity', 'create', '--name', PASSPHRASE, '--no-passphrase'],
      ['identity', 'create', '--name', 'x', '--no-passphrase', '--passphrase-file', PASSPHRASE],
    ])
      expect((await both(eu, ...args)).code, args.join(' ')).not.toBe(0)
  })

  test('by a home or a key file that is damaged: not even a part of what stands there', async () => {
    const cut = (text: string): string => text.slice(0, -3)
    const odd = (text: string): string => text.replace(/([0-9a-f]{40})([0-9a-f])/, '$1 $2')
    const quote = (text: string): string => text.replace(/"key":"/, '"key":')
    const files: [string, string, ((text: string) => string)[]][] = [
      [us, 'identity', [cut, odd, quote]],
      [us, 'hedge', [cut, odd]],
      [us, 'purpose/log.key', [cut, odd]],
      [us, 'purpose/note.key', [cut, odd]],
    ]
    const outputs: string[] = []
    for (const [site, file, edits] of files)
      for (const [n, edit] of edits.entries()) {
        const home = damagedHome(site, `${file.replace('/', '-')} ${n}`, file, edit)
        for (const args of [
          ['identity', 'show'],
          ['keygen', 'join', '--definition', 'treasury.yaml'],
          ['identity', 'card'],
        ]) {
          const ran = await quorate([...args, '--verbose', '--json', '--no-input'], {
            ...group.as(us),
            env: { QUORATE_HOME: home },
          })
          expect([args[1], ran.code], ran.stdout).not.toEqual([args[1], 0])
          outputs.push(ran.stdout, ran.stderr)
        }
      }
    const kms = group.path('kms/us.key')
    copyFileSync(kms, group.path('us.key.kept'))
    const second = await planAndApprove('damaged')
    for (const edit of [cut, odd, quote]) {
      writeFileSync(kms, edit(readFileSync(group.path('us.key.kept'), 'latin1')))
      const ran = await quorate(
        ['keygen', 'join', '--ceremony', second.slice(0, 8), '--verbose', '--json', '--no-input'],
        group.as(us),
      )
      expect([ran.code, JSON.parse(ran.stdout).error.code]).toEqual([5, 'E_KMS_UNAVAILABLE'])
      outputs.push(ran.stdout, ran.stderr)
    }
    copyFileSync(group.path('us.key.kept'), kms)
    chmodSync(kms, 0o600)
    printed.push(...outputs)
    const all = outputs.join('\n')
    for (const { name, bytes } of await secrets()) {
      const hex = Buffer.from(bytes).toString('hex')
      for (let at = 0; at + 8 <= hex.length; at++)
        expect(all.includes(hex.slice(at, at + 8)), `${name} at ${at}`).toBe(false)
    }
  })

  test('by joins that are stopped, killed, crash, or whose ceremony is aborted', async () => {
    await planAndApprove('second')
    const wrong = ['--kms-passphrase-file', group.path('wrong')]
    const refused = await both(
      eu,
      'keygen',
      'join',
      '--definition',
      'second.yaml',
      ...passphraseFlags().slice(0, 2),
      ...wrong,
    )
    expect(JSON.parse(refused.stdout).error.code).toBe('E_PASSPHRASE')
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGABRT', 'SIGSEGV', 'SIGUSR1', 'SIGUSR2', 'SIGQUIT'] as const) {
      const running = join_(eu, 'keygen', 'second.yaml')
      await running.event(({ phase }) => phase === 'preflight')
      running.kill(signal)
      setTimeout(() => running.kill('SIGKILL'), 500)
      await running.ended.catch(() => undefined)
    }
    const running = [eu, ap].map((site) => join_(site, 'keygen', 'second.yaml'))
    await Promise.all(running.map((one) => one.event(({ phase }) => phase === 'preflight')))
    const { ceremony: id } = JSON.parse(
      (await run(us, 'keygen', 'plan', '--definition', 'second.yaml', '--json')).stdout,
    )
    expect((await both(us, 'keygen', 'abort', '--definition', 'second.yaml', '--confirm', id)).code).toBe(0)
    for (const one of running) expect((await one.ended).code).toBe(1)
    await both(ap, 'keygen', 'status', '--definition', 'second.yaml')
  })

  test('and the relay, too, prints none', async () => {
    const { stdout, stderr } = await relay.stop()
    printed.push(stdout, stderr)
    expect(stderr).toContain('"what":"admitted"')
  })

  test('in all of it', async () => {
    const known = await secrets()
    const text = printed.join('\n')
    expect(finder(known)(utf8(text))).toEqual([])
    report(`${known.length} secrets looked for in ${printed.length} outputs of ${text.length} characters: none found`)
    expect(known.length).toBeGreaterThanOrEqual(18)
    expect(text.length).toBeGreaterThan(50_000)
    // The ceremony ran, and its words are there.
    expect(text).toContain(ceremony)
  })
})

describe.runIf(process.platform === 'linux')('a running join', () => {
  const files = (): readonly string[] => readdirSync(work.path)

  test('leaves a core file without a byte of its memory', async () => {
    relay = await serveRelay()
    const text = group
      .read('treasury.yaml')
      .replace(/ws:\/\/127\.0\.0\.1:\d+/, relay.url)
      .replace(/qrelay1[a-z0-9]+/, relay.address.split('#')[1] ?? '')
    writeFileSync(
      group.path('core.yaml'),
      text.replace(/name: treasury/, 'name: core').replace(/nonce: .*/, `nonce: "${'ab'.repeat(16)}"`),
    )
    const { ceremony: id } = JSON.parse((await run(us, 'keygen', 'plan', '--definition', 'core.yaml', '--json')).stdout)
    expect((await run(us, 'keygen', 'approve', '--definition', 'core.yaml', '--confirm', id)).code).toBe(0)
    const crash = async (guarded: boolean): Promise<readonly Uint8Array[]> => {
      const folder = group.path(guarded ? 'cores' : 'plain cores')
      mkdirSync(folder)
      const holder = `const seed = require('node:fs').readFileSync(${JSON.stringify(group.path('us/hedge'))}); setInterval(() => seed[0], 1e4); process.abort()`
      const args = guarded
        ? [bin, 'keygen', 'join', '--definition', group.path('core.yaml'), '--json-events']
        : ['-e', holder]
      const child = spawn('sh', ['-c', 'ulimit -c unlimited; exec "$0" "$@"', process.execPath, ...args], {
        cwd: folder,
        env: { PATH: process.env['PATH'], QUORATE_HOME: group.path('us') },
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      child.stderr?.on('data', (chunk: Buffer) => {
        if (guarded && chunk.includes('"preflight"')) child.kill('SIGSEGV')
      })
      await new Promise((resolve) => child.once('close', resolve))
      return filesUnder(folder).map(({ bytes }) => bytes)
    }
    const find = finder((await secrets()).filter(({ name }) => name === 'us hedge'))
    const cores = await crash(true)
    const guarded = cores.map((core) => core.length)
    expect(cores.flatMap((core) => find(core))).toEqual([])
    // Whether this machine writes cores at all: an unguarded process would have shown its memory.
    const plain = await crash(false)
    const shown = plain.flatMap((core) => find(core)).length
    report(
      `core files of a join: ${guarded.join(', ') || 'none'} bytes, no secret; of an unguarded process: ${plain.length > 0 ? `${shown} times the secret` : 'no file'}`,
    )
  })

  test('opens no inspector at SIGUSR1, and takes no loader from NODE_OPTIONS', async () => {
    const running = inBackground(['keygen', 'join', '--definition', 'core.yaml'], group.as(us))
    await running.event(({ phase }) => phase === 'preflight')
    /** TCP sockets on which the process listens: an inspector would be one. */
    const listening = (): string[] => {
      const lines = ['tcp', 'tcp6'].flatMap((name) =>
        readFileSync(`/proc/${running.pid}/net/${name}`, 'utf8').trim().split('\n').slice(1),
      )
      const inodes = lines
        .map((line) => line.trim().split(/\s+/))
        .flatMap((cells) => (cells[3] === '0A' ? cells[9] : []))
      const open = new Set(inodes.map((inode) => `socket:[${inode}]`))
      return readdirSync(`/proc/${running.pid}/fd`).filter((fd) => {
        try {
          return open.has(readlinkSync(`/proc/${running.pid}/fd/${fd}`))
        } catch {
          // Closed since it was listed.
          return false
        }
      })
    }
    const tasks = (): string[] =>
      readdirSync(`/proc/${running.pid}/task`).map((task) =>
        readFileSync(`/proc/${running.pid}/task/${task}/comm`, 'utf8').trim(),
      )
    await new Promise((resolve) => setTimeout(resolve, 300))
    for (let n = 0; n < 3; n++) running.kill('SIGUSR1')
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(listening()).toEqual([])
    expect(tasks().filter((name) => /inspector/i.test(name))).toEqual([])
    running.kill('SIGINT')
    const ran = await running.ended
    expect([ran.code, /debugger|inspector/i.test(ran.stderr)]).toEqual([130, false])
    for (const options of [
      '--inspect',
      '--experimental-loader=./x.mjs',
      '--import ./x.mjs',
      '-r ./x.cjs',
      '--heapsnapshot-near-heap-limit=1',
    ]) {
      const refused = await quorate(['keygen', 'join', '--definition', 'core.yaml', '--json'], {
        ...group.as(us),
        env: { ...group.as(us).env, NODE_OPTIONS: options },
      })
      // Node itself ends before any code of ours where the file is not there.
      expect(refused.code, options).not.toBe(0)
      if (refused.stdout !== '') expect(JSON.parse(refused.stdout).error.code).toBe('E_USAGE')
    }
    await relay.stop()
    expect(files().some((name) => name.endsWith('.heapsnapshot'))).toBe(false)
    expect(existsSync(group.path('us/run.sock'))).toBe(false)
  })
})
