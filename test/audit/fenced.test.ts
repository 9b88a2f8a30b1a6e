import { beforeAll, describe, expect, it } from 'vitest'
import type { CheckId } from '../../src/audit/check-table.ts'
import { historiesOf, type KeyHistory } from '../../src/audit/history.ts'
import type { VerifiedBundle } from '../../src/audit/history-faults.ts'
import { type VerifyReport, verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { fencedCodec } from '../../src/records/outcome.ts'
import { type FencedChain, open, sharedFencedChain } from '../support/bundles.ts'
import { type Draft, forge } from '../support/forge.ts'

/** Bundles of an emergency: each promise of an old holder, and of the history of both keys. */

const [eu, af, sa] = ['eu', 'af', 'sa'] as [SiteId, SiteId, SiteId]
let chain: FencedChain
beforeAll(async () => {
  chain = await sharedFencedChain()
})

const verify = async (bytes: Uint8Array): Promise<VerifyReport> =>
  verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
const forged = async (edit: (draft: Draft) => unknown, owned?: readonly string[]): Promise<VerifyReport> =>
  verify(await forge(chain, chain.emergencyBundle, async (draft) => void (await edit(draft)), owned))
const finding = (report: VerifyReport, id: CheckId) => report.checks.find((check) => check.id === id)

/** Takes the word of a site that it fenced the old key out of the logs of all, or of these. */
const without =
  (site: SiteId, logs: readonly SiteId[] = [eu, af, sa]) =>
  (draft: Draft): void => {
    for (const log of logs)
      draft.logs.set(
        log,
        (draft.logs.get(log) ?? []).filter((event) => event.what !== 'fenced' || event.site !== site),
      )
  }

describe('the promises in a bundle of an emergency', () => {
  it('are those of all who hold a share of both keys', async () => {
    const report = await verify(chain.emergencyBundle)
    expect(report).toMatchObject({ verdict: 'valid', fences: { fenced: [eu, af, sa], left: [], outOfUse: true } })
    expect(finding(report, 'votes.fenced')).toMatchObject({ verdict: 'holds' })
  })

  it('one that is taken out of every log is missed by name, and its site is accused of its vote', async () => {
    const report = await forged(without(af))
    expect(finding(report, 'votes.fenced')).toMatchObject({ verdict: 'open', accused: [af] })
    expect(finding(report, 'log.ordered')).toMatchObject({ accused: [af] })
    expect(report.fences).toMatchObject({ fenced: [eu, sa], left: [af], retired: true, outOfUse: true })
    expect(report.contradictions.map(({ by }) => by)).toEqual([af])
  })

  it('two that are taken out leave a quorum of the old key, and the bundle does not hold', async () => {
    const report = await forged((draft) => [without(af)(draft), without(sa)(draft)])
    expect(report.fences).toMatchObject({ fenced: [eu], left: [af, sa], retired: false, outOfUse: false })
    expect([report.verdict, finding(report, 'votes.fenced')?.verdict]).toEqual(['invalid', 'fails'])
  })

  it('one whose body is not handed on is missed, and its site not accused', async () => {
    const report = await forged(async (draft) => {
      for (const object of draft.named('fenced'))
        if (draft.logs.get(af)?.some((event) => event.site === af && event.object === object))
          draft.objects.delete(object)
    })
    expect(report.verdict).not.toBe('valid')
    expect(finding(report, 'votes.fenced')).toMatchObject({ verdict: 'open' })
    expect(report.contradictions).toEqual([])
  })

  it.each<[string, object]>([
    ['of another key', { key: hashOf(utf8('another')) }],
    ['of another ceremony', { ceremony: hashOf(utf8('another')) }],
    ['in another site’s name', { site: eu }],
  ])('one %s is none', async (_, change) => {
    const report = await forged(async (draft) => {
      const { key } = chain.emergency.fences
      const ceremony = (draft.logs.get(af)?.[0]?.ceremony ?? '') as Hash
      const other = await draft.sign(af, fencedCodec, { ceremony, site: af, key, ...change })
      for (const events of draft.logs.values())
        for (const [at, event] of events.entries())
          if (event.what === 'fenced' && event.site === af) events[at] = { ...event, object: other }
    })
    expect(finding(report, 'votes.records')?.verdict).not.toBe('holds')
    expect(finding(report, 'votes.fenced')).toMatchObject({ verdict: 'open', accused: [af] })
  })
})

describe('the history of a key that was taken out of use', () => {
  const reports = new Map<string, VerifyReport>()
  beforeAll(async () => {
    const { keygenBundle, signBundle, refreshBundle, reshareBundle, repairBundle, emergencyBundle } = chain
    const all = { keygenBundle, signBundle, refreshBundle, reshareBundle, repairBundle, emergencyBundle }
    for (const [name, bytes] of Object.entries(all)) reports.set(name.replace('Bundle', ''), await verify(bytes))
  })
  type Changes = (report: VerifyReport) => Partial<VerifyReport>
  const bundle = (file: string, change: Changes = () => ({}), as = file): VerifiedBundle => {
    const report = reports.get(file) ?? expect.fail(file)
    return { file: as, report: { ...report, ...change(report) } }
  }
  const history = (...more: readonly VerifiedBundle[]): KeyHistory => {
    const names = [
      'keygen',
      'refresh',
      'reshare',
      'repair',
      ...(more.some(({ file }) => file === 'emergency') ? [] : ['emergency']),
    ]
    const all = historiesOf([...names.map((name) => bundle(name)), ...more])
    return all.find(({ key }) => key === chain.sign.key) ?? expect.fail('no history')
  }
  const closedAt =
    (closed: string): Changes =>
    (report) => ({ bundle: { ...report.bundle, closed } })
  const fences =
    (change: Partial<NonNullable<VerifyReport['fences']>>): Changes =>
    (report) => ({ fences: { ...(report.fences ?? expect.fail()), ...change } })

  it('says which key took its place, and who promised; the fresh key has a history of its own', () => {
    const all = historiesOf(['keygen', 'refresh', 'reshare', 'repair', 'emergency'].map((name) => bundle(name)))
    expect(all).toHaveLength(2)
    const fresh = all.find(({ key }) => key !== chain.sign.key)
    expect(fresh).toMatchObject({ name: 'treasury-2', replaced: [], faults: [], epochs: [{ epoch: 1 }] })
    expect(history()).toMatchObject({
      faults: [],
      replaced: [{ key: fresh?.key, fenced: [eu, af, sa], left: [], retired: true, outOfUse: true, file: 'emergency' }],
    })
  })

  it('tells signatures after it: those that move what it protects in their time, and late ones', () => {
    const { sweep } = chain.emergency.fences
    expect(history(bundle('sign')).signatures.map(({ afterFence }) => afterFence)).toEqual([false])
    const { record, voters } = reports.get('repair')?.epoch ?? expect.fail('no newest epoch')
    const late = (report: VerifyReport) => ({
      bundle: { ...report.bundle, closed: '2099-01-01T00:00:00Z' },
      // By the newest epoch, and its sites: else it is late for another reason.
      epoch: { ...(report.epoch ?? expect.fail()), record, holders: voters },
    })
    const moved = history(bundle('sign', (report) => ({ ...late(report), ...closedAt(sweep)(report) })))
    expect(moved.signatures.map(({ afterFence }) => afterFence)).toEqual([true])
    expect(moved.faults).toEqual([])
    expect(history(bundle('sign', late)).faults).toEqual([
      { what: 'late', reason: expect.stringContaining('treasury-2 took its place'), files: ['sign'] },
    ])
  })

  it('says so whatever else names the record that was fenced, in whatever order', () => {
    const record = reports.get('repair')?.epoch?.record as Hash
    const signed = bundle('sign', ({ epoch }) => ({ epoch: { ...(epoch ?? expect.fail()), record } }))
    const others = ['emergency', 'keygen', 'refresh', 'reshare', 'repair'].map((name) => bundle(name))
    const old = historiesOf([signed, ...others]).find(({ key }) => key === chain.sign.key)
    expect(old?.replaced).toMatchObject([{ name: 'treasury-2', outOfUse: true }])
  })

  it('is not touched by who does not speak for it: too few, other holders, another threshold, an unknown record', () => {
    const few = history(
      bundle('emergency', fences({ retired: false })),
      bundle('sign', closedAt('2099-01-01T00:00:00Z')),
    )
    expect(few.signatures.map(({ afterFence }) => afterFence)).toEqual([false])
    for (const change of [
      { holders: chain.keygen.sites.map(({ identity }) => identity) },
      { threshold: 3 },
      { base: hashOf(utf8('another record')) },
    ])
      expect(history(bundle('emergency', fences(change))).replaced).toEqual([])
  })

  it('names two fresh keys in its place', () => {
    const another: Changes = (report) => ({
      bundle: { ...report.bundle, ceremony: hashOf(utf8('another ceremony')) },
      key: { ...(report.key ?? expect.fail()), id: hashOf(utf8('another key')) },
    })
    const both = history(bundle('emergency'), bundle('emergency', another, 'other'))
    expect(both.faults).toEqual([{ what: 'rival', reason: expect.any(String), files: ['emergency', 'other'] }])
  })
})
