import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { schnorr } from '@noble/curves/secp256k1.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fromHex } from '../../src/lib/bytes.ts'
import { type ProtocolId, protocolIds } from '../../src/records/definition-fields.ts'
import { bin, built, finished, quorate, type Ran } from '../support/cli.ts'
import { nobleFrost } from '../support/noble-frost.ts'
import { LONG, NIGHTLY, SEED } from '../support/report.ts'
import { opensslVerifies } from './openssl.ts'
import { type Document, entriesIn, gone, newFolder, told } from './support.ts'

const work = newFolder('demo')
let demos = 0
const folder = (): string => join(work.path, `demo ${++demos}`)

beforeAll(built)
afterAll(work.remove)

const demo = async (...args: string[]): Promise<{ document: Document; folder: string }> => {
  const at = folder()
  const ran = await told(['demo', '--folder', at, ...args], { cwd: work.path })
  expect(ran.code, ran.stdout + ran.stderr).toBe(0)
  return { document: ran.document, folder: at }
}

/** What every demo's document says, and that it is so. */
const holds = async (document: Document, at: string, protocol: ProtocolId, threshold: number): Promise<void> => {
  expect(document).toMatchObject({ ok: true, schema: 'quorate/demo/v1', folder: at, warnings: [] })
  expect(document.key.protocol).toBe(protocol)
  expect(document.key.publicKey).toMatch(/^(?:[0-9a-f]{2}){32,57}$/)
  expect(document.phases.map((one: Document) => one.name)).toEqual(
    expect.arrayContaining(['relay', 'keygen', 'sign', 'verify']),
  )
  for (const { ms } of document.phases) expect(ms).toBeGreaterThanOrEqual(0)
  expect(document.bundles).toHaveLength(2)
  expect(document.history).toBeNull()
  for (const { verdict, same } of document.verdicts) expect({ verdict, same }).toEqual({ verdict: 'valid', same: true })
  for (const { message, signature, signers } of document.signatures) {
    expect(signers).toHaveLength(threshold)
    const key = fromHex(document.key.publicKey)
    const { ok } = verdictOf(protocol, key, readFileSync(message), readFileSync(signature))
    expect(ok).toBe(true)
    const other = readFileSync(message)
    other[0] = (other[0] ?? 0) ^ 1
    expect(verdictOf(protocol, key, other, readFileSync(signature)).ok).toBe(false)
  }
  for (const pid of document.processes) expect(await gone(pid), `process ${pid}`).toBe(true)
}

/** What noble says, which had no part in making the signature. */
const verdictOf = (
  protocol: ProtocolId,
  key: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): { ok: boolean } => {
  if (protocol === 'frost-secp256k1-tr') return { ok: key.length === 32 && schnorr.verify(signature, message, key) }
  return { ok: nobleFrost[protocol].verify(signature, message, key) }
}

