import { existsSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRoot } from '../../src/host/disk.ts'
import { systemRandom } from '../../src/host/random.ts'
import { openKmsKey } from '../../src/kms/registry.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import { suiteOf } from '../../src/mpc/frost/suite.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { shardStore } from '../../src/shards/store.ts'
import { finder } from '../secrets/needles.ts'
import { filesUnder } from '../secrets/seeded-sites.ts'
import { startTap, type Tap } from '../secrets/tap.ts'
import { built, quorate } from '../support/cli.ts'
import { type Document, Group, newFolder, type RunningRelay, serveRelay } from './support.ts'

/** A key that is given to two recipients, by real processes; and it is nowhere but in the files that they wrote. */

const work = newFolder('break-glass')
const group = new Group(work.path)
const vectors = (name: string): string => fileURLToPath(new URL(`../support/recipients/${name}`, import.meta.url))
const printed: string[] = []
let relay: RunningRelay
let tap: Tap

beforeAll(async () => {
  await built()
  relay = await serveRelay()
  tap = await startTap(Number(new URL(relay.url).port))
})
afterAll(async () => {
  await tap.close()
  await relay.stop()
  work.remove()
})

const ok = async (site: string, ...args: string[]): Promise<Document> => {
  const ran = await group.run(site, ...args)
  printed.push(ran.stdout, ran.stderr)
  expect(ran.code, ran.stdout).toBe(0)
  return ran.document
}
/** As people see it. */
const seen = async (site: string, ...args: string[]) => {
  const ran = await quorate([...args, '--no-input'], group.as(site))
  printed.push(ran.stdout, ran.stderr)
  return ran
}
const joinAll = async (
  topic: 'keygen' | 'sign' | 'recover',
  sites: readonly string[],
  file: string,
): Promise<Document[]> => {
  const ended = await Promise.all(sites.map((site) => group.join(site, topic, file).ended))
  return ended.map(({ code, document, stdout, stderr }) => {
    printed.push(stdout, stderr)
    expect(code, stdout).toBe(0)
    return document
  })
}

/** The relay, as sites find it through the tap. */
const tapped = (): string => relay.address.replace(new URL(relay.url).port, String(tap.port))

const approvers = ['n1', 'n2'] as const
let key = ''
let bundle = ''
let trust = ''
let opened = ''

test('two approvers and all sites give a key to those whom the definition names, and to nobody else', async () => {
  await group.create()
  const identities: string[] = []
  for (const name of approvers) {
    await ok(name, 'identity', 'create', '--role', 'approver', '--name', name, '--no-passphrase')
    identities.push((await ok(name, 'identity', 'show')).identity)
  }
  const keygen = group.path('treasury.yaml')
  const cards = group.names.flatMap((name) => ['--site', group.path(`${name}.card`)])
  const about = ['--name', 'treasury', '--protocol', 'frost-secp256k1-tr', '--threshold', '2']
  const { ceremony } = await ok('eu', 'keygen', 'plan', ...about, ...cards, '--relay', tapped(), '--out', keygen)
  for (const site of group.names) await ok(site, 'keygen', 'approve', '--definition', keygen, '--confirm', ceremony)
  await joinAll('keygen', group.names, keygen)
  key = (await ok('eu', 'keys', 'show', '--key', 'treasury')).publicKey

  const file = group.path('break-glass.yaml')
  const [recipient] = /age1\S+/.exec(readFileSync(vectors('age.txt'), 'utf8')) ?? []
  const wanted = ['--recipient', `counsel=${recipient}`, '--recipient', `vault=${vectors('p256.crt')}`]
  const plan = [
    'recover',
    'reconstruct',
    '--key',
    'treasury',
    '--reason',
    'the vendor is gone',
    ...wanted,
    '--out',
    file,
  ]
  const one = await group.run('eu', ...plan, '--approver', identities[0] as string)
  expect([one.code, one.document.error.message]).toEqual([2, expect.stringContaining('two approvers or more')])
  const own = await group.run('eu', ...plan, ...group.names.flatMap(() => ['--approver', 'qapprover1x']))
  expect(own.code).toBe(2)
  const planned = await ok('eu', ...plan, ...identities.flatMap((identity) => ['--approver', identity]))
  expect(planned).toMatchObject({ topic: 'recover', definition: { kind: 'reconstruct', givers: group.names } })
  const shown = await seen('us', 'recover', 'reconstruct', '--definition', file)
  for (const text of ['WHOLE KEY', 'counsel', recipient as string, 'vault', 'the vendor is gone', 'signs alone'])
    expect(shown.stdout).toContain(text)

  for (const site of [...group.names, ...approvers])
    await ok(site, 'recover', 'approve', '--definition', file, '--confirm', planned.ceremony)
  const joined = await joinAll('recover', group.names, file)
  for (const one of joined) expect(one).toMatchObject({ kind: 'reconstruct', state: 'closed', open: [] })
  expect(new Set(joined.map((one) => readFileSync(one.bundle).toString('base64'))).size).toBe(1)
  bundle = joined[0]?.bundle
  trust = group.write(
    'trusted.txt',
    `${group.names.map((name) => group.read(`${name}.card`)).join('')}${identities.join('\n')}\n`,
  )
})

