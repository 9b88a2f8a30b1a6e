import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bufferSource, readTar, writeTar } from '../../src/audit/tar.ts'
import { built } from '../support/cli.ts'
import { opensslVerifies } from './openssl.ts'
import { type Document, Group, newFolder, type RunningRelay, serveRelay, told } from './support.ts'

const work = newFolder('by hand')
const group = new Group(work.path)
const [eu, us, ap] = ['eu', 'us', 'ap'] as const
let relay: RunningRelay
let ceremony: { keygen: string; sign: string }

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
  expect(ran.document.ok).toBe(true)
  return ran.document
}
const refused = async (code: string, exit: number, site: string, ...args: string[]): Promise<Document> => {
  const ran = await group.run(site, ...args)
  expect([ran.document.ok, ran.document.error?.code, ran.code], ran.stdout).toEqual([false, code, exit])
  return ran.document
}
const phase = async (site: string, kind: string): Promise<string> => (await ok(site, kind, 'status')).phase
const joinAll = (kind: 'keygen' | 'sign', sites: readonly string[], definition: string, ...more: string[]) =>
  Promise.all(sites.map((site) => group.join(site, kind, definition, ...more).ended))

describe('three terminals, no terminal among them', () => {
  test('identities and cards', async () => {
    await group.create()
    for (const name of group.names) {
      const shown = await ok(name, 'identity', 'show')
      expect(shown).toMatchObject({ name, role: 'site', locked: false, home: group.path(name) })
      expect(shown.identity).toMatch(/^qsite1/)
    }
    const again = await group.run(
      eu,
      'identity',
      'create',
      '--name',
      'eu',
      '--kms',
      `local:${group.path('kms/eu.key')}`,
      '--jurisdiction',
      'EU',
      '--control',
      'a/b/c',
      '--no-passphrase',
    )
    expect([again.code, again.document.error.code]).toEqual([2, 'E_EXISTS'])
  })

  test('a plan, which every site shows alike', async () => {
    const made = await ok(
      eu,
      'keygen',
      'plan',
      '--name',
      'treasury',
      '--protocol',
      'frost-ed25519',
      '--threshold',
      '2',
      ...group.names.flatMap((name) => ['--site', group.path(`${name}.card`)]),
      '--relay',
      relay.address,
      '--out',
      'treasury.yaml',
    )
    const shown = await Promise.all(
      group.names.map((name) => ok(name, 'keygen', 'plan', '--definition', 'treasury.yaml')),
    )
    for (const one of shown) expect([one.ceremony, one.words]).toEqual([made.ceremony, made.words])
    expect(made.words).toHaveLength(8)
    ceremony = { keygen: made.ceremony, sign: '' }
    await refused('E_NOT_FOUND', 2, eu, 'keygen', 'status')
    expect((await ok(eu, 'keygen', 'status', '--definition', 'treasury.yaml')).phase).toBe('drafted')
  })

  test('approvals: only with the full id', async () => {
    const approve = (confirm: readonly string[]) => ['keygen', 'approve', '--definition', 'treasury.yaml', ...confirm]
    await refused('E_NO_TERMINAL', 2, eu, ...approve([]))
    await refused('E_WORDS', 1, eu, ...approve(['--confirm', ceremony.keygen.slice(0, 8)]))
    await refused(
      'E_WORDS',
      1,
      eu,
      ...approve(['--confirm', `${ceremony.keygen.slice(0, -1)}${ceremony.keygen.endsWith('0') ? 1 : 0}`]),
    )
    await refused('E_NOT_APPROVED', 3, eu, 'keygen', 'join', '--definition', 'treasury.yaml')
    for (const name of group.names) {
      const done = await ok(name, ...approve(['--confirm', ceremony.keygen]))
      expect(done).toMatchObject({ ceremony: ceremony.keygen, role: 'site', as: name })
      expect(done.file.startsWith(group.path(name))).toBe(true)
      expect(await phase(name, 'keygen')).toBe('approved')
    }
    // Twice is once.
    await ok(eu, ...approve(['--confirm', ceremony.keygen]))
    await refused('E_NOT_FOUND', 2, eu, 'keys', 'show', '--key', 'treasury')
    expect((await ok(eu, 'keys', 'list')).keys).toEqual([])
  })

  test('a check by all, after which nothing is used up', async () => {
    const alone = group.join(eu, 'keygen', 'treasury.yaml', '--check')
    await alone.event(({ phase }) => phase === 'preflight')
    expect(await phase(eu, 'keygen')).toBe('gathering')
    const others = await Promise.all(
      [us, ap].map((name) => group.join(name, 'keygen', 'treasury.yaml', '--check').ended),
    )
    for (const ran of [await alone.ended, ...others]) {
      expect(ran.code, ran.stdout).toBe(0)
      expect(ran.document).toMatchObject({ state: 'checked', ceremony: ceremony.keygen, key: null })
    }
    expect((await ok(us, 'keygen', 'status')).attempts).toEqual({ signed: 0, of: 5 })
  })

  test('a key, by three joins', async () => {
    const first = group.join(eu, 'keygen', 'treasury.yaml')
    await first.event(({ phase }) => phase === 'preflight')
    // The others know from a relay alone where it is.
    const seen = await ok(us, 'keygen', 'status')
    expect(seen.members.find((one: Document) => one.name === eu)).toMatchObject({ phase: 'gathering', approved: true })
    await refused('E_HOME_BUSY', 5, eu, 'keygen', 'join', '--definition', 'treasury.yaml')
    const runs = [
      await Promise.all([first.ended, ...[us, ap].map((name) => group.join(name, 'keygen', 'treasury.yaml').ended)]),
    ].flat()
    for (const ran of runs) {
      expect(ran.code, ran.stdout).toBe(0)
      expect(ran.document).toMatchObject({ state: 'closed', ceremony: ceremony.keygen, open: [] })
      expect(ran.document.key).toEqual(runs[0]?.document.key)
    }
    for (const name of group.names) expect(await phase(name, 'keygen')).toBe('closed')
    const [bundle, ...others] = runs.map((ran) => readFileSync(ran.document.bundle))
    for (const other of others) expect(other.equals(bundle as Buffer)).toBe(true)
    for (const name of group.names) {
      const { keys } = await ok(name, 'keys', 'list')
      expect(keys).toMatchObject([{ name: 'treasury', state: 'installed', key: runs[0]?.document.key.id }])
      const shown = await ok(name, 'keys', 'show', '--key', 'treasury')
      expect(shown.forms.hex).toBe(runs[0]?.document.key.publicKey)
      expect(shown.index).toBe(group.names.indexOf(name) + 1)
    }
  })

  test('join again after the end says the same', async () => {
    const before = await ok(eu, 'keys', 'show', '--key', 'treasury')
    const runs = await joinAll('keygen', group.names, 'treasury.yaml')
    for (const ran of runs) {
      expect(ran.code, ran.stdout).toBe(0)
      expect(ran.document).toMatchObject({ state: 'closed', open: [], key: { id: before.key } })
    }
    expect(await ok(eu, 'keys', 'show', '--key', 'treasury')).toEqual(before)
    // And of a site alone, with nobody there to ask.
    const alone = await group.join(ap, 'keygen', 'treasury.yaml').ended
    expect([alone.code, alone.document.key, alone.document.open], alone.stdout).toEqual([0, runs[0]?.document.key, []])
  })

  test('a signature by two of them', async () => {
    writeFileSync(group.path('payout.txt'), 'pay nobody\n')
    const key = (await ok(eu, 'keys', 'show', '--key', 'treasury')).forms
    const made = await ok(
      eu,
      'sign',
      'plan',
      '--name',
      'payout',
      '--key',
      'treasury',
      '--message',
      'payout.txt',
      '--out',
      'payout.yaml',
    )
    ceremony = { ...ceremony, sign: made.ceremony }
    const approve = ['sign', 'approve', '--definition', 'payout.yaml', '--confirm', made.ceremony]
    await refused('E_USAGE', 2, eu, 'keygen', 'approve', '--definition', 'payout.yaml', '--confirm', made.ceremony)
    writeFileSync(group.path('other.txt'), 'pay someone')
    await refused('E_REFUSED', 1, eu, ...approve, '--message', 'other.txt')
    for (const name of [eu, ap]) await ok(name, ...approve, '--message', 'payout.txt')
    expect([await phase(eu, 'sign'), (await ok(us, 'sign', 'status', '--definition', 'payout.yaml')).phase]).toEqual([
      'approved',
      'drafted',
    ])
    await refused('E_NOT_APPROVED', 3, us, 'sign', 'join', '--definition', 'payout.yaml')
    const runs = await Promise.all(
      [eu, ap].map((name) => group.join(name, 'sign', 'payout.yaml', '--out', group.path(`${name}.sig`)).ended),
    )
    for (const ran of runs) {
      expect(ran.code, ran.stdout).toBe(0)
      expect(ran.document).toMatchObject({
        state: 'closed',
        open: [],
        signers: [eu, ap],
        signature: runs[0]?.document.signature,
      })
    }
    const signature = readFileSync(group.path('eu.sig'))
    expect([signature.toString('hex'), readFileSync(group.path('ap.sig')).toString('hex')]).toEqual([
      runs[0]?.document.signature,
      runs[0]?.document.signature,
    ])
    expect(opensslVerifies(key.pem, readFileSync(group.path('payout.txt')), signature)).toBe(true)
    for (const name of [eu, ap]) expect(await phase(name, 'sign')).toBe('closed')
    const again = await Promise.all(
      [eu, ap].map((name) => group.join(name, 'sign', 'payout.yaml', '--out', group.path(`${name}.sig`)).ended),
    )
    for (const ran of again)
      expect([ran.code, ran.document.signature], ran.stdout).toEqual([0, runs[0]?.document.signature])
  })
})

