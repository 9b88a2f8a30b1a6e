import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { historiesOf } from '../../src/audit/history.ts'
import type { VerifiedBundle } from '../../src/audit/history-faults.ts'
import { type VerifyReport, verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { makeCard } from '../../src/identity/card.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { type KeyHead, keyHeadCodec } from '../../src/records/key-head.ts'
import { verifyHistory } from '../../src/site/history.ts'
import { open, type RefreshedChain, sharedRefreshedChain } from '../support/bundles.ts'
import { forge } from '../support/forge.ts'

let chain: RefreshedChain
let folder: string
const reports = new Map<string, VerifyReport>()
beforeAll(async () => {
  chain = await sharedRefreshedChain()
  folder = mkdtempSync(join(tmpdir(), 'quorate history '))
  for (const [name, bytes] of Object.entries(files())) {
    writeFileSync(join(folder, name), bytes)
    reports.set(name, await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence }))
  }
})
afterAll(() => rmSync(folder, { recursive: true }))

const files = () => ({
  'a.sign.bundle': chain.signBundle,
  'b.refresh.bundle': chain.refreshBundle,
  'c.keygen.bundle': chain.keygenBundle,
})
const [sign, refresh, keygen] = ['a.sign.bundle', 'b.refresh.bundle', 'c.keygen.bundle'] as const

type Made = VerifyReport & { readonly epoch: NonNullable<VerifyReport['epoch']> }
const bundle = (file: string, change: (report: Made) => object = () => ({}), as = file): VerifiedBundle => {
  const report = reports.get(file) as Made
  return { file: as, report: { ...report, ...change(report) } }
}
const hash = (text: string): Hash => hashOf(utf8(text))
const faultsOf = (...bundles: VerifiedBundle[]) =>
  historiesOf(bundles).flatMap(({ faults }) => faults.map((one) => [one.what, one.files]))

