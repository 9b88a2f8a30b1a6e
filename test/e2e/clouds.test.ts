import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Authority, newAuthority } from '../counterparts/authority.ts'
import { type AzureKv, startAzureKv } from '../counterparts/azure-kv.ts'
import { type GcpKms, startGcpKms } from '../counterparts/gcp-kms.ts'
import { startProxy } from '../counterparts/proxy.ts'
import { built, quorate } from '../support/cli.ts'
import { type Document, Group, newFolder, type RunningRelay, serveRelay, told } from './support.ts'

const work = newFolder('clouds')
const [eu, us, ap] = ['eu', 'us', 'ap'] as const
let authority: Authority
let gcp: GcpKms
let azure: AzureKv
let proxy: Awaited<ReturnType<typeof startProxy>>
let relay: RunningRelay
let group: Group

beforeAll(async () => {
  await built()
  authority = newAuthority()
  ;[gcp, azure, proxy, relay] = await Promise.all([
    startGcpKms(authority),
    startAzureKv(authority),
    startProxy(),
    serveRelay(),
  ])
  group = new Group(work.path, [eu, us, ap], {
    // It makes the SDK print its requests, and the data key is in them.
    eu: { kms: `gcp-kms:${gcp.make('eu')}`, env: { ...gcp.env, GOOGLE_SDK_NODE_LOGGING: '*' } },
    us: {
      kms: `azure-kv:${azure.make('us', 'quorate')}`,
      env: { ...azure.env, HTTPS_PROXY: proxy.url, AZURE_LOG_LEVEL: 'verbose' },
    },
    // Its card names a key on its disk at first.
    ap: { env: { ...gcp.env, ...azure.env, HTTPS_PROXY: proxy.url } },
  })
})
afterAll(async () => {
  await Promise.all([relay?.stop(), gcp?.stop(), azure?.stop(), proxy?.stop()])
  authority?.remove()
  work.remove()
})

const ok = async (site: string, ...args: string[]): Promise<Document> => {
  const ran = await group.run(site, ...args)
  expect(ran.code, ran.stdout).toBe(0)
  return ran.document
}
const verified = async (bundle: string): Promise<void> => {
  const ran = await told(['audit', 'verify', '--bundle', bundle, '--trust', group.trust()])
  expect([ran.code, ran.document.verdict, ran.document.failed], ran.stdout).toEqual([0, 'valid', 0])
}
const planned = async (name: string): Promise<readonly string[]> => {
  writeFileSync(group.path(`${name}.txt`), `${name}\n`)
  const out = ['--out', `${name}.yaml`]
  const made = await ok(eu, 'sign', 'plan', '--name', name, '--key', 'treasury', '--message', `${name}.txt`, ...out)
  return ['sign', 'approve', '--definition', `${name}.yaml`, '--confirm', made.ceremony, '--message', `${name}.txt`]
}

test('three sites with keys of two clouds and of a disk make a key, and bundles that hold', async () => {
  await group.create()
  const made = await ok(
    eu,
    ...['keygen', 'plan', '--name', 'treasury', '--protocol', 'frost-ed25519', '--threshold', '2'],
    ...group.names.flatMap((name) => ['--site', group.path(`${name}.card`)]),
    ...['--relay', relay.address, '--out', 'treasury.yaml'],
  )
  for (const name of group.names)
    await ok(name, 'keygen', 'approve', '--definition', 'treasury.yaml', '--confirm', made.ceremony)
  const runs = await Promise.all(group.names.map((name) => group.join(name, 'keygen', 'treasury.yaml').ended))
  for (const ran of runs) {
    expect(ran.code, ran.stdout).toBe(0)
    expect(ran.document).toMatchObject({ state: 'closed', open: [] })
    expect(ran.stderr).not.toMatch(/request|plaintext|azure:/i)
    await verified(ran.document.bundle)
  }
  // Sealed once, and opened again for the proof of possession.
  expect(new Set(gcp.asked)).toEqual(new Set(['Encrypt', 'Decrypt']))
  expect(new Set(azure.asked)).toEqual(new Set(['-wrapkey', 'discovery', 'token', 'wrapkey', 'unwrapkey']))
})

