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
