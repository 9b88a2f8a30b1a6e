import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { built, quorate } from '../support/cli.ts'
import { type Document, Group, newFolder, type RunningRelay, serveRelay } from './support.ts'

/** A site moves its share to another KMS key, by real processes; the old key is thrown away, and the key is used as before. */

const work = newFolder('rewrap')
const group = new Group(work.path)
let relay: RunningRelay

beforeAll(async () => {
  await built()
  relay = await serveRelay()
})
afterAll(async () => {
  await relay.stop()
  work.remove()
})

const ok = async (site: string, ...args: string[]): Promise<Document> => {
  const ran = await group.run(site, ...args)
  expect(ran.code, ran.stdout).toBe(0)
  return ran.document
}
const joinAll = async (topic: 'keygen' | 'sign' | 'rotate', sites: readonly string[], file: string) => {
  const ended = await Promise.all(sites.map((site) => group.join(site, topic, file).ended))
  return ended.map(({ code, document, stdout }) => {
    expect(code, stdout).toBe(0)
    return document
  })
}
const approveAll = async (
  topic: 'keygen' | 'sign' | 'rotate',
  sites: readonly string[],
  file: string,
  ...more: string[]
) => {
  const { ceremony } = await ok(sites[0] as string, topic, 'plan', '--definition', file)
  for (const site of sites) await ok(site, topic, 'approve', '--definition', file, '--confirm', ceremony, ...more)
}

const key = ['--key', 'treasury']
const oldKey = () => group.path('kms/eu.key')
const newKey = () => group.path('kms/eu-2.key')

test('a share goes from one KMS key to another, and the site that moves is the only one that approves', async () => {
  await group.create()
  const keygen = group.path('treasury.yaml')
  const cards = group.names.flatMap((name) => ['--site', group.path(`${name}.card`)])
  const about = ['--name', 'treasury', '--protocol', 'frost-ed25519', '--threshold', '2']
  await ok('eu', 'keygen', 'plan', ...about, ...cards, '--relay', relay.address, '--out', keygen)
  await approveAll('keygen', group.names, keygen)
  await joinAll('keygen', group.names, keygen)

  const file = group.path('rewrap.yaml')
  const nothing = await quorate(['rotate', 'rewrap', ...key, '--out', file, '--no-input'], group.as('eu'))
  expect([nothing.code, nothing.stdout]).toEqual([0, expect.stringContaining('kms/eu.key')])
  expect(nothing.stdout).toMatch(/nothing +to do/)
  expect(existsSync(file)).toBe(false)

  group.write('eu/site.yaml', group.read('eu/site.yaml').replace(oldKey(), newKey()))
  const due = await ok('eu', 'rotate', 'plan', ...key, '--max-age', '90', '--out', group.path('refresh.yaml'))
  expect(due.kms).toMatchObject({ moved: true, lies: [{ key: oldKey() }], wanted: [{ key: newKey() }] })
  const early = await ok('eu', 'rotate', 'plan', ...key, '--out', group.path('refresh.yaml'))
  expect(early.findings).toMatchObject(expect.arrayContaining([expect.objectContaining({ rule: 'kms-moved' })]))

  const planned = await ok('eu', 'rotate', 'rewrap', ...key, '--out', file)
  expect(planned).toMatchObject({
    topic: 'rotate',
    definition: { kind: 'rewrap', site: 'eu', witnesses: ['us', 'ap'], old: { kms: [{ key: oldKey() }] } },
  })
  expect(existsSync(newKey())).toBe(true)
  const shown = await quorate(['rotate', 'rewrap', '--definition', file, '--no-input'], group.as('us'))
  for (const text of ['rewrap', oldKey(), newKey(), 'us, ap'])
    expect(shown.stdout.replaceAll(/\s+/g, ' ')).toContain(text)

  const early2 = await group.join('eu', 'rotate', file).ended
  expect([early2.code, early2.document.error.code]).toEqual([3, 'E_NOT_APPROVED'])
  await ok('eu', 'rotate', 'approve', '--definition', file, '--confirm', planned.ceremony)
  const status = await ok('us', 'rotate', 'status', '--definition', file, '--offline')
  expect(status.next).not.toContain('rotate approve')
  const joined = await joinAll('rotate', group.names, file)
  for (const one of joined) expect(one).toMatchObject({ kind: 'rewrap', state: 'closed', open: [] })
  expect(new Set(joined.map((one) => readFileSync(one.bundle).toString('base64'))).size).toBe(1)
})

test('the key is used with the new card alone, and a job that runs again has nothing to do', async () => {
  rmSync(oldKey())
  const { keys } = await ok('eu', 'keys', 'list')
  expect(keys).toMatchObject([{ name: 'treasury', epoch: 1, state: 'installed' }])
  const again = await ok('eu', 'rotate', 'rewrap', ...key, '--out', group.path('again.yaml'))
  expect(again).toMatchObject({ kms: [{ key: newKey() }], file: null })

  // A witness plans: it knows the new card from its own log.
  const payment = group.write('payment.txt', 'pay nobody')
  const sign = group.path('payment.yaml')
  await ok('us', 'sign', 'plan', ...key, '--name', 'payment', '--message', payment, '--out', sign)
  await approveAll('sign', ['eu', 'us'], sign, '--message', payment)
  await joinAll('sign', ['eu', 'us'], sign)

  const refresh = group.path('refresh-2.yaml')
  await ok('ap', 'rotate', 'plan', ...key, '--out', refresh)
  await approveAll('rotate', group.names, refresh)
  await joinAll('rotate', group.names, refresh)
  const check = await group.join('eu', 'rotate', refresh).ended
  expect(check.code).toBe(0)
})

test('its bundle and the history of the key say so', async () => {
  const folder = join(group.path('eu'), 'bundles')
  const trust = group.write('trusted.txt', group.names.map((name) => group.read(`${name}.card`)).join(''))
  const bundle = readdirSync(folder).find((name) => name.includes('rewrap')) ?? expect.fail('no bundle')
  const report = await ok('nobody', 'audit', 'verify', '--bundle', join(folder, bundle), '--trust', trust)
  expect(report).toMatchObject({
    verdict: 'valid',
    rewrapped: { site: 'eu', to: [{ key: newKey() }], witnesses: ['ap', 'us'] },
  })
  const history = await quorate(
    ['audit', 'verify', '--history', folder, '--trust', trust, '--no-input'],
    group.as('nobody'),
  )
  expect([history.code, history.stdout]).toEqual([0, expect.stringMatching(/rewrapped +eu, epoch 1, under local:/)])
  expect(history.stdout).toContain('cosigned by ap, us')
})