test('the two with keys of clouds sign', async () => {
  const approve = await planned('payout')
  for (const name of [eu, us]) await ok(name, ...approve)
  const runs = await Promise.all([eu, us].map((name) => group.join(name, 'sign', 'payout.yaml').ended))
  for (const ran of runs) {
    expect(ran.code, ran.stdout).toBe(0)
    expect(ran.document).toMatchObject({ state: 'closed', open: [], signers: [eu, us] })
    await verified(ran.document.bundle)
  }
})

test('a site whose key was disabled says so in one line, and the others sign', async () => {
  const approve = await planned('second')
  for (const name of group.names) await ok(name, ...approve)
  gcp.state('eu', 'DISABLED')
  const others = [us, ap].map((name) => group.join(name, 'sign', 'second.yaml').ended)
  const ran = await quorate(['sign', 'join', '--definition', 'second.yaml', '--no-input'], group.as(eu))
  expect(ran.code, ran.stderr).toBe(5)
  const said = ran.stderr.split('\n').filter((line) => line.startsWith('error'))
  expect(said).toEqual([
    expect.stringMatching(/the KMS key gcp-kms:\S+ is disabled, or is about to be deleted \(FAILED_/),
  ])
  expect(ran.stderr).toMatch(/^hint +enable it at the provider/m)
  for (const other of await Promise.all(others)) {
    expect(other.code, other.stdout).toBe(0)
    expect(other.document).toMatchObject({ state: 'closed', signers: [us, ap] })
    await verified(other.document.bundle)
  }
})

test('the third goes over to three keys, in both clouds and on its disk, and signs without any one of them', async () => {
  gcp.state('eu', 'ENABLED')
  const three = [
    `gcp-kms:${gcp.make('ap')}`,
    `azure-kv:${azure.make('ap', 'quorate')}`,
    `local:${group.path('kms/ap.key')}`,
  ]
  const slots = three.map(
    (key) => `  - provider: ${key.split(':')[0]}\n    key: "${key.slice(key.indexOf(':') + 1)}"\n`,
  )
  group.write('ap/site.yaml', group.read('ap/site.yaml').replace(/^kms:\n(?: .*\n)+/m, `kms:\n${slots.join('')}`))
  const move = await ok(ap, 'rotate', 'rewrap', '--key', 'treasury', '--out', 'move.yaml')
  expect(move.definition).toMatchObject({ sealing: 'two-of-three', site: ap })
  const shown = await quorate(['rotate', 'rewrap', '--definition', 'move.yaml', '--no-input'], group.as(ap))
  expect(shown.stdout.replaceAll(/\s+/g, ' ')).toMatch(
    /kms ap gcp-kms \S+ any 2 open the shard ap azure-kv \S+ ap local \S+/,
  )
  await ok(ap, 'rotate', 'approve', '--definition', 'move.yaml', '--confirm', move.ceremony)
  const moved = await Promise.all(group.names.map((name) => group.join(name, 'rotate', 'move.yaml').ended))
  for (const ran of moved) {
    expect(ran.code, ran.stdout).toBe(0)
    await verified(ran.document.bundle)
  }
  const card = await quorate(['identity', 'card'], group.as(ap))
  group.write('ap.card', card.stdout)
  const { keys } = await ok(ap, 'kms', 'doctor')
  expect(keys.map(({ checks }: Document) => checks.map(({ state }: Document) => state))).toEqual(
    three.map(() => ['ok', 'ok', 'ok']),
  )

  gcp.state('ap', 'DISABLED')
  const approve = await planned('third')
  for (const name of [us, ap]) await ok(name, ...approve)
  const [, at] = await Promise.all([us, ap].map((name) => group.join(name, 'sign', 'third.yaml').ended))
  expect(at?.code, at?.stdout).toBe(0)
  expect(at?.document).toMatchObject({
    state: 'closed',
    signers: [us, ap],
    warnings: [expect.stringMatching(/gcp-kms:\S+ is disabled.*; the other two keys of this site are used/)],
  })
  await verified(at?.document.bundle)

  // Two are gone: nothing opens it any more, and the others need not know.
  azure.set(three[1]?.slice('azure-kv:'.length) ?? '', { enabled: false })
  const again = await planned('fourth')
  for (const name of group.names) await ok(name, ...again)
  const ran = await quorate(['sign', 'join', '--definition', 'fourth.yaml', '--no-input'], group.as(ap))
  expect(ran.code, ran.stderr).toBe(5)
  expect(ran.stderr).toMatch(/^error +the KMS key gcp-kms:/m)
})
