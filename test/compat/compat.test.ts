import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openLog } from '../../src/audit/disk-log.ts'
import { ceremonyOrigin, ledgerOrigin } from '../../src/audit/note.ts'
import { parseTrust } from '../../src/audit/trust.ts'
import { ceremonyFolder, logPath } from '../../src/ceremony/paths.ts'
import { openRoot } from '../../src/host/disk.ts'
import { systemRandom } from '../../src/host/random.ts'
import { openHome } from '../../src/identity/home.ts'
import { openKmsKey } from '../../src/kms/registry.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { ceremonyId, definitionCodec } from '../../src/records/definition.ts'
import { readDefinition } from '../../src/records/definition-yaml.ts'
import { shardStore } from '../../src/shards/store.ts'
import { listKeys, showKey } from '../../src/site/keys.ts'
import { status } from '../../src/site/status.ts'
import { verifyFile } from '../../src/site/verify.ts'
import { type Expected, PASSPHRASE } from './make.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
const versions = readdirSync(here).filter((name) => /^v\d/.test(name))

test('every version since the first is here, and small', () => {
  expect(versions).toContain('v0.1')
  for (const version of versions) {
    const sizes = readdirSync(join(here, version)).map((name) => statSync(join(here, version, name)).size)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(2 ** 20)
  }
})

describe.each(versions)('what %s left', (version) => {
  const file = (name: string): string => join(here, version, name)
  const read = (name: string): Uint8Array => new Uint8Array(readFileSync(file(name)))
  const expected = JSON.parse(readFileSync(file('expected.json'), 'utf8')) as Expected
  const work = mkdtempSync(join(tmpdir(), 'quorate compat '))
  const home = join(work, 'home')

  beforeAll(() => {
    for (const name of ['home', 'locked-home']) {
      mkdirSync(join(work, name), { mode: 0o700 })
      execFileSync('tar', ['-xpf', file(`${name}.tar`), '-C', join(work, name), '--no-same-owner'])
    }
    // A clone of the repository keeps no modes.
    for (const name of ['eu.key', 'locked.key']) {
      copyFileSync(file(name), join(work, name))
      execFileSync('chmod', ['600', join(work, name)])
    }
  })
  afterAll(() => rmSync(work, { recursive: true }))

  test.each(['keygen', 'sign'] as const)('the definition of a %s has its hash, as YAML and as JSON', async (kind) => {
    for (const name of [`${kind}.yaml`, `${kind}.json`]) {
      const definition = await readDefinition(read(name))
      expect([definition.kind, ceremonyId(definition)]).toEqual([kind, expected[kind]])
      expect(definitionCodec.encode(definition)).toEqual(read(`${kind}.json`))
    }
  })

  test('the home opens, and lists its key', async () => {
    expect((await listKeys(home)).keys).toMatchObject([
      { key: expected.key, name: 'treasury', state: 'installed', epoch: 1, index: 1, publicKey: expected.publicKey },
    ])
    expect((await showKey(home, 'treasury')).sites).toEqual(['eu', 'us', 'ap'])
    const disk = await openRoot(home)
    const opened = await openHome(disk)
    const card = await opened.card()
    expect([card.name, card.identity, opened.locked]).toEqual(['eu', opened.identity, false])
    expect((await opened.unlock()).identity).toBe(opened.identity)
    await disk.close()
  })

  test('its shard opens with its KMS key to the same share', async () => {
    const disk = await openRoot(home)
    const store = shardStore(disk)
    const [epoch] = await store.list()
    if (epoch === undefined) throw new Error('no epoch')
    expect([epoch.key, epoch.envelope, epoch.votes.length]).toEqual([expected.key, expected.envelope, 3])
    const kms = await openKmsKey({ provider: 'local', key: join(work, 'eu.key') }, { home, random: systemRandom })
    const share = await store.reopen(epoch.key, epoch.outcome, epoch.envelope, [kms])
    expect(hashOf(share.reveal())).toBe(expected.share)
    await disk.close()
  })

  test('its logs open whole, and say that both ceremonies are closed', async () => {
    for (const kind of ['keygen', 'sign'] as const) {
      const definition = await readDefinition(read(`${kind}.json`))
      expect(await status({ home, definition, offline: true })).toMatchObject({ kind, phase: 'closed', site: 'eu' })
    }
    const disk = await openRoot(home)
    const { identity, keys } = await openHome(disk)
    const ledger = await openLog({ disk, path: 'ledger', origin: ledgerOrigin(identity), signer: keys.log })
    expect([...ledger.replay()].filter((event) => event.what === 'log-closed').map((event) => event.ceremony)).toEqual([
      expected.keygen,
      expected.sign,
    ])
    for (const ceremony of [expected.keygen, expected.sign]) {
      const origin = ceremonyOrigin(ceremony, identity)
      const log = await openLog({ disk, path: logPath(ceremony), origin, signer: keys.log })
      expect([...log.replay()].at(-1)?.what).toBe('closing')
      expect(await disk.list(ceremonyFolder(ceremony))).toContain('definition.json')
    }
    await disk.close()
  })

  test('what lies under a passphrase opens with it alone', async () => {
    const disk = await openRoot(join(work, 'locked-home'))
    const locked = await openHome(disk)
    expect(locked.locked).toBe(true)
    const passphrase = () => new Secret(utf8(PASSPHRASE))
    expect((await locked.unlock(passphrase())).identity).toBe(locked.identity)
    await expect(locked.unlock(new Secret(utf8('another')))).rejects.toMatchObject({ code: 'E_PASSPHRASE' })
    await disk.close()
    const context = { home, random: systemRandom, passphrase: async () => passphrase() }
    const key = await openKmsKey({ provider: 'local', key: join(work, 'locked.key') }, context)
    const wrapped = await key.wrap(new Secret(new Uint8Array(32).fill(5)), expected.key)
    expect((await key.unwrap(wrapped, expected.key)).reveal()).toEqual(new Uint8Array(32).fill(5))
  })

  test.each(Object.entries(expected.verdicts))('the %s bundle gets the same verdict', async (name, known) => {
    const trust = readFileSync(file('trusted-sites.txt'), 'utf8')
    expect(parseTrust(trust).size).toBe(3)
    const wanted = {
      bundle: file(`${name}.bundle`),
      trustStated: false,
      at: undefined,
      require: [],
      message: undefined,
    }
    const report = await verifyFile({ ...wanted, trust })
    // An abort bundle is one site's log alone: since 0.2 the verdict says that the others' are not there.
    expect(report.verdict).toBe(name === 'abort' ? 'incomplete' : known.verdict)
    // A later version may check more; what it checked then must come out as it did.
    const found = Object.fromEntries(report.checks.map(({ id, verdict }) => [id, verdict]))
    expect(found).toMatchObject(known.checks)
    expect(report.checks.filter(({ verdict }) => verdict === 'fails')).toEqual([])
    if (name === 'sign') expect(report.signature).toBe(expected.signature)
    if (name === 'abort')
      expect(report.checks.find(({ id }) => id === 'blame.proven')?.reason).toMatch(/proven: us \(share-commitment\)/)
    else expect(report.key?.publicKey).toBe(expected.publicKey)
    expect((await verifyFile({ ...wanted, trust: undefined })).verdict).toBe('unknown-parties')
  })
})
