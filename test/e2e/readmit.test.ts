import { cpSync, readFileSync, rmSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { built, quorate } from '../support/cli.ts'
import { type Document, Group, newFolder, type RunningRelay, serveRelay } from './support.ts'

/** A home that comes back from an older copy, by real processes: refused, taken back, and named in what follows. */

const work = newFolder('readmit')
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
const seen = (site: string, ...args: string[]) => quorate([...args, '--no-input'], group.as(site))

const joinAll = (topic: 'keygen' | 'sign' | 'recover', sites: readonly string[], file: string) =>
  Promise.all(sites.map((site) => group.join(site, topic, file).ended))

let signed = 0
/** These sites sign a message of their own; how each of them ended. */
const signing = async (sites: readonly string[]) => {
  signed += 1
  const file = group.path(`sign-${signed}.yaml`)
  const message = group.write(`message-${signed}.txt`, `pay ${signed}\n`)
  const plan = ['sign', 'plan', '--name', `payout-${signed}`, '--key', 'treasury', '--message', message, '--out', file]
  const { ceremony } = await ok('eu', ...plan, ...sites.flatMap((site) => ['--signer', site]))
  for (const site of sites)
    await ok(site, 'sign', 'approve', '--definition', file, '--message', message, '--confirm', ceremony)
  return joinAll('sign', sites, file)
}

test('a home from an older copy is refused, and its operator reads what to do', async () => {
  await group.create()
  const file = group.path('treasury.yaml')
  const cards = group.names.flatMap((name) => ['--site', group.path(`${name}.card`)])
  const about = ['--name', 'treasury', '--protocol', 'frost-ed25519', '--threshold', '2']
  const { ceremony } = await ok('eu', 'keygen', 'plan', ...about, ...cards, '--relay', relay.address, '--out', file)
  for (const site of group.names) await ok(site, 'keygen', 'approve', '--definition', file, '--confirm', ceremony)
  for (const { code, stdout } of await joinAll('keygen', group.names, file)) expect(code, stdout).toBe(0)
  cpSync(group.path('ap'), group.path('ap-old'), { recursive: true })
  for (const { code, stdout } of await signing(group.names)) expect(code, stdout).toBe(0)
  cpSync(group.path('ap'), group.path('ap-live'), { recursive: true })
  rmSync(group.path('ap'), { recursive: true })
  cpSync(group.path('ap-old'), group.path('ap'), { recursive: true })
  const [eu, ap] = await signing(['eu', 'ap'])
  for (const ran of [eu, ap]) {
    expect([ran?.code, ran?.document.error.code]).toEqual([4, 'E_SITE_ROLLED_BACK'])
    expect(ran?.document.error.hint).toContain('recover readmit')
  }
})

test('it is taken back by what all approve, and signs again; bundles and histories say so', async () => {
  const file = group.path('back.yaml')
  const plan = ['recover', 'readmit', '--key', 'treasury', '--reason', 'the disk was restored', '--out', file]
  const planned = await ok('ap', ...plan)
  expect(planned).toMatchObject({ topic: 'recover', definition: { kind: 'readmit', returning: 'ap' } })
  const shown = await seen('us', 'recover', 'readmit', '--definition', file)
  expect([shown.code, shown.stderr]).toEqual([0, ''])
  for (const text of ['ledger now', 'known here', 'the disk was restored', 'no other copy of its home runs'])
    expect(shown.stdout).toContain(text)
  for (const site of group.names)
    await ok(site, 'recover', 'approve', '--definition', file, '--confirm', planned.ceremony)
  const joined = await joinAll('recover', group.names, file)
  for (const { code, stdout } of joined) expect(code, stdout).toBe(0)
  const bundles = joined.map(({ document }) => readFileSync(document.bundle).toString('base64'))
  expect(new Set(bundles).size).toBe(1)
  const trust = group.trust()
  const verified = await seen('nobody', 'audit', 'verify', '--bundle', joined[0]?.document.bundle, '--trust', trust)
  expect([verified.code, verified.stderr], verified.stdout).toEqual([0, ''])
  expect(verified.stdout).toMatch(/READMITTED +ap, which came back with a ledger of \d+ events; eu, us say so/)
  expect(verified.stdout).toMatch(/readmit +eu, us took ap back/)
  await ok('us', 'recover', 'status', '--ceremony', planned.ceremony)
  const ended = await signing(['us', 'ap'])
  for (const { code, stdout } of ended) expect(code, stdout).toBe(0)
  const bundle = ended[0]?.document.bundle
  const after = await seen('nobody', 'audit', 'verify', '--bundle', bundle, '--trust', trust)
  expect(after.stdout).toMatch(/READMITTED +ap/)
  expect((await seen('nobody', 'audit', 'show', '--bundle', bundle)).stdout).toMatch(/READMITTED +ap/)
  const folder = group.path('us/bundles')
  const history = await seen('nobody', 'audit', 'verify', '--history', folder, '--trust', trust)
  expect(history.stdout).toMatch(/READMITTED +ap/)
})

test('each site that had a part says so of its key, and the returned one too', async () => {
  for (const site of group.names) {
    const { keys } = await ok(site, 'keys', 'list')
    const said = { site: 'ap', reason: 'the disk was restored', ceremony: expect.stringMatching(/^[0-9a-f]{64}$/) }
    expect(keys).toMatchObject([{ name: 'treasury', readmitted: [said] }])
    expect((await seen(site, 'keys', 'list')).stdout).toMatch(/READMITTED +ap \(/)
  }
  const shown = await seen('us', 'keys', 'show', '--key', 'treasury')
  expect(shown.stdout).toMatch(/READMITTED +ap \(.*\nreason +the disk was restored/)
})

test('the home that was there before is refused from then on', async () => {
  rmSync(group.path('ap'), { recursive: true })
  cpSync(group.path('ap-live'), group.path('ap'), { recursive: true })
  const ended = await signing(['eu', 'ap'])
  expect(ended.map(({ document }) => document.error?.code)).toEqual(['E_SITE_ROLLED_BACK', 'E_SITE_ROLLED_BACK'])
})
