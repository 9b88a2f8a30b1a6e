import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readBundle } from '../../src/audit/bundle.ts'
import { mergeBundles } from '../../src/audit/merge.ts'
import { bufferSource, readTar, type TarFile, writeTar } from '../../src/audit/tar.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { toHex, utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { type Manifest, manifestCodec } from '../../src/records/manifest.ts'
import { type Chain, open, sharedChain } from '../support/bundles.ts'
import { type Draft, forge } from '../support/forge.ts'

let chain: Chain
beforeAll(async () => {
  chain = await sharedChain()
})

const [eu, us, ap] = ['eu', 'us', 'ap'] as [SiteId, SiteId, SiteId]

const filesOf = async (bundle: Uint8Array): Promise<TarFile[]> =>
  (await readTar(bufferSource(bundle), 10_000)).map(({ name, at, size }) => ({
    name,
    bytes: bundle.slice(at, at + size),
  }))
const tarOf = async (files: readonly TarFile[]): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of writeTar(files)) chunks.push(chunk)
  return new Uint8Array(Buffer.concat(chunks))
}
const isOutside = ({ name }: TarFile): boolean => /^(?:manifest|cosignatures\/|signatures\/)/.test(name)

/** Other files under a manifest that says what they are; signatures fall away. */
const withFiles = async (edit: (files: TarFile[]) => TarFile[], manifest: (m: Manifest) => Manifest = (m) => m) => {
  const all = await filesOf(chain.keygenBundle)
  const [first] = all
  const files = edit(all.filter((file) => !isOutside(file)))
  const old = manifestCodec.decode(first?.bytes ?? new Uint8Array())
  const stated = manifest({
    ...old,
    files: files.map(({ name, bytes }) => ({ name, size: bytes.length, sha256: hashOf(bytes) })),
  })
  return tarOf([{ name: 'manifest.json', bytes: manifestCodec.encode(stated) }, ...files])
}

const verdictOf = async (bytes: Uint8Array) =>
  verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })

