import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join as joinPath } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { built, quorate, root } from '../support/cli.ts'
import { opensslVerifies } from './openssl.ts'
import { type Document, Group, inBackground, newFolder, type RunningRelay, serveRelay, type Told } from './support.ts'

const work = newFolder('emergency')
const group = new Group(work.path)
let relay: RunningRelay
let old: Document

/** Commands that ran here, each with the names of its flags. */
const ran = new Set<string>()
const shapeOf = (words: readonly string[]): string => {
  const command = words.slice(
    0,
    words.findIndex((word) => word.startsWith('--')),
  )
  const flags = words.filter((word) => word.startsWith('--') && !/^--(?:confirm|gather|trust|json)$/.test(word))
  return [...command, ...new Set(flags)].join(' ')
}
const run = (site: string, ...args: string[]): Promise<Told> => {
  ran.add(shapeOf(args))
  return group.run(site, ...args)
}
const ok = async (site: string, ...args: string[]): Promise<Document> => {
  const { code, stdout, document } = await run(site, ...args)
  expect(code, stdout).toBe(0)
  return document
}
const join = (site: string, topic: 'keygen' | 'sign' | 'rotate', file: string) => {
  ran.add(shapeOf([topic, 'join', '--definition', file]))
  return group.join(site, topic, file)
}
const all = async (topic: 'keygen' | 'sign' | 'rotate', sites: readonly string[], file: string, ...more: string[]) => {
  const { ceremony } = await ok(sites[0] as string, topic, 'plan', '--definition', file)
  for (const site of sites) await ok(site, topic, 'approve', '--definition', file, '--confirm', ceremony, ...more)
  return Promise.all(sites.map((site) => join(site, topic, file).ended))
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
  await group.createOne('sa')
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
const reason = 'two administrators in doubt'
const to = ['eu', 'us', 'sa'].flatMap((name) => ['--to', group.path(`${name}.card`)])
const command = ['rotate', 'emergency', '--key', 'treasury', '--reason', reason, ...to, '--out', file]

test('the key is suspended before anything else, also where the rest fails', async () => {
  const ended = await run('eu', ...command, '--confirm', '0'.repeat(64))
  expect([ended.code, ended.document.error.code]).toEqual([1, 'E_WORDS'])
  expect(ended.document.error.hint).toContain(`the key ${old.key.slice(0, 8)} stays suspended here`)
  expect(ended.stderr).toContain(reason)
  expect(existsSync(file)).toBe(false)
  const unanswered = await run('eu', ...command)
  expect([unanswered.code, unanswered.document.error.code]).toEqual([2, 'E_NO_TERMINAL'])
  expect(await ok('eu', 'keys', 'show', '--key', 'treasury')).toMatchObject({ suspended: { reason }, fenced: null })
  // A file that is there is not overwritten, and nothing is approved.
  const taken = await run('eu', ...command.slice(0, -1), group.path('treasury.yaml'), '--confirm', old.key)
  expect([taken.code, taken.document.error.code]).toEqual([2, 'E_EXISTS'])
  expect((await ok('eu', 'keys', 'list')).keys).toHaveLength(1)
  const unknown = await run('eu', 'rotate', 'emergency', '--key', 'none', '--reason', 'x', '--out', file)
  expect([unknown.code, unknown.document.error.code]).toEqual([2, 'E_NOT_FOUND'])
  expect(existsSync(file)).toBe(false)
})

test('one command from decision to done: a fresh key that signs, and the old one fenced at its holders', async () => {
  const sure = [...command, '--confirm', old.key, '--gather', '60']
  // Another site began, too, and nobody came.
  const other = group.path('other-emergency.yaml')
  const own = ['rotate', 'emergency', '--key', 'treasury', '--reason', reason, '--out', other, '--gather', '1']
  const alone = await run('us', ...own, '--confirm', old.key)
  expect([alone.code, alone.document.error.code]).toEqual([3, 'E_APPROVALS_MISSING'])
  expect(alone.document.error).toMatchObject({
    hint: expect.stringContaining('stays suspended here'),
    details: { suspended: old.key },
  })

  ran.add(shapeOf(sure))
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
      fences: { key: old.key, name: 'treasury', reason, holders: [{ name: 'eu' }, { name: 'us' }, { name: 'ap' }] },
    },
  })
  // Stopped and run again it goes on with the same definition, whatever file it is to write.
  first.kill('SIGTERM')
  expect((await first.ended).code).toBe(130)
  const elsewhere = [...command.slice(0, -1), other, '--confirm', old.key]
  const again = inBackground(elsewhere, group.as('eu'))
  expect((await again.event(({ phase }) => phase === 'join')).ceremony).toBe(ceremony)
  expect(await ok('us', 'rotate', 'plan', '--definition', other)).not.toMatchObject({ ceremony })

  const given = ['rotate', 'approve', '--definition', file, '--confirm', ceremony]
  const torn = await run('us', ...given)
  expect([torn.code, torn.document.error.code]).toEqual([3, 'E_NOT_FINISHED'])
  const { ceremony: id } = await ok('us', 'rotate', 'plan', '--definition', other)
  await ok('us', 'rotate', 'abort', '--definition', other, '--confirm', id)
  for (const site of ['us', 'sa']) await ok(site, ...given)
  const ends = await Promise.all([again.ended, ...['us', 'sa'].map((site) => join(site, 'rotate', file).ended)])
  for (const { code, document, stdout } of ends) {
    expect(code, stdout).toBe(0)
    expect(document).toMatchObject({
      kind: 'emergency',
      state: 'closed',
      open: [],
      fences: { key: old.key, fenced: ['eu', 'us'], left: ['ap'], retired: true, outOfUse: true },
    })
  }
  expect(new Set(ends.map(({ document }) => readFileSync(document.bundle).toString('base64'))).size).toBe(1)
  const { keys } = await ok('us', 'keys', 'list')
  expect(keys.map(({ name, fenced }: Document) => [name, fenced]).sort()).toEqual([
    ['treasury', ceremony],
    ['treasury-2', null],
  ])
  const trust = group.trust('trust.txt', [...group.names, 'sa'])
  const verified = await ok('us', 'audit', 'verify', '--bundle', ends[0]?.document.bundle, '--trust', trust)
  expect(verified).toMatchObject({ verdict: 'valid', fences: { fenced: ['eu', 'us'], left: ['ap'], outOfUse: true } })
  await signsWith('treasury-2', 'fresh', ['us', 'sa'])
})