test('the bundle says so, offline, in words and in JSON', async () => {
  const shown = await seen('nobody', 'audit', 'verify', '--bundle', bundle, '--trust', trust)
  expect([shown.code, shown.stderr]).toEqual([0, ''])
  expect(shown.stdout).toMatch(/WHOLE KEY +given to counsel, vault, by ap, eu, us/)
  expect(shown.stdout).toContain('reason: the vendor is gone')
  expect(shown.stdout).toMatch(/release +the whole key was given to counsel, vault, by eu, us, ap/)
  const report = await ok('nobody', 'audit', 'verify', '--bundle', bundle, '--trust', trust)
  expect(report).toMatchObject({
    verdict: 'valid',
    reconstructed: [{ by: ['ap', 'eu', 'us'], reason: 'the vendor is gone' }],
  })
  expect((await seen('nobody', 'audit', 'show', '--bundle', bundle)).stdout).toMatch(
    /WHOLE KEY +given to counsel, vault/,
  )
})

test('a recipient opens it into a new file that nobody else can read, and never into an old one', async () => {
  const out = group.path('treasury.key')
  const args = ['recover', 'open', '--bundle', bundle, '--trust', trust]
  const shown = await seen('nobody', ...args, '--identity', vectors('age.txt'), '--out', out)
  expect(shown.code, shown.stderr).toBe(0)
  expect(shown.stderr).toMatch(/^warning .*signs alone from now on.*move the funds to a fresh key/m)
  expect(shown.stdout).toContain('only this user can read it')
  expect(statSync(out).mode & 0o777).toBe(0o600)
  const text = readFileSync(out, 'utf8')
  opened = /^private key +([0-9a-f]{64})$/m.exec(text)?.[1] ?? expect.fail(text)
  expect(text).toMatch(/^# THE WHOLE PRIVATE KEY/)
  expect(text).toMatch(/^wif +[KL]\w{51}$/m)
  expect(text).toContain('rawtr(WIF)')
  expect(shown.stdout + shown.stderr).not.toContain(opened)
  await loadScheme('frost-secp256k1-tr')
  const { group: curve } = suiteOf('frost-secp256k1-tr')
  const scalar = curve.field.decode(fromHex(opened)) ?? expect.fail()
  expect(Buffer.from(curve.encode(curve.timesBase(scalar))).toString('hex')).toBe(key)

  const again = await group.run('nobody', ...args, '--identity', vectors('age.txt'), '--out', out)
  expect([again.code, again.document.error.code]).toEqual([2, 'E_EXISTS'])
  expect(readFileSync(out, 'utf8')).toBe(text)
  const other = group.path('other.key')
  const stranger = await group.run('nobody', ...args, '--identity', vectors('other-age.txt'), '--out', other)
  expect([stranger.code, stranger.document.error.code, existsSync(other)]).toEqual([1, 'E_REFUSED', false])
  const json = await group.run('nobody', ...args, '--identity', vectors('age.txt'), '--out', '-')
  expect([json.code, json.document.error.code]).toEqual([2, 'E_USAGE'])
  const toStdout = await quorate([...args, '--identity', vectors('p256.key'), '--out', '-'], group.as('nobody'))
  expect([toStdout.code, toStdout.stdout.includes(opened)]).toEqual([0, true])
  const wrong = await group.run(
    'nobody',
    'recover',
    'open',
    '--bundle',
    bundle.replace('reconstruct', 'x'),
    '--identity',
    vectors('age.txt'),
  )
  expect(wrong.code).toBe(2)
})

test('every later use of the key says so: at its sites, on their screens, in the bundles and the history', async () => {
  const message = group.write('message.txt', 'after all\n')
  const file = group.path('sign.yaml')
  const plan = ['sign', 'plan', '--name', 'payout', '--key', 'treasury', '--message', message, '--out', file]
  const loud = /WHOLE KEY +this site gave its share to counsel, vault/
  expect((await seen('eu', ...plan)).stdout).toMatch(loud)
  const { ceremony } = await ok('us', 'sign', 'plan', '--definition', file)
  for (const site of ['eu', 'us']) {
    const approved = await seen(
      site,
      'sign',
      'approve',
      '--definition',
      file,
      '--message',
      message,
      '--confirm',
      ceremony,
    )
    expect(approved.stderr).toMatch(loud)
  }
  const running = ['eu', 'us'].map((site) => seen(site, 'sign', 'join', '--definition', file))
  for (const { code, stderr } of await Promise.all(running)) {
    expect(code, stderr).toBe(0)
    expect(stderr).toMatch(loud)
  }
  expect((await seen('ap', 'keys', 'list')).stdout).toMatch(loud)
  const shown = await seen('ap', 'keys', 'show', '--key', 'treasury')
  expect(shown.stdout).toMatch(loud)
  expect(shown.stdout).toMatch(/reason +the vendor is gone/)
  const folder = group.path('eu/bundles')
  const history = await seen('nobody', 'audit', 'verify', '--history', folder, '--trust', trust)
  expect(history.code, history.stderr).toBe(0)
  expect(history.stdout).toMatch(/WHOLE KEY +given to counsel, vault at .* 1 signed after/)
  expect(history.stdout).toContain('every signature after it may be by whoever holds the key')
})

/** The share of each site, opened as the site does. */
const shares = async () => {
  const found: { name: string; bytes: Uint8Array }[] = []
  for (const site of group.names) {
    const disk = await openRoot(group.path(site))
    const slot = { provider: 'local', key: group.path(`kms/${site}.key`) }
    const kms = await openKmsKey(slot, { home: group.path(site), random: systemRandom })
    const store = shardStore(disk)
    for (const { key: id, outcome, envelope } of await store.list()) {
      const share = await store.reopen(id, outcome, envelope, [kms])
      found.push({ name: `share of ${site}`, bytes: share.reveal().slice() })
    }
    await disk.close()
  }
  return found
}

test('neither the key nor a share is in a home, a bundle, on a screen or on the wire', async () => {
  const secrets = [{ name: 'the whole key', bytes: fromHex(opened) }, ...(await shares())]
  expect(secrets.length).toBe(4)
  const find = finder(secrets)
  for (const site of [...group.names, ...approvers])
    for (const { path, bytes } of filesUnder(group.path(site))) expect(find(bytes), path).toEqual([])
  expect(printed.flatMap((text) => find(new TextEncoder().encode(text)))).toEqual([])
  expect(tap.bytes).toBeGreaterThan(100_000)
  expect(tap.traffic().flatMap((frame) => find(frame))).toEqual([])
  expect(find(new Uint8Array(readFileSync(group.path('treasury.key')))).length).toBeGreaterThan(0)
})