const bundleOf = async (site: string, kind: 'keygen' | 'sign'): Promise<string> =>
  (await ok(site, kind, 'status')).bundle

describe('the auditor', () => {
  test('says yes to the bundles of known sites, and no of unknown ones', async () => {
    const trust = group.trust()
    await group.createOne('xx')
    const wrong = group.trust('others.txt', ['xx'])
    const some = group.trust('some.txt', [eu, us])
    for (const bundle of [await bundleOf(eu, 'keygen'), await bundleOf(ap, 'sign')]) {
      const verify = (...more: string[]) => told(['audit', 'verify', '--bundle', bundle, ...more])
      const good = await verify('--trust', trust)
      expect([good.code, good.document.verdict, good.document.failed], good.stdout).toEqual([0, 'valid', 0])
      const stated = await verify('--trust-stated')
      expect([stated.code, stated.document.verdict, stated.document.trust]).toEqual([0, 'valid', 'stated'])
      const unknown = await verify()
      expect([unknown.code, unknown.document.verdict]).toEqual([1, 'unknown-parties'])
      for (const file of [wrong, some]) {
        const bad = await verify('--trust', file)
        expect([bad.code, bad.document.ok, bad.document.verdict], bad.stdout).toEqual([1, false, 'invalid'])
      }
      const early = await verify('--trust', trust, '--at', '2020-01-01T00:00:00Z')
      expect([early.code, early.document.verdict]).toEqual([1, 'invalid'])
      const shown = await told(['audit', 'show', '--bundle', bundle])
      expect([shown.code, shown.document.sites.length]).toEqual([0, bundle.includes('sign') ? 2 : 3])
    }
    writeFileSync(group.path('no.bundle'), 'no bundle')
    const none = await told(['audit', 'verify', '--bundle', group.path('no.bundle'), '--trust', trust])
    expect([none.code, none.document.error.code]).toEqual([1, 'E_BUNDLE'])
  })

  test('merges two bundles of which each lacks something into the whole one', async () => {
    const trust = group.trust()
    const whole = readFileSync(await bundleOf(eu, 'keygen'))
    const without = async (name: string, left: RegExp): Promise<string> => {
      const entries = await readTar(bufferSource(whole), 10_000)
      const files = entries
        .filter((one) => !left.test(one.name))
        .map(({ name, at, size }) => ({ name, bytes: whole.subarray(at, at + size) }))
      expect(files.length).toBeLessThan(entries.length)
      const chunks: Uint8Array[] = []
      for await (const chunk of writeTar(files)) chunks.push(chunk)
      writeFileSync(group.path(name), Buffer.concat(chunks))
      return group.path(name)
    }
    const parts = [
      await without('a.bundle', /^signatures\/(?:us|ap)\./),
      await without('b.bundle', /^(?:signatures\/eu\.|cosignatures\/us)/),
    ]
    for (const part of parts) {
      const ran = await told(['audit', 'verify', '--bundle', part, '--trust', trust])
      expect([ran.code, ran.document.verdict]).toEqual([0, 'incomplete'])
      expect(ran.document.open).toBeGreaterThan(1)
    }
    const merged = await told([
      'audit',
      'merge',
      ...parts.flatMap((part) => ['--bundle', part]),
      '--out',
      group.path('whole.bundle'),
    ])
    expect(merged.code, merged.stdout).toBe(0)
    expect(readFileSync(group.path('whole.bundle')).equals(whole)).toBe(true)
    const again = await told([
      'audit',
      'merge',
      ...parts.flatMap((part) => ['--bundle', part]),
      '--out',
      group.path('whole.bundle'),
    ])
    expect([again.code, again.document.error.code]).toEqual([2, 'E_EXISTS'])
    const strange = await told([
      'audit',
      'merge',
      '--bundle',
      parts[0] as string,
      '--bundle',
      await bundleOf(ap, 'sign'),
      '--out',
      join(work.path, 'never'),
    ])
    expect([strange.code, strange.document.error.code]).toEqual([1, 'E_REFUSED'])
  })
})