test('run a third time it shows the same end, for people too', async () => {
  const ended = await quorate([...command, '--confirm', old.key], group.as('eu'))
  expect(ended.code).toBe(0)
  expect(ended.stderr).toMatch(/suspended +treasury/)
  expect(ended.stderr).toMatch(/goes on +with ceremony/)
  expect(ended.stdout).toMatch(/old key +treasury [0-9a-f]{8}: suspended at eu, us +fewer than 2 are left/)
  expect(ended.stdout).toContain('its shares are kept')
})

test('the old key signs nothing until it is resumed, which says what that means', async () => {
  const message = group.write('old.txt', 'by the old key\n')
  const sign = group.path('old.yaml')
  const { ceremony } = await ok(
    'us',
    'sign',
    'plan',
    '--name',
    'old',
    '--key',
    'treasury',
    '--message',
    message,
    '--out',
    sign,
  )
  const refused = await run('us', 'sign', 'approve', '--definition', sign, '--confirm', ceremony, '--message', message)
  expect([refused.code, refused.document.error.code]).toEqual([1, 'E_NOT_ALLOWED'])
  for (const site of ['eu', 'us']) {
    const resume = ['keys', 'resume', '--key', 'treasury', '--reason', 'to move what it protects']
    if (site === 'eu') expect((await quorate(resume, group.as(site))).stdout).toContain('sign nothing else')
    else
      expect(await ok(site, ...resume)).toMatchObject({
        suspended: false,
        fenced: expect.stringMatching(/^[0-9a-f]{64}$/),
      })
  }
  await signsWith('treasury', 'sweep', ['eu', 'us'])
  const swept = await ok('us', 'sign', 'plan', '--definition', group.path('sweep.yaml'))
  const given = ['--definition', group.path('sweep.yaml'), '--confirm', swept.ceremony]
  const shown = await run('us', 'sign', 'approve', ...given, '--message', group.path('sweep.txt'))
  expect(shown.stderr).toContain('took this key out of use')
  for (const site of ['eu', 'us'])
    await ok(site, 'keys', 'suspend', '--key', 'treasury', '--reason', 'what it protects is moved')
  const trust = group.trust('trust.txt', [...group.names, 'sa'])
  const folder = joinPath(group.path('us'), 'bundles')
  const history = await ok('us', 'audit', 'verify', '--history', folder, '--trust', trust)
  const treasury = history.keys.find(({ key }: Document) => key === old.key)
  expect(history.verdict).toBe('valid')
  expect(treasury).toMatchObject({ faults: [], replaced: [{ name: 'treasury-2', retired: true, outOfUse: true }] })
  expect(treasury.signatures.map(({ name, afterFence }: Document) => [name, afterFence])).toEqual([['sweep', true]])
  const [unknown] = readdirSync(folder).filter((name) => name.includes('sign'))
  await ok('us', 'audit', 'show', '--bundle', joinPath(folder, unknown ?? ''))
})

test('every command of the playbook is one that ran here', () => {
  const page = readFileSync(joinPath(root, 'ceremonies/playbooks/attack.md'), 'utf8')
  const lines = [...page.matchAll(/^ *quorate (.+)$/gm)].map(([, line = '']) => shapeOf(line.split(' ')))
  expect(lines.length).toBeGreaterThan(10)
  expect(lines.filter((line) => !ran.has(line))).toEqual([])
})
