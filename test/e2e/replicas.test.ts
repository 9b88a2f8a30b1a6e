import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { built, quorate } from '../support/cli.ts'
import { type Document, Group, newFolder, type RunningRelay, serveRelay } from './support.ts'

/** Replicas of a share in two folders, by real processes: lost, damaged, put back, and gone when the share is. */

const work = newFolder('replicas')
const group = new Group(work.path)
const [eu] = group.names as [string]
const stores = ['one', 'two'].map((name) => join(work.path, name))
let relay: RunningRelay

beforeAll(async () => {
  await built()
  relay = await serveRelay()
  for (const store of stores) mkdirSync(store, { mode: 0o700 })
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
const joinAll = async (topic: 'keygen' | 'sign' | 'rotate', sites: readonly string[], file: string): Promise<void> => {
  const ended = await Promise.all(sites.map((site) => group.join(site, topic, file).ended))
  for (const { code, stdout } of ended) expect(code, stdout).toBe(0)
}
const approveAll = async (topic: 'keygen' | 'sign' | 'rotate', file: string, ...more: string[]): Promise<void> => {
  const { ceremony } = await ok(eu, topic, 'plan', '--definition', file)
  for (const site of group.names) await ok(site, topic, 'approve', '--definition', file, '--confirm', ceremony, ...more)
}
const verify = async (...more: string[]): Promise<{ readonly code: number | null; readonly share: Document }> => {
  const ran = await group.run(eu, 'keys', 'verify', '--key', 'treasury', ...more)
  return { code: ran.code, share: ran.document.shares?.[0] ?? ran.document }
}
/** Files in a store, or in the home, whose path ends so. */
const filesOf = (folder: string, part: RegExp): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name))
    .filter((path) => part.test(path))
const states = ({ home, replicas, slots }: Document) =>
  [home, ...replicas, ...slots].map(({ state }: Document) => state)

