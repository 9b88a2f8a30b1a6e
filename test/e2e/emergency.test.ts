import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { built } from '../support/cli.ts'
import { opensslVerifies } from './openssl.ts'
import { type Document, Group, inBackground, newFolder, type RunningRelay, serveRelay, type Told } from './support.ts'

const work = newFolder('emergency')
const group = new Group(work.path)
let relay: RunningRelay
let old: Document

const ok = async (site: string, ...args: string[]): Promise<Document> => {
  const ran = await group.run(site, ...args)
  expect(ran.code, ran.stdout).toBe(0)
  return ran.document
}
const all = async (topic: 'keygen' | 'sign' | 'rotate', sites: readonly string[], file: string, ...more: string[]) => {
  const { ceremony } = await ok(sites[0] as string, topic, 'plan', '--definition', file)
  for (const site of sites) await ok(site, topic, 'approve', '--definition', file, '--confirm', ceremony, ...more)
  return Promise.all(sites.map((site) => group.join(site, topic, file).ended))
}
const signsWith = async (key: string, name: string, sites: readonly string[]): Promise<readonly Told[]> => {
  const [message, file] = [group.write(`${name}.txt`, `${name}\n`), group.path(`${name}.yaml`)]
  await ok(sites[0] as string, 'sign', 'plan', '--name', name, '--key', key, '--message', message, '--out', file)
  const ends = await all('sign', sites, file, '--message', message)
  const { forms } = await ok(sites[0] as string, 'keys', 'show', '--key', key)
  for (const { code, document } of ends) {
    expect(code).toBe(0)
    expect(opensslVerifies(forms.pem, readFileSync(message), Buffer.from(document.signature, 'hex'))).toBe(true)
  }
  return ends
}

beforeAll(async () => {
  await built()
  relay = await serveRelay()
  await group.create()
  const cards = group.names.flatMap((name) => ['--site', group.path(`${name}.card`)])
  const key = ['--name', 'treasury', '--protocol', 'frost-ed25519', '--threshold', '2']
  const file = group.path('treasury.yaml')
  await ok('eu', 'keygen', 'plan', ...key, ...cards, '--relay', relay.address, '--out', file)
  for (const { code, stdout } of await all('keygen', group.names, file)) expect(code, stdout).toBe(0)
  old = await ok('eu', 'keys', 'show', '--key', 'treasury')
})
afterAll(async () => {
  await relay.stop()
  work.remove()
})

const file = group.path('emergency.yaml')
const command = ['rotate', 'emergency', '--key', 'treasury', '--reason', 'two administrators in doubt', '--out', file]

test('the key is suspended before anything else, also where the rest fails', async () => {
  const ran = await group.run('eu', ...command, '--confirm', '0'.repeat(64))
  expect([ran.code, ran.document.error.code]).toEqual([1, 'E_WORDS'])
  expect(ran.document.error.hint).toContain(`the key ${old.key.slice(0, 8)} stays suspended here`)
  expect(ran.stderr).toContain('two administrators in doubt')
  expect(existsSync(file)).toBe(false)
  const unanswered = await group.run('eu', ...command)
  expect([unanswered.code, unanswered.document.error.code]).toEqual([2, 'E_NO_TERMINAL'])
  expect(await ok('eu', 'keys', 'show', '--key', 'treasury')).toMatchObject({
    suspended: { reason: 'two administrators in doubt' },
    fenced: null,
  })
  const unknown = await group.run('eu', 'rotate', 'emergency', '--key', 'none', '--reason', 'x', '--out', file)
  expect([unknown.code, unknown.document.error.code]).toEqual([2, 'E_NOT_FOUND'])
})

test('one command from decision to done: a fresh key that signs, and the old one fenced at every site', async () => {
  const sure = [...command, '--confirm', old.key, '--gather', '60']
  const first = inBackground(sure, group.as('eu'))
  const { ceremony } = await first.event(({ phase }) => phase === 'join')
  const shown = await ok('us', 'rotate', 'plan', '--definition', file)
  expect(shown).toMatchObject({
    ceremony,
    topic: 'rotate',
    definition: {
      kind: 'emergency',
      name: 'treasury-2',
      threshold: 2,
      fences: { key: old.key, name: 'treasury', reason: 'two administrators in doubt' },
    },
  })
  // Stopped and run again it goes on with the same definition.
  first.kill('SIGTERM')
  expect((await first.ended).code).toBe(130)
  const again = inBackground(sure, group.as('eu'))
  expect((await again.event(({ phase }) => phase === 'join')).ceremony).toBe(ceremony)
  for (const site of ['us', 'ap']) await ok(site, 'rotate', 'approve', '--definition', file, '--confirm', ceremony)
  const ends = await Promise.all([again.ended, ...['us', 'ap'].map((site) => group.join(site, 'rotate', file).ended)])
  for (const { code, document, stdout } of ends) {
    expect(code, stdout).toBe(0)
    expect(document).toMatchObject({
      kind: 'emergency',
      state: 'closed',
      open: [],
      fences: { key: old.key, fenced: ['eu', 'us', 'ap'], left: [], retired: true, outOfUse: true },
    })
  }
  expect(new Set(ends.map(({ document }) => readFileSync(document.bundle).toString('base64'))).size).toBe(1)
  const { keys } = await ok('ap', 'keys', 'list')
  expect(keys.map(({ name, fenced }: Document) => [name, fenced]).sort()).toEqual([
    ['treasury', ceremony],
    ['treasury-2', null],
  ])
  const verified = await ok('us', 'audit', 'verify', '--bundle', ends[0]?.document.bundle, '--trust', group.trust())
  expect(verified).toMatchObject({ verdict: 'valid', fences: { fenced: ['eu', 'us', 'ap'], outOfUse: true } })
  await signsWith('treasury-2', 'fresh', ['us', 'ap'])
})

test('run a third time it shows the same end; the old key signs nothing until it is resumed, which says what that means', async () => {
  const done = await ok('eu', ...command, '--confirm', old.key)
  expect(done).toMatchObject({ kind: 'emergency', state: 'closed', open: [] })
  const message = group.write('old.txt', 'by the old key\n')
  const sign = group.path('old.yaml')
  await ok('us', 'sign', 'plan', '--name', 'old', '--key', 'treasury', '--message', message, '--out', sign)
  const { ceremony } = await ok('us', 'sign', 'plan', '--definition', sign)
  const given = ['--definition', sign, '--confirm', ceremony, '--message', message]
  const refused = await group.run('us', 'sign', 'approve', ...given)
  expect([refused.code, refused.document.error.code]).toEqual([1, 'E_NOT_ALLOWED'])
  for (const site of ['us', 'ap']) {
    const resumed = await ok(site, 'keys', 'resume', '--key', 'treasury', '--reason', 'to move the funds')
    expect(resumed).toMatchObject({ suspended: false, fenced: expect.stringMatching(/^[0-9a-f]{64}$/) })
  }
  await signsWith('treasury', 'sweep', ['us', 'ap'])
  const history = await ok(
    'us',
    'audit',
    'verify',
    '--history',
    join(group.path('us'), 'bundles'),
    '--trust',
    group.trust(),
  )
  expect(history.verdict).toBe('valid')
})