describe('the history of a key', () => {
  it('goes from its keygen to its newest epoch, whatever the order of the files', () => {
    const [key, ...more] = historiesOf([bundle(sign), bundle(refresh), bundle(keygen)])
    expect(more).toEqual([])
    expect(key).toMatchObject({ key: chain.sign.key, name: 'treasury', protocol: 'frost-ed25519', faults: [] })
    expect(key?.epochs.map(({ epoch, kind, file }) => [epoch, kind, file])).toEqual([
      [1, 'keygen', keygen],
      [2, 'refresh', refresh],
    ])
    expect(key?.epochs[1]?.base).toBe(key?.epochs[0]?.record)
    expect(key?.signatures.map(({ epoch, file }) => [epoch, file])).toEqual([[1, sign]])
  })

  it('names a gap: the epoch before, or the one that signed', () => {
    expect(faultsOf(bundle(refresh))).toEqual([['gap', [refresh]]])
    expect(faultsOf(bundle(sign), bundle(keygen))).toEqual([])
    expect(faultsOf(bundle(sign), bundle(refresh))).toEqual([
      ['gap', [refresh]],
      ['gap', [sign]],
    ])
  })

  it('names a fork: two ceremonies that replaced one record, or made one key', () => {
    const another = (ceremony: string) => (report: Made) => ({
      bundle: { ...report.bundle, ceremony: hash(ceremony) },
      epoch: { ...report.epoch, record: hash('another record') },
    })
    expect(faultsOf(bundle(keygen), bundle(refresh), bundle(refresh, another('x'), 'x'))).toEqual([
      ['fork', expect.arrayContaining([refresh, 'x'])],
      ['rival', [refresh, 'x']],
    ])
    expect(faultsOf(bundle(keygen), bundle(keygen, another('y'), 'y'))).toEqual([
      ['fork', expect.arrayContaining([keygen, 'y'])],
    ])
  })

  it('names a ceremony that replaced or used an epoch in the name of other sites than those that hold it', () => {
    const [eu, us] = chain.refresh.sites.map(({ identity }) => identity)
    const others = (report: Made) => ({ epoch: { ...report.epoch, holders: [eu, us, eu] } })
    expect(faultsOf(bundle(keygen), bundle(refresh, others), bundle(sign))).toEqual([['roster', [keygen, refresh]]])
    expect(faultsOf(bundle(keygen), bundle(refresh), bundle(sign, others))).toEqual([['roster', [keygen, sign]]])
    const none = (report: Made) => ({ epoch: { ...report.epoch, holders: [] } })
    expect(faultsOf(bundle(keygen), bundle(refresh, none))).toEqual([['roster', [keygen, refresh]]])
  })

  const successor =
    (record: string, changes: object = {}, state = 'made') =>
    (report: Made) => ({
      bundle: { ...report.bundle, ceremony: hash(record), state: state as never },
      epoch: { ...report.epoch, record: hash(record), ...changes },
    })

  it('orders two that replaced one record where one names the other, however the files are called', () => {
    for (const [first, second] of [
      ['x', 'y'],
      ['y', 'x'],
    ] as const) {
      const [key] = historiesOf([
        bundle(keygen),
        bundle(refresh, successor(second, { supersedes: [hash(first)] }), second),
        bundle(refresh, successor(first), first),
      ])
      expect(key).toMatchObject({
        faults: [],
        superseded: [],
        epochs: [{ file: keygen }, { file: first }, { file: second }],
      })
    }
  })

  it('shows one that was never finished beside the one that came in its place', () => {
    const names = { supersedes: [hash('left')] }
    const [key] = historiesOf([
      bundle(keygen),
      bundle(refresh, successor('left', {}, 'aborted'), 'left'),
      bundle(refresh, successor('other', {}, 'unfinished'), 'other'),
      bundle(refresh, successor('x', names), 'x'),
    ])
    expect(key?.superseded.map(({ file }) => file)).toEqual(['left'])
    expect(key?.epochs.map(({ file }) => file)).toEqual([keygen, 'x'])
  })

  it('names a site that voted for two of which neither names the other, also where one was never finished', () => {
    const [eu, us, ap] = chain.refresh.sites.map(({ identity }) => identity)
    const voters = { voters: [eu, us] }
    const given = (changes: object) => [
      bundle(keygen),
      bundle(refresh, successor('x'), 'x'),
      bundle(refresh, successor('y', { ...voters, ...changes }, 'unfinished'), 'y'),
    ]
    expect(faultsOf(...given({}))).toEqual([['rival', ['x', 'y']]])
    expect(historiesOf(given({}))[0]?.faults[0]?.reason).toMatch(new RegExp(`${eu}, ${us}$`))
    expect(historiesOf(given({}))[0]?.faults[0]?.reason).not.toContain(ap)
    expect(faultsOf(...given({ supersedes: [hash('x')] }))).toEqual([])
    expect(faultsOf(...given({ voters: [] }))).toEqual([])
    expect(faultsOf(...given({ base: hash('another') }))).toEqual([])
  })

  it('names one ceremony with two results, and takes a second copy for what it is', () => {
    expect(faultsOf(bundle(keygen), bundle(keygen, undefined, 'copy'))).toEqual([])
    const other = (report: Made) => ({ epoch: { ...report.epoch, record: hash('another record') } })
    expect(faultsOf(bundle(keygen), bundle(keygen, other, 'z'))).toEqual([['twice', [keygen, 'z']]])
    const signed = () => ({ signature: 'ab' })
    expect(faultsOf(bundle(keygen), bundle(sign), bundle(sign, signed, 'z'))).toEqual([['twice', [sign, 'z']]])
  })

  it('names a signature with an epoch after a newer one could be used', () => {
    const at = (closed: string) => (report: Made) => ({ bundle: { ...report.bundle, closed } })
    const all = [bundle(keygen, at('2026-01-01T00:00:00Z')), bundle(refresh, at('2026-02-01T00:00:00Z'))]
    expect(faultsOf(...all, bundle(sign, at('2026-01-31T23:59:59Z')))).toEqual([])
    expect(faultsOf(...all, bundle(sign, at('2026-02-01T00:00:01Z')))).toEqual([['late', [sign]]])
  })

  it('counts on no bundle that does not hold', () => {
    const bad = () => ({ verdict: 'invalid' as const })
    expect(faultsOf(bundle(keygen, bad), bundle(refresh))).toEqual([['gap', [refresh]]])
    expect(historiesOf([bundle(keygen, bad)])).toEqual([])
  })
})