describe('the demo', () => {
  /** All by night; else two, by turns. */
  const others = protocolIds.slice(1).filter((_, at, { length }) => NIGHTLY || (at + SEED) % length < 2)
  test.runIf(LONG).each(others)('of %s', async (protocol) => {
    const { document, folder: at } = await demo('--protocol', protocol)
    await holds(document, at, protocol, 2)
    // A relay, three sites that make the key, two that sign.
    expect(new Set(document.processes).size).toBe(6)
  })

  test.runIf(LONG)(
    'on a tour: new shares, a lost one made again, shares for more sites, a signature after each, the old record refused',
    async () => {
      const at = folder()
      const ran = await told(['demo', '--tour', '--folder', at], { cwd: work.path })
      expect(ran.code, ran.stderr).toBe(0)
      const { document } = ran
      expect(document.history).toEqual({ verdict: 'valid', epochs: 4 })
      expect(document.verdicts.map(({ verdict, same }: Document) => [verdict, same])).toEqual(
        Array.from({ length: 8 }, () => ['valid', true]),
      )
      const key = fromHex(document.key.publicKey)
      for (const { message, signature } of document.signatures)
        expect(verdictOf('frost-ed25519', key, readFileSync(message), readFileSync(signature)).ok).toBe(true)
      expect(document.signatures.map(({ signers }: Document) => signers)).toEqual([
        ['eu', 'us'],
        ['us', 'ap'],
        ['us', 'ap-2'],
        ['ap-2', 'sa', 'af'],
      ])
      expect(ran.stderr).toContain('not the newest record of this key')
      const keys = await told(['keys', 'list'], { env: { QUORATE_HOME: join(at, 'us') } })
      expect(keys.document.keys).toMatchObject([{ epoch: 4, state: 'installed', publicKey: document.key.publicKey }])
      // Of the old share nothing is left that could be opened.
      const left = entriesIn(join(at, 'us', 'keys')).filter(({ folder: is }) => !is)
      expect(left.filter(({ path }) => path.endsWith('/slots') || path.endsWith('/shard'))).toHaveLength(2)
      for (const pid of document.processes) expect(await gone(pid), `process ${pid}`).toBe(true)
    },
  )

  test.runIf(LONG)('of 5 of 9 sites', async () => {
    const { document, folder: at } = await demo('--sites', '9', '--threshold', '5')
    await holds(document, at, 'frost-ed25519', 5)
    expect(new Set(document.processes).size).toBe(1 + 9 + 5)
  })

  test('makes a key and a signature that OpenSSL verifies, and files that are this user’s alone', async () => {
    const { document, folder: at } = await demo()
    await holds(document, at, 'frost-ed25519', 2)
    // A relay, three sites that make the key, two that sign.
    expect(new Set(document.processes).size).toBe(6)
    for (const one of entriesIn(at)) expect([one.path, one.mode]).toEqual([one.path, one.folder ? 0o700 : 0o600])
    const home = { env: { QUORATE_HOME: join(at, 'us') } }
    const pem = await quorate(['keys', 'show', '--key', 'demo', '--format', 'pem'], home)
    expect(pem.code).toBe(0)
    const [{ message, signature }] = document.signatures
    expect(opensslVerifies(pem.stdout, readFileSync(message), readFileSync(signature))).toBe(true)
    expect(opensslVerifies(pem.stdout, Buffer.from('something else'), readFileSync(signature))).toBe(false)
    // The key that its document shows is the one in the PEM.
    expect(
      Buffer.from(pem.stdout.split('\n')[1] ?? '', 'base64')
        .subarray(-32)
        .toString('hex'),
    ).toBe(document.key.publicKey)
  })

  test.runIf(LONG)(
    'in a poor environment: umask 000, LANG=C, no terminal, an empty HOME, a path with a space',
    async () => {
      const user = join(work.path, 'empty home')
      const at = folder()
      mkdirSync(user)
      const script = 'umask 000; exec "$0" "$@"'
      const child = spawn('sh', ['-c', script, process.execPath, bin, 'demo', '--json', '--folder', at], {
        cwd: work.path,
        env: { PATH: process.env['PATH'], HOME: user, LANG: 'C' },
        stdio: ['ignore', 'pipe', 'pipe'],
        // A session of its own has no controlling terminal.
        detached: true,
      })
      const ran = await finished(child)
      expect(ran.code, ran.stderr).toBe(0)
      await holds(JSON.parse(ran.stdout), at, 'frost-ed25519', 2)
      for (const one of entriesIn(at)) expect([one.path, one.mode]).toEqual([one.path, one.folder ? 0o700 : 0o600])
      expect(entriesIn(user)).toHaveLength(1)
      // Nothing on stderr that such a terminal could not show.
      expect(ran.stderr).toMatch(/^[\n\x20-\x7e]*$/)
    },
  )

  test('refuses a folder that is there, and leaves it alone', async () => {
    const at = folder()
    mkdirSync(at)
    writeFileSync(join(at, 'kept'), 'kept')
    const ran = await told(['demo', '--folder', at])
    expect([ran.code, ran.document.ok, ran.document.error.code]).toEqual([2, false, 'E_EXISTS'])
    expect(entriesIn(at)).toHaveLength(2)
  })

  test('refuses more sites than it has names for, and a threshold above their number', async () => {
    for (const args of [
      ['--sites', '13'],
      ['--sites', '3', '--threshold', '4'],
      ['--threshold', '1'],
    ]) {
      const ran = await told(['demo', '--folder', join(work.path, 'never'), ...args])
      expect([ran.code, ran.document.error.code]).toEqual([2, 'E_USAGE'])
    }
    expect(entriesIn(work.path).some(({ path }) => path.endsWith('never'))).toBe(false)
  })
})

describe('Ctrl-C', () => {
  /** Interrupts a demo when its story has come to `at`, as a terminal does (`group`: all its processes) or a script. */
  const interrupted = async (at: RegExp, group: boolean): Promise<{ ran: Ran; pids: readonly number[] }> => {
    const child = spawn(process.execPath, [bin, 'demo', '--json', '--json-events', '--folder', folder()], {
      cwd: work.path,
      env: { PATH: process.env['PATH'], LANG: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const ended = finished(child)
    const pids: number[] = []
    let sent = false
    let text = ''
    child.stderr?.on('data', (chunk: string) => {
      text += chunk
      for (const line of chunk.split('\n').filter((one) => one.startsWith('{') && one.endsWith('}'))) {
        const event = JSON.parse(line)
        pids.push(...(event.process === undefined ? [] : [event.process]), ...(event.processes ?? []))
      }
      if (sent || !at.test(text)) return
      sent = true
      process.kill(group ? -(child.pid ?? 0) : (child.pid ?? 0), 'SIGINT')
    })
    const ran = await ended
    expect(sent, ran.stderr).toBe(true)
    return { ran, pids }
  }

  const moments = [
    ['while the relay starts', /"step":"start"/, false],
    ['while the sites are made', /"step":"relay"/, false],
    ['while the key is made', /"kind":"keygen"/, true],
    ['while the key is made, by a script', /"phase":"round"/, false],
    ['while it is signed', /"kind":"sign"/, false],
  ] as const
  test.each(LONG ? moments : moments.slice(2, 3))('%s: exit 130 and no process is left', async (_, at, group) => {
    const { ran, pids } = await interrupted(at, group)
    expect(ran.code, ran.stderr).toBe(130)
    expect(JSON.parse(ran.stdout)).toMatchObject({ ok: false, error: { code: 'E_STOPPED', exit: 130 } })
    for (const pid of pids) expect(await gone(pid), `process ${pid}`).toBe(true)
    expect(
      execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
        .split('\n')
        .filter((line) => line.includes(`demo ${demos}/`)),
    ).toEqual([])
  })
})