test('a share lies in every store of its site, and is held against the record there', async () => {
  await group.create()
  group.write(
    'eu/site.yaml',
    group.read('eu/site.yaml').replace('  - home\n', stores.map((store) => `  - "file:${store}"\n`).join('')),
  )
  group.write('eu.card', (await quorate(['identity', 'card'], group.as(eu))).stdout)
  const file = group.path('treasury.yaml')
  const cards = group.names.flatMap((name) => ['--site', group.path(`${name}.card`)])
  const about = ['--name', 'treasury', '--protocol', 'frost-ed25519', '--threshold', '2']
  await ok(eu, 'keygen', 'plan', ...about, ...cards, '--relay', relay.address, '--out', file)
  await approveAll('keygen', file)
  await joinAll('keygen', group.names, file)
  const { code, share } = await verify()
  expect([code, states(share)]).toEqual([0, ['ok', 'ok', 'ok', 'ok']])
  const shown = await quorate(['keys', 'verify', '--key', 'treasury', '--no-input'], group.as(eu))
  expect([shown.code, shown.stderr]).toEqual([0, ''])
  for (const text of ['treasury, epoch 1', `file:${stores[0]}`, `file:${stores[1]}`, 'opens its piece'])
    expect(shown.stdout.replaceAll(/\s+/g, ' ')).toContain(text)
  const metrics = await quorate(['keys', 'verify', '--key', 'treasury', '--metrics'], group.as(eu))
  expect(metrics.stdout).toMatch(/^# HELP quorate_share_epoch [^\n]+\n# TYPE quorate_share_epoch gauge\n/)
  expect(metrics.stdout.match(/^quorate_replica_whole\{.*\} 1$/gm)).toHaveLength(2)
})

test('a replica that is gone or damaged is named, and put back', async () => {
  for (const path of filesOf(stores[0] as string, /slots/)) rmSync(path)
  const [file] = filesOf(stores[1] as string, /shard/)
  writeFileSync(file as string, readFileSync(file as string).reverse())
  const bad = await verify()
  expect([bad.code, states(bad.share)]).toEqual([1, ['ok', 'missing', 'damaged', 'ok']])
  const shown = await quorate(['keys', 'verify', '--key', 'treasury', '--no-input'], group.as(eu))
  expect([shown.code, shown.stderr]).toEqual([
    1,
    expect.stringMatching(/2 of 4 places of this share are not as the record says[\s\S]+--repair/),
  ])
  const mended = await verify('--repair')
  expect([mended.code, states(mended.share)]).toEqual([0, ['ok', 'mended', 'mended', 'ok']])
  expect((await verify()).code).toBe(0)
})

test('a store that is not there is out of reach, and the rest is told', async () => {
  rmSync(stores[0] as string, { recursive: true })
  const bad = await verify('--repair')
  expect([bad.code, states(bad.share)]).toEqual([1, ['ok', 'unreachable', 'ok', 'ok']])
  mkdirSync(stores[0] as string, { mode: 0o700 })
  expect((await verify('--repair')).code).toBe(0)
})

test('the home’s own files of the share are put back from a replica, and it signs', async () => {
  const message = group.write('message.txt', 'pay')
  const file = group.path('sign.yaml')
  await ok(eu, 'sign', 'plan', '--key', 'treasury', '--name', 'first', '--message', message, '--out', file)
  await approveAll('sign', file, '--message', message)
  for (const damage of [
    (path: string) => rmSync(path),
    (path: string) => writeFileSync(path, readFileSync(path).fill(0, 10, 60)),
  ])
    for (const part of [/\/slots$/, /\/shard$/]) {
      const [path] = filesOf(group.path('eu/keys'), part)
      const before = readFileSync(path as string)
      damage(path as string)
      const bad = await verify()
      expect([bad.code, states(bad.share)]).toEqual([1, ['damaged', 'ok', 'ok', 'ok']])
      const mended = await verify('--repair')
      expect([mended.code, states(mended.share)]).toEqual([0, ['mended', 'ok', 'ok', 'ok']])
      expect(readFileSync(path as string)).toEqual(before)
    }
  await joinAll('sign', group.names.slice(0, 2), file)
})

test('a store has no say in what is put back, and nothing that is whole goes for it', async () => {
  const [shard] = filesOf(group.path('eu/keys'), /\/shard$/)
  const votes = (shard as string).replace(/shard$/, 'votes')
  const [good, said] = [readFileSync(shard as string), readFileSync(votes)]
  const before = stores.map((store) => filesOf(store, /\/slots\//).length)
  // Another site's envelope of the same epoch, under a name as good as any.
  const [theirs] = filesOf(group.path('us/keys'), /\/shard$/)
  const [slots] = filesOf(stores[0] as string, /\/slots\//)
  const folder = join(slots as string, '..', '..', '..', 'ab'.repeat(32))
  for (const part of ['shard', 'slots']) {
    mkdirSync(join(folder, part), { recursive: true })
    writeFileSync(join(folder, part, '@1'), readFileSync((theirs as string).replace(/shard$/, part)))
  }
  writeFileSync(votes, 'no votes')
  const bad = await verify('--repair')
  expect([bad.code, bad.share.home.state]).toEqual([1, 'damaged'])
  expect(readFileSync(shard as string)).toEqual(good)
  for (const [n, store] of stores.entries())
    expect(filesOf(store, /\/slots\//).length).toBeGreaterThanOrEqual(before[n] as number)
  writeFileSync(votes, said)
  rmSync(folder, { recursive: true })
  expect((await verify()).code).toBe(0)
})

test('a share whose record is gone is not passed over', async () => {
  const [record] = filesOf(group.path('eu/keys'), /\/record$/)
  const bytes = readFileSync(record as string)
  rmSync(record as string)
  const bad = await verify()
  expect([bad.code, bad.share.home.state]).toEqual([1, 'damaged'])
  writeFileSync(record as string, bytes)
  expect((await verify()).code).toBe(0)
})

test('a slot whose KMS key is gone is named', async () => {
  const [kms, aside] = [group.path('kms/eu.key'), group.path('kms/eu.aside')]
  const bytes = readFileSync(kms)
  writeFileSync(aside, bytes)
  rmSync(kms)
  const bad = await verify()
  expect([bad.code, states(bad.share)]).toEqual([1, ['ok', 'ok', 'ok', 'unreachable']])
  writeFileSync(kms, bytes, { mode: 0o600 })
  expect((await verify()).code).toBe(0)
})

test('a share that was replaced is gone from every store', async () => {
  const [slots] = filesOf(group.path('eu/keys'), /\/slots$/)
  const pieces = readFileSync(slots as string)
  const holding = () =>
    stores.flatMap((store) => filesOf(store, /./)).filter((path) => readFileSync(path).includes(pieces))
  expect(holding()).toHaveLength(2)
  const file = group.path('refresh.yaml')
  await ok(eu, 'rotate', 'plan', '--key', 'treasury', '--out', file)
  await approveAll('rotate', file)
  await joinAll('rotate', group.names, file)
  const { code, share } = await verify()
  expect([code, share.epoch, states(share)]).toEqual([0, 2, ['ok', 'ok', 'ok', 'ok']])
  expect(share.replicas.map(({ older }: Document) => older)).toEqual([0, 0])
  expect(holding()).toEqual([])
})