describe('a folder of bundles', () => {
  const wanted = { trust: undefined, trustStated: true, at: undefined, require: [], maxAge: undefined }
  const closed = () => Date.parse(reports.get(refresh)?.bundle.closed ?? '')
  const looked = (change: object = {}) =>
    verifyHistory({ ...wanted, folder, now: closed() + 10 * 86_400_000, ...change })

  it('is valid, and as old as its newest epoch', async () => {
    expect(await looked()).toMatchObject({
      verdict: 'valid',
      refused: [],
      madeNothing: [],
      keys: [{ age: 10 * 86_400_000, overdue: false }],
    })
    expect((await looked({ maxAge: 10 })).keys[0]?.overdue).toBe(false)
    expect((await looked({ maxAge: 9 })).keys[0]?.overdue).toBe(true)
  })

  it('is worth no more than the worst of its bundles', async () => {
    expect((await looked({ trustStated: false })).verdict).toBe('unknown-parties')
    const stray = join(folder, 'stray.bundle')
    writeFileSync(stray, 'no bundle')
    const report = await looked()
    rmSync(stray)
    expect([report.verdict, report.refused.map(({ file }) => file)]).toEqual(['invalid', ['stray.bundle']])
    const late = await looked({ at: 1 })
    expect([late.verdict, late.refused.length, late.keys]).toEqual(['invalid', 3, []])
  })

  it('names a bundle that is incomplete, and asks nothing of a ceremony that made nothing', async () => {
    const [part, aborted] = [join(folder, 'd.sign.bundle'), join(folder, 'e.abort.bundle')]
    writeFileSync(part, await forge(chain, chain.signBundle, (draft) => void draft.cosigners.clear()))
    const { verdict, incomplete } = await looked()
    rmSync(part)
    expect([verdict, incomplete]).toEqual(['incomplete', ['d.sign.bundle']])
    writeFileSync(aborted, readFileSync(new URL('../compat/v0.1/abort.bundle', import.meta.url)))
    const report = await looked()
    rmSync(aborted)
    expect([report.verdict, report.incomplete, report.madeNothing]).toEqual(['valid', [], ['e.abort.bundle']])
  })

  describe('beside what sites say is the newest epoch', () => {
    const headBy = async (name: string, change: Partial<KeyHead> = {}): Promise<Uint8Array> => {
      const { home } = chain.world.homes.get(name) ?? expect.fail()
      const { signer } = await home.unlock()
      const { key, epoch } = reports.get(refresh) ?? expect.fail()
      const head = {
        key: key?.id,
        name: 'treasury',
        record: epoch?.record,
        epoch: 2,
        identity: home.identity,
        at: closed(),
      }
      return toEnvelope(await signer.sign(keyHeadCodec, { ...head, ...change } as KeyHead))
    }
    const trustOf = (...more: string[]) =>
      [...['eu', 'us', 'ap'].map((name) => chain.world.homes.get(name)?.home.identity), ...more].join('\n')
    const withHeads = (...heads: Uint8Array[]) => looked({ trust: trustOf(), trustStated: false, heads })

    it('confirms the newest, shows an older one, and asks for what is not here', async () => {
      const old = reports.get(keygen)?.epoch?.record as Hash
      const same = await withHeads(await headBy('eu'), await headBy('us', { record: old, epoch: 1 }))
      expect(same).toMatchObject({ verdict: 'valid', unseen: [] })
      expect(same.keys[0]?.heads.map(({ epoch, says }) => [epoch, says])).toEqual([
        [2, 'newest'],
        [1, 'older'],
      ])
      const newer = await withHeads(await headBy('ap', { record: '77'.repeat(32) as Hash, epoch: 3 }))
      expect([newer.verdict, newer.keys[0]?.heads[0]?.says]).toEqual(['incomplete', 'unknown'])
      const other = await withHeads(await headBy('ap', { key: '78'.repeat(32) as Hash, name: 'other' }))
      expect([other.verdict, other.unseen]).toEqual(['incomplete', [{ key: '78'.repeat(32), name: 'other' }]])
    })

    it('counts on no stranger’s, on none that was changed, and on nothing else that is signed', async () => {
      const { home } = chain.world.homes.get('eu') ?? expect.fail()
      const only = looked({ trust: `${trustOf().split('\n')[1]}\n`, trustStated: false, heads: [await headBy('eu')] })
      await expect(only).rejects.toMatchObject({ code: 'E_REFUSED' })
      const gone = trustOf().replace(home.identity, `${home.identity} revoked 2020-01-01T00:00:00Z`)
      const revoked = looked({ trust: gone, trustStated: false, heads: [await headBy('eu')] })
      await expect(revoked).rejects.toMatchObject({ code: 'E_REFUSED' })
      const text = Buffer.from(await headBy('eu')).toString()
      const { payload } = JSON.parse(text) as { payload: string }
      const changed = Buffer.from(Buffer.from(payload, 'base64').toString().replace('"epoch":2', '"epoch":9'))
      const forged = Buffer.from(text.replace(payload, changed.toString('base64')))
      await expect(withHeads(forged)).rejects.toMatchObject({ code: 'E_FILE' })
      const card = await makeCard(await home.unlock(), await home.card())
      await expect(withHeads(Buffer.from(card))).rejects.toMatchObject({ code: 'E_FILE' })
    })
  })

  it('without a bundle is refused', async () => {
    const empty = mkdtempSync(join(tmpdir(), 'quorate empty '))
    await expect(looked({ folder: empty })).rejects.toMatchObject({ code: 'E_NOT_FOUND' })
    rmSync(empty, { recursive: true })
  })
})
