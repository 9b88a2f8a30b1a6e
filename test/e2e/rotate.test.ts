import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bin, built, finished, type Ran, root } from '../support/cli.ts'
import { opensslVerifies } from './openssl.ts'
import { type Document, Group, newFolder, type RunningRelay, serveRelay } from './support.ts'

const work = newFolder('rotate')
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
const approveAndJoin = async (topic: 'keygen' | 'sign', sites: readonly string[], file: string, ...more: string[]) => {
  const { ceremony } = await ok(sites[0] as string, topic, 'plan', '--definition', file)
  for (const site of sites) await ok(site, topic, 'approve', '--definition', file, '--confirm', ceremony, ...more)
  return Promise.all(sites.map((site) => group.join(site, topic, file).ended))
}

/** ceremonies/rotate/site.sh, where `quorate` is on the path. */
const siteScript = (site: string, env: Readonly<Record<string, string>>): Promise<Ran> => {
  const child = spawn('sh', [join(root, 'ceremonies/rotate/site.sh')], {
    cwd: work.path,
    env: { ...group.as(site).env, PATH: `${group.path('bin')}:${process.env['PATH']}`, LANG: 'C', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return finished(child)
}

test('a job rotates on a schedule: nothing too early, new shares by the script, the same again when it runs twice', async () => {
  await group.create()
  const keygen = group.path('treasury.yaml')
  const cards = group.names.flatMap((name) => ['--site', group.path(`${name}.card`)])
  const key = ['--name', 'treasury', '--protocol', 'frost-ed25519', '--threshold', '2']
  await ok('eu', 'keygen', 'plan', ...key, ...cards, '--relay', relay.address, '--out', keygen)
  for (const { code, stdout } of await approveAndJoin('keygen', group.names, keygen)) expect(code, stdout).toBe(0)

  const file = group.path('refresh.yaml')
  const early = await ok('eu', 'rotate', 'plan', '--key', 'treasury', '--max-age', '90', '--out', file)
  expect(early).toMatchObject({ name: 'treasury', epoch: 1, file: null })
  const planned = await ok('eu', 'rotate', 'plan', '--key', 'treasury', '--out', file)
  expect(planned.definition).toMatchObject({ kind: 'refresh', name: 'treasury', epoch: 2 })

  mkdirSync(group.path('bin'))
  chmodSync(group.write('bin/quorate', `#!/bin/sh\nexec "${process.execPath}" "${bin}" "$@"\n`), 0o755)
  const trust = group.trust()
  const env = { DEFINITION: file, CEREMONY_ID: planned.ceremony, TRUST: trust }
  const first = await Promise.all(group.names.map((name) => siteScript(name, env)))
  for (const { code, stdout, stderr } of first) {
    expect(code, stdout + stderr).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, kind: 'refresh', state: 'closed', open: [] })
  }
  const again = await Promise.all(group.names.map((name) => siteScript(name, env)))
  expect(again.map(({ code }) => code)).toEqual([0, 0, 0])
  expect(again.map(({ stdout }) => JSON.parse(stdout).bundle)).toEqual(
    first.map(({ stdout }) => JSON.parse(stdout).bundle),
  )
  const wrong = await siteScript('eu', { ...env, CEREMONY_ID: '0'.repeat(64) })
  expect([wrong.code, wrong.stdout]).toEqual([1, ''])

  for (const name of group.names) {
    const { keys } = await ok(name, 'keys', 'list')
    expect(keys).toMatchObject([{ epoch: 2, state: 'installed', since: expect.stringMatching(/Z$/) }])
  }
  const folder = join(group.path('eu'), 'bundles')
  const history = await ok('eu', 'audit', 'verify', '--history', folder, '--trust', trust, '--max-age', '90')
  expect(history).toMatchObject({ verdict: 'valid', keys: [{ overdue: false, faults: [] }] })
  expect(history.keys[0].epochs.map(({ epoch }: Document) => epoch)).toEqual([1, 2])
  const heads = await Promise.all(
    group.names.map(async (name) => {
      const shown = await group.run(name, 'keys', 'show', '--key', 'treasury', '--head')
      return ['--head', group.write(`${name}.head`, shown.document.signed)]
    }),
  )
  const newest = await ok('eu', 'audit', 'verify', '--history', folder, '--trust', trust, ...heads.flat())
  expect(newest.keys[0].heads.map(({ says }: Document) => says)).toEqual(['newest', 'newest', 'newest'])

  const message = group.write('message.txt', 'with new shares\n')
  const sign = group.path('sign.yaml')
  await ok('us', 'sign', 'plan', '--name', 'payout', '--key', 'treasury', '--message', message, '--out', sign)
  const signed = await approveAndJoin('sign', ['us', 'ap'], sign, '--message', message)
  const pem = await ok('us', 'keys', 'show', '--key', 'treasury')
  for (const { code, document } of signed) {
    expect(code).toBe(0)
    expect(opensslVerifies(pem.forms.pem, readFileSync(message), Buffer.from(document.signature, 'hex'))).toBe(true)
  }
})

test('a lost site is replaced by a new one: the others deal, its share is worth nothing, and the key stays', async () => {
  await group.createOne('sa')
  const file = group.path('reshare.yaml')
  const before = await ok('eu', 'keys', 'show', '--key', 'treasury')
  const to = ['us', 'eu', 'sa'].flatMap((name) => ['--to', group.path(`${name}.card`)])
  const plan = ['rotate', 'plan', '--key', 'treasury', '--out', file]
  const unknown = await group.run('eu', ...plan, ...to, '--without', 'af')
  expect([unknown.code, unknown.document.error.code]).toEqual([2, 'E_USAGE'])
  const planned = await ok('eu', ...plan, ...to, '--without', 'ap')
  expect(planned).toMatchObject({
    receivers: ['us', 'eu', 'sa'],
    definition: { kind: 'reshare', epoch: 3, threshold: 2, from: { dealers: ['eu', 'us'], sites: ['eu', 'us', 'ap'] } },
  })
  const sites = ['eu', 'us', 'sa']
  const trust = group.trust('reshared.txt', [...group.names, 'sa'])
  for (const site of sites)
    await ok(site, 'rotate', 'approve', '--definition', file, '--confirm', planned.ceremony, '--trust', trust)
  const joined = await Promise.all(sites.map((site) => group.join(site, 'rotate', file).ended))
  for (const { code, document, stdout } of joined) {
    expect(code, stdout).toBe(0)
    expect(document).toMatchObject({ kind: 'reshare', state: 'closed', open: [], key: { id: before.key } })
  }
  expect(new Set(joined.map(({ document }) => readFileSync(document.bundle).toString('base64'))).size).toBe(1)
  const shown = await ok('sa', 'keys', 'show', '--key', 'treasury')
  expect(shown).toMatchObject({ key: before.key, epoch: 3, index: 3, sites: ['us', 'eu', 'sa'], forms: before.forms })

  const message = group.write('last.txt', 'by a site that was not there when the key was made\n')
  const sign = group.path('last.yaml')
  await ok('sa', 'sign', 'plan', '--name', 'last', '--key', 'treasury', '--message', message, '--out', sign)
  for (const { code, document } of await approveAndJoin('sign', ['eu', 'sa'], sign, '--message', message)) {
    expect(code).toBe(0)
    expect(opensslVerifies(shown.forms.pem, readFileSync(message), Buffer.from(document.signature, 'hex'))).toBe(true)
  }
  // The site that was lost comes back with its old share: nobody signs with it.
  const late = await group.run('ap', 'sign', 'approve', '--definition', sign, '--message', message, '--confirm', 'x')
  expect([late.code, late.document.error.code]).toEqual([1, 'E_NOT_ALLOWED'])
})

test('a lost share is made again for another machine: the others keep theirs, and the key stays', async () => {
  await group.createOne('us-2')
  const file = group.path('repair.yaml')
  const before = await ok('eu', 'keys', 'show', '--key', 'treasury')
  const plan = ['recover', 'plan', '--key', 'treasury', '--out', file]
  const to = ['--to', group.path('us-2.card')]
  const unknown = await group.run('eu', ...plan, '--lost', 'af', ...to)
  expect([unknown.code, unknown.document.error.code]).toEqual([2, 'E_USAGE'])
  const known = await group.run('eu', ...plan, '--lost', 'us', '--to', group.path('sa.card'))
  expect([known.code, known.document.ok]).toEqual([2, false])
  const both = await group.run('eu', ...plan, '--lost', 'us', ...to, '--helper', 'us', '--helper', 'eu')
  expect([both.code, both.document.ok]).toEqual([2, false])
  expect(existsSync(file)).toBe(false)

  const planned = await ok('eu', ...plan, '--lost', 'us', ...to)
  expect(planned).toMatchObject({
    topic: 'recover',
    receivers: ['us-2', 'eu', 'sa'],
    definition: { kind: 'repair', epoch: 4, threshold: 2, from: { sites: ['us', 'eu', 'sa'], helpers: ['eu', 'sa'] } },
  })
  const trust = group.trust('repaired.txt', ['eu', 'sa', 'us-2'])
  const sites = ['us-2', 'eu', 'sa']
  const asRotation = await group.run('eu', 'rotate', 'approve', '--definition', file, '--confirm', planned.ceremony)
  expect([asRotation.code, asRotation.document.error.hint]).toEqual([2, 'use the commands of recover with it'])
  for (const site of sites)
    await ok(site, 'recover', 'approve', '--definition', file, '--confirm', planned.ceremony, '--trust', trust)
  const joined = await Promise.all(sites.map((site) => group.join(site, 'recover', file).ended))
  for (const { code, document, stdout } of joined) {
    expect(code, stdout).toBe(0)
    expect(document).toMatchObject({ kind: 'repair', state: 'closed', open: [], key: { id: before.key } })
  }
  const shown = await ok('us-2', 'keys', 'show', '--key', 'treasury')
  expect(shown).toMatchObject({ epoch: 4, index: 1, sites, forms: before.forms })

  const message = group.write('mended.txt', 'by the machine in the place of the lost one\n')
  const sign = group.path('mended.yaml')
  await ok('us-2', 'sign', 'plan', '--name', 'mended', '--key', 'treasury', '--message', message, '--out', sign)
  for (const { code, document } of await approveAndJoin('sign', ['us-2', 'sa'], sign, '--message', message)) {
    expect(code).toBe(0)
    expect(opensslVerifies(shown.forms.pem, readFileSync(message), Buffer.from(document.signature, 'hex'))).toBe(true)
  }
  // The lost machine turns up: what it can do alone is nothing, and nobody signs with it.
  const late = await group.run('us', 'sign', 'approve', '--definition', sign, '--message', message, '--confirm', 'x')
  expect([late.code, late.document.error.code]).toEqual([1, 'E_NOT_ALLOWED'])
  const again = await group.run('us', 'rotate', 'plan', '--key', 'treasury', '--out', group.path('late.yaml'))
  expect(again.code).toBe(0)
  const refused = await group.run('eu', 'rotate', 'approve', '--definition', group.path('late.yaml'), '--confirm', 'x')
  expect([refused.code, refused.document.error.code]).toEqual([2, 'E_DEFINITION'])
})
