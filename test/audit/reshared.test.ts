import { beforeAll, describe, expect, it } from 'vitest'
import { type BundleFacts, readFacts } from '../../src/audit/bundle-facts.ts'
import { allChecks, type CheckId } from '../../src/audit/check-table.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import type { ReshareDefinition } from '../../src/records/kinds/reshare.ts'
import { open, type RepairedChain, sharedRepairedChain } from '../support/bundles.ts'
import { type Draft, forge } from '../support/forge.ts'
import { inTurn } from '../support/report.ts'

/** Bundles of a reshare that its sites forge together: what they cannot show is not said. */

let chain: RepairedChain
let facts: BundleFacts
beforeAll(async () => {
  chain = await sharedRepairedChain()
  const bundle = await open(chain.reshareBundle)
  facts = await readFacts(bundle, await protocolEvidence(bundle.definition), { trust: 'stated' } as never)
})

const found = async (id: CheckId, changed: BundleFacts) => allChecks.find((check) => check.id === id)?.run(changed)

describe('the epoch that a reshare builds on', () => {
  const from = (change: Partial<ReshareDefinition['from']>): BundleFacts => ({
    ...facts,
    definition: { ...chain.reshare, from: { ...chain.reshare.from, ...change } },
  })

  it('is one of the same key', async () => {
    expect(await found('transcript.base', facts)).toMatchObject({ verdict: 'holds' })
  })

  it.each<[string, () => BundleFacts]>([
    // More old shares than that may be left, and are a quorum.
    ['a higher threshold than it had', () => from({ threshold: 3 })],
    ['fewer sites than it had', () => from({ sites: chain.reshare.from.sites.slice(0, 2) })],
  ])('is refused: %s', async (_, changed) => {
    expect(await found('transcript.base', changed())).toMatchObject({ verdict: 'fails' })
  })
})

describe('the log of a site that hands its share on', () => {
  const dealer = 'eu' as SiteId
  /** Facts in which this site receives nothing, with a log that lacks what the others said, and these events. */
  const lost = (also: readonly string[], receives = false): BundleFacts => {
    const log = facts.logs.get(dealer) ?? expect.fail('no log')
    const entries = log.entries.filter(
      ({ what, site }) => (what !== 'message' || site === dealer) && !also.includes(what),
    )
    return {
      ...facts,
      receivers: facts.receivers.filter(({ name }) => receives || name !== dealer),
      logs: new Map([...facts.logs, [dealer, { ...log, entries }]]),
    }
  }

  it('may lack the end of what it heard, and not the middle', async () => {
    expect(await found('transcript.same', lost(['outcome']))).toMatchObject({ verdict: 'holds' })
    expect(await found('transcript.same', lost([]))).toMatchObject({ verdict: 'open', accused: [dealer] })
  })

  it('lacks nothing where it receives a share, too', async () => {
    expect(await found('transcript.same', lost(['outcome'], true))).toMatchObject({
      verdict: 'open',
      accused: [dealer],
    })
  })
})

describe('a bundle of a reshare', () => {
  const verify = async (edit: (draft: Draft) => unknown) => {
    const bytes = await forge(chain, chain.reshareBundle, (draft) => void edit(draft))
    return verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
  }
  const verdictOf = (report: Awaited<ReturnType<typeof verify>>, id: CheckId) =>
    report.checks.find((check) => check.id === id)?.verdict
  const drop =
    (what: string, by?: SiteId, at?: SiteId) =>
    ({ logs }: Draft) => {
      for (const [site, events] of logs)
        if (at === undefined || at === site)
          logs.set(
            site,
            events.filter((event) => event.what !== what || (by !== undefined && event.site !== by)),
          )
    }

  it('is valid as it is', async () => {
    expect((await verify(() => undefined)).verdict).toBe('valid')
  })

  it('says who was not heard to have destroyed its old share, where a quorum may be left', async () => {
    expect(verdictOf(await verify(drop('retired')), 'votes.retired')).toBe('open')
  })

  it('shows the vote of each receiver', async () => {
    const report = await verify(drop('ready', 'sa' as SiteId))
    expect(verdictOf(report, 'votes.ready')).not.toBe('holds')
    expect(report.verdict).not.toBe('valid')
  })

  it.each(
    inTurn(
      [
        'opened',
        'definition',
        'approval',
        'outcome',
        'record',
        'staged',
        'ready',
        'ready-set',
        'installed',
        'possession',
        'test-signature',
        'message',
        'attempt-signature',
      ],
      5,
    ),
  )('is not valid without any %s', async (what) => {
    expect((await verify(drop(what))).verdict).not.toBe('valid')
  })

  it('is not one in which a share is destroyed before receipts', async () => {
    const report = await verify(({ logs }) => {
      for (const [site, events] of logs) {
        const own = events.find((event) => event.what === 'retired' && event.site === site)
        if (own === undefined) continue
        const rest = events.filter((event) => event !== own)
        const after = rest.findIndex((event) => event.what === 'installed' && event.site === site) + 1
        logs.set(site, [...rest.slice(0, after), own, ...rest.slice(after)])
      }
    })
    expect(verdictOf(report, 'votes.retired')).toBe('fails')
  })
})

describe('a bundle of a repair', () => {
  const verify = async (edit: (draft: Draft) => unknown) => {
    const bytes = await forge(chain, chain.repairBundle, (draft) => void edit(draft))
    return verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
  }

  it('is valid as it is, and says that the lost share still counts', async () => {
    const report = await verify(() => undefined)
    expect(report.verdict).toBe('valid')
    const retired = report.checks.find(({ id }) => id === 'votes.retired')
    expect(retired).toMatchObject({ verdict: 'holds', reason: expect.stringContaining('the lost one still counts') })
    expect(report.notShown.join()).toContain('where the lost share is')
  })

  it.each(
    inTurn(
      ['staged', 'ready', 'ready-set', 'installed', 'possession', 'test-signature', 'message', 'outcome', 'record'],
      4,
    ),
  )('is not valid without any %s', async (what) => {
    const report = await verify(({ logs }) => {
      for (const [site, events] of logs)
        logs.set(
          site,
          events.filter((event) => event.what !== what),
        )
    })
    expect(report.verdict).not.toBe('valid')
  })
})