describe('who leaves', () => {
  test('takes the ceremony with it where all are needed; each of the others says so', async () => {
    const made = await ok(
      eu,
      'keygen',
      'plan',
      '--name',
      'second',
      '--protocol',
      'frost-ed25519',
      '--threshold',
      '2',
      ...group.names.flatMap((name) => ['--site', group.path(`${name}.card`)]),
      '--relay',
      relay.address,
      '--out',
      'second.yaml',
    )
    for (const name of group.names)
      await ok(name, 'keygen', 'approve', '--definition', 'second.yaml', '--confirm', made.ceremony)
    const runs = [eu, ap].map((name) => group.join(name, 'keygen', 'second.yaml'))
    for (const run of runs) await run.event(({ phase }) => phase === 'preflight')
    const abort = ['keygen', 'abort', '--definition', 'second.yaml', '--reason', 'the room is on fire']
    await refused('E_NO_TERMINAL', 2, us, ...abort)
    await refused('E_WORDS', 1, us, ...abort, '--confirm', ceremony.keygen)
    expect((await ok(us, ...abort, '--confirm', made.ceremony)).told).toBe(true)
    for (const run of runs) {
      const ran = await run.ended
      expect([ran.code, ran.document.error.code, ran.document.error.details.left], ran.stdout).toEqual([
        1,
        'E_ABORTED',
        [us],
      ])
    }
    const status = await ok(ap, 'keygen', 'status', '--definition', 'second.yaml')
    expect(status.left).toEqual({ us: 'the room is on fire' })
    expect((await ok(us, 'keygen', 'status', '--definition', 'second.yaml')).phase).toBe('aborted')
    await refused('E_ABORTED', 1, us, 'keygen', 'join', '--definition', 'second.yaml')
    await refused('E_CONSUMED', 1, us, 'keygen', 'approve', '--definition', 'second.yaml', '--confirm', made.ceremony)
    // A vote cannot be taken back.
    await refused(
      'E_NOT_ALLOWED',
      1,
      us,
      'keygen',
      'abort',
      '--ceremony',
      ceremony.keygen.slice(0, 8),
      '--confirm',
      ceremony.keygen,
    )
  })

  test('and a join that is interrupted goes on with the next', async () => {
    const made = await ok(
      eu,
      'keygen',
      'plan',
      '--name',
      'third',
      '--protocol',
      'frost-secp256k1-tr',
      '--threshold',
      '2',
      ...group.names.flatMap((name) => ['--site', group.path(`${name}.card`)]),
      '--relay',
      relay.address,
      '--out',
      'third.yaml',
    )
    for (const name of group.names)
      await ok(name, 'keygen', 'approve', '--definition', 'third.yaml', '--confirm', made.ceremony)
    const first = group.join(eu, 'keygen', 'third.yaml')
    await first.event(({ phase }) => phase === 'preflight')
    first.kill('SIGINT')
    const stopped = await first.ended
    expect([stopped.code, stopped.document.error.code]).toEqual([130, 'E_STOPPED'])
    const killed = group.join(ap, 'keygen', 'third.yaml')
    await killed.event(({ phase }) => phase === 'preflight')
    killed.kill('SIGKILL')
    await killed.ended.catch(() => undefined)
    const runs = await joinAll('keygen', group.names, 'third.yaml')
    for (const ran of runs) expect([ran.code, ran.document.key], ran.stdout).toEqual([0, runs[0]?.document.key])
    const shown = await ok(us, 'keys', 'show', '--key', 'third')
    expect(shown.forms).toMatchObject({ pem: null, openssh: null })
    expect(shown.forms.xOnly).toMatch(/^[0-9a-f]{64}$/)
  })
})