describe('bundle', () => {
  it('is a tar that the system lists and extracts, with its parts in order', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'quorate-bundle-'))
    afterAll(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'a.bundle')
    writeFileSync(path, chain.signBundle)
    const names = execFileSync('tar', ['tf', path], { encoding: 'utf8' }).trim().split('\n')
    expect(names.slice(0, 2)).toEqual(['manifest.json', 'definition.json'])
    const tops = names.map((name) => name.split('/')[0])
    expect([...new Set(tops.slice(2))]).toEqual(['objects', 'logs', 'ledgers', 'outputs', 'cosignatures', 'signatures'])
    expect(execFileSync('tar', ['xOf', path, 'outputs/message'], { encoding: 'utf8' })).toBe('pay nobody')
  })

  it('gives each record by its hash and each log in order', async () => {
    const bundle = await open(chain.keygenBundle)
    for (const hash of bundle.objects) expect(hashOf((await bundle.object(hash)) ?? utf8(''))).toBe(hash)
    expect(bundle.manifest.logs).toEqual([ap, eu, us])
    let next = 0
    for await (const batch of bundle.events(eu)) for (const { event } of batch) expect(event.seq).toBe(next++)
    expect(next).toBeGreaterThan(50)
    expect(await bundle.object(hashOf(utf8('absent')))).toBeUndefined()
  })

  it.each<[string, (files: TarFile[]) => TarFile[]]>([
    ['files in another order', (files) => [...files.slice(0, 1), ...files.slice(1).reverse()]],
    ['no definition', (files) => files.filter(({ name }) => name !== 'definition.json')],
    ['a file that has no place', (files) => [...files, { name: 'zzz', bytes: utf8('') }]],
    ['a record under another name', (files) => files.map((f, at) => (at === 1 ? { ...f, bytes: utf8('x') } : f))],
    ['a log without its checkpoint', (files) => files.filter(({ name }) => name !== 'logs/eu/checkpoint')],
    ['a log without its ledger', (files) => files.filter(({ name }) => name !== 'ledgers/eu')],
    ['a log of no site', (files) => files.map((f) => ({ ...f, name: f.name.replace('logs/us/', 'logs/uz/') }))],
    ['a file twice', (files) => files.flatMap((file) => (file.name.startsWith('outputs/') ? [file, file] : [file]))],
  ])('refuses %s', async (_, edit) => {
    const bytes = await withFiles(edit)
    await expect(open(bytes)).rejects.toMatchObject({ code: 'E_BUNDLE', exit: 1 })
  })

  it.each<[string, (manifest: Manifest) => Manifest]>([
    ['another ceremony', (m) => ({ ...m, ceremony: hashOf(utf8('x')) })],
    ['another kind', (m) => ({ ...m, kind: 'sign' })],
    ['fewer logs', (m) => ({ ...m, logs: [eu] })],
    ['another size', (m) => ({ ...m, files: m.files.map((f, at) => (at === 3 ? { ...f, size: f.size + 1 } : f)) })],
    ['one more file', (m) => ({ ...m, files: [...m.files, { name: 'outputs/z', size: 0, sha256: hashOf(utf8('')) }] })],
  ])('refuses a manifest that names %s', async (_, manifest) => {
    await expect(open(await withFiles((files) => files, manifest))).rejects.toMatchObject({ code: 'E_BUNDLE' })
  })

  it('fails a record that no log names', async () => {
    const bytes = utf8('a stowaway')
    const stowed = await withFiles((files) => {
      const stowaway = { name: `objects/${hashOf(bytes)}`, bytes }
      const place = (f: TarFile): string =>
        f.name.startsWith('objects/') ? f.name : f.name === 'definition.json' ? '' : 'z'
      return [...files, stowaway].sort((a, b) => (place(a) < place(b) ? -1 : place(a) > place(b) ? 1 : 0))
    })
    const failing = (await verdictOf(stowed)).checks.filter(({ verdict }) => verdict === 'fails')
    expect(failing.map(({ id }) => id)).toEqual(['log.named'])
  })

  it('refuses cosignatures that are not sorted, or of no log', async () => {
    const files = await filesOf(chain.keygenBundle)
    const turned = files.map((file) => {
      if (file.name !== 'cosignatures/eu') return file
      const lines =
        Buffer.from(file.bytes)
          .toString()
          .match(/[^\n]*\n/g) ?? []
      return { ...file, bytes: utf8(lines.reverse().join('')) }
    })
    const report = await verdictOf(await tarOf(turned))
    expect(report.checks.find(({ id }) => id === 'log.cosigned')?.verdict).toBe('fails')
    const moved = files.map((f) => (f.name === 'cosignatures/us' ? { ...f, name: 'cosignatures/zz' } : f))
    await expect(open(await tarOf(moved))).rejects.toMatchObject({ code: 'E_BUNDLE' })
  })

  it('takes any bytes for no bundle, without a crash', async () => {
    const good = chain.keygenBundle
    const pieces = fc.array(
      fc.record({ at: fc.nat(good.length - 1), bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
      {
        minLength: 1,
        maxLength: 5,
      },
    )
    await fc.assert(
      fc.asyncProperty(pieces, fc.nat(good.length), fc.boolean(), async (edits, length, cut) => {
        const bytes = good.slice(0, cut ? length - (length % 512) : good.length)
        for (const { at, bytes: put } of edits) if (at + put.length <= bytes.length) bytes.set(put, at)
        if (toHex(bytes) === toHex(good)) return
        try {
          expect((await verdictOf(bytes)).verdict).toBe('invalid')
        } catch (error) {
          expect(error).toBeInstanceOf(QuorateError)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('is read from a source that gives it piece by piece', async () => {
    const source = {
      size: chain.keygenBundle.length,
      read: async (at: number, length: number) => chain.keygenBundle.slice(at, at + length),
    }
    expect((await readBundle(source)).manifest.kind).toBe('keygen')
  })
})

describe('merge', () => {
  const merged = async (...bundles: Uint8Array[]): Promise<Uint8Array> => {
    const readers = await Promise.all(bundles.map(open))
    const [first, ...rest] = readers
    if (first === undefined) throw new Error('nothing to merge')
    const { bundle, endorsements } = await mergeBundles([first, ...rest])
    const chunks: Uint8Array[] = []
    for await (const chunk of bundle.finish(endorsements)) chunks.push(chunk)
    return new Uint8Array(Buffer.concat(chunks))
  }
  const partial = (edit: (draft: Draft) => void, owned: string[] = []) => forge(chain, chain.keygenBundle, edit, owned)

  it('changes nothing in a complete bundle', async () => {
    expect(hashOf(await merged(chain.keygenBundle, chain.keygenBundle))).toBe(hashOf(chain.keygenBundle))
  })

  it('makes the complete bundle of partial ones, byte for byte', async () => {
    const alone = (site: SiteId) =>
      partial((draft) => {
        for (const other of [eu, us, ap]) if (other !== site) draft.logs.delete(other)
        for (const [hash] of draft.objects)
          if (![...draft.logs.values()].some((events) => events.some(({ object }) => object === hash)))
            draft.objects.delete(hash)
      })
    const parts = await Promise.all([eu, us, ap].map(alone))
    const whole = await merged(...parts)
    const files = (await filesOf(whole)).filter((file) => !file.name.startsWith('signatures/'))
    const wanted = (await filesOf(chain.keygenBundle)).filter((file) => !file.name.startsWith('signatures/'))
    expect(files.map(({ name, bytes }) => `${name} ${hashOf(bytes)}`)).toEqual(
      wanted.map(({ name, bytes }) => `${name} ${hashOf(bytes)}`),
    )
    expect(hashOf(await merged(...parts, chain.keygenBundle))).toBe(hashOf(chain.keygenBundle))
  })

  it('refuses bundles of different ceremonies, and of different histories', async () => {
    await expect(merged(chain.keygenBundle, chain.signBundle)).rejects.toMatchObject({ code: 'E_REFUSED' })
    const forked = await forge(chain, chain.keygenBundle, (draft) => draft.add(eu, { what: 'failed' }), ['eu'])
    await expect(merged(chain.keygenBundle, forked)).rejects.toMatchObject({ code: 'E_REFUSED' })
    const other = await forge(
      chain,
      chain.keygenBundle,
      (draft) => void draft.outputs.set('public-key.hex', utf8('x')),
      [],
    )
    await expect(merged(chain.keygenBundle, other)).rejects.toMatchObject({ code: 'E_REFUSED' })
  })
})
