import { beforeAll, describe, expect, it } from 'vitest'
import type { CheckId } from '../../src/audit/check-table.ts'
import { historiesOf } from '../../src/audit/history.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { recordSigner } from '../../src/identity/ed25519.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { fromBase64, toBase64 } from '../../src/lib/bytes.ts'
import { ceremonyId, definitionCodec } from '../../src/records/definition.ts'
import { noteCodec } from '../../src/records/note.ts'
import { type Readmitted, type Rebound, readmittedCodec, reboundCodec } from '../../src/records/readmission.ts'
import { decodeEnvelope } from '../../src/records/signed.ts'
import { showBundle } from '../../src/site/bundles.ts'
import { open, type ReadmittedChain, sharedReadmittedChain } from '../support/bundles.ts'
import { type Draft, forge } from '../support/forge.ts'

/** Bundles of a site that was taken back, forged by the owners of all keys: what they cannot show is not said. */

let chain: ReadmittedChain
beforeAll(async () => {
  chain = await sharedReadmittedChain()
})

const [eu, af, sa] = ['eu', 'af', 'sa'] as [SiteId, SiteId, SiteId]

const verify = async (edit: (draft: Draft) => unknown, bundle = chain.readmitBundle) => {
  const bytes = await forge(chain, bundle, async (draft) => void (await edit(draft)))
  return verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
}
type Report = Awaited<ReturnType<typeof verify>>
const checkOf = (report: Report, id: CheckId) => report.checks.find((check) => check.id === id)
const drop =
  (what: string, by: readonly SiteId[]) =>
  ({ logs }: Draft) => {
    for (const [site, events] of logs)
      logs.set(
        site,
        events.filter((event) => event.what !== what || event.site === null || !by.includes(event.site)),
      )
  }

const wordOf = (draft: Draft, site: SiteId): { object: ReturnType<Draft['put']>; value: Readmitted } => {
  for (const object of draft.named('readmitted')) {
    const value = readmittedCodec.decode(decodeEnvelope(draft.bytes(object), readmittedCodec.limit).payload)
    if (value.site === site) return { object, value }
  }
  return expect.fail(`no word of ${site}`)
}
const reboundOf = (draft: Draft): { object: ReturnType<Draft['put']>; value: Rebound } => {
  const [object] = draft.named('rebound')
  if (object === undefined) return expect.fail('no word of the site that returned')
  return { object, value: reboundCodec.decode(decodeEnvelope(draft.bytes(object), reboundCodec.limit).payload) }
}

describe('a bundle of a readmission', () => {
  it('is valid as it is, and says who took which site back, and why', async () => {
    const report = await verify(() => undefined)
    expect(report).toMatchObject({
      verdict: 'valid',
      bundle: { state: 'made' },
      readmitted: [{ ceremony: ceremonyId(chain.readmit), site: af, by: [eu, sa], reason: chain.readmit.reason }],
    })
    expect(checkOf(report, 'readmit.taken')?.reason).toMatch(/^eu, sa took af back/)
    expect(checkOf(report, 'readmit.bound')?.reason).toBe('af is bound again by what eu, sa showed it')
  })

  it('made nothing where too few took it back, or it did not say that it is bound again', async () => {
    const few = await verify((draft) => drop('readmitted', [sa])(draft))
    expect(checkOf(few, 'readmit.taken')).toMatchObject({
      verdict: 'open',
      reason: expect.stringContaining('waiting: sa'),
    })
    expect(few.bundle.state).toBe('unfinished')
    const unsaid = await verify((draft) => drop('rebound', [af])(draft))
    expect(checkOf(unsaid, 'readmit.bound')).toMatchObject({ verdict: 'open' })
    expect([unsaid.bundle.state, unsaid.readmitted]).toEqual(['unfinished', []])
  })

  it('accuses who took it back in two ways, and who took it back and left', async () => {
    const twice = await verify(async (draft) => {
      const { value } = wordOf(draft, sa)
      draft.add(eu, {
        what: 'readmitted',
        site: sa,
        object: await draft.sign(sa, readmittedCodec, { ...value, remembered: null }),
      })
    })
    expect(checkOf(twice, 'readmit.taken')).toMatchObject({ accused: [sa] })
    const left = await verify(async (draft) => {
      const home = draft.homes.get(sa) ?? expect.fail()
      const note = { ceremony: ceremonyId(chain.readmit), identity: home.identity, counter: 99, at: Date.now() }
      const signed = await recordSigner(sa, home.keys.note).sign(noteCodec, {
        ...{ ...note, phase: 'aborted', approvals: [], votes: [], certificates: [], evidence: [] },
        abort: 'changed my mind',
      })
      draft.add(eu, { what: 'abort', site: sa, object: draft.put(toEnvelope(signed)) }, 'closing')
    })
    expect(checkOf(left, 'readmit.taken')).toMatchObject({ accused: [sa] })
  })

  it('accuses the site that shows another head than its ledger has, or says two things', async () => {
    const other = await verify(async (draft) => {
      const { object, value } = reboundOf(draft)
      draft.swap(object, await draft.sign(af, reboundCodec, { ...value, proof: [] }))
    })
    expect(checkOf(other, 'readmit.bound')).toMatchObject({ accused: [af] })
    const twice = await verify(async (draft) => {
      const { value } = reboundOf(draft)
      draft.add(eu, { what: 'rebound', site: af, object: await draft.sign(af, reboundCodec, { ...value, took: [] }) })
    })
    expect(checkOf(twice, 'readmit.bound')).toMatchObject({ accused: [af] })
  })

  it('does not hold where the site is bound by too few words', async () => {
    const report = await verify(async (draft) => {
      const { object, value } = reboundOf(draft)
      draft.swap(object, await draft.sign(af, reboundCodec, { ...value, took: value.took.slice(0, 1) }))
    })
    expect(checkOf(report, 'readmit.bound')).toMatchObject({ verdict: 'fails' })
  })

  it.each<[string, (value: Readmitted) => Readmitted]>([
    [
      'a promise that it did not give',
      (value) => ({
        ...value,
        promises: [
          {
            definition: toBase64(definitionCodec.encode(chain.repair)),
            certificates: [],
            records: [{ name: 'ready', envelope: value.remembered ?? '' }],
          },
        ],
      }),
    ],
    [
      'an older head that it did not sign',
      (value) => {
        const note = fromBase64(value.remembered ?? '')
        const at = note.length - 20
        note[at] = note[at] === 65 ? 66 : 65
        return { ...value, remembered: toBase64(note) }
      },
    ],
  ])('accuses who shows %s', async (_, change) => {
    const report = await verify(async (draft) => {
      const { object, value } = wordOf(draft, sa)
      draft.swap(object, await draft.sign(sa, readmittedCodec, change(value)))
    })
    expect(checkOf(report, 'readmit.promises')).toMatchObject({ accused: [sa] })
  })

  it('does not hold without the epoch whose sites decide', async () => {
    const report = await verify(({ logs }) => {
      for (const [site, events] of logs)
        logs.set(
          site,
          events.filter(({ what }) => what !== 'outcome'),
        )
    })
    expect(checkOf(report, 'readmit.key')).toMatchObject({ verdict: 'fails' })
  })

  it('accuses the log that has a word of a site that is not asked', async () => {
    const report = await verify(async (draft) => {
      const { value } = wordOf(draft, sa)
      draft.add(eu, {
        what: 'readmitted',
        site: af,
        object: await draft.sign(af, readmittedCodec, { ...value, site: af }),
      })
    })
    expect(checkOf(report, 'readmit.records')).toMatchObject({ accused: [eu] })
  })
})

describe('a later bundle of the key', () => {
  const says =
    (definition: object, at: SiteId = eu) =>
    async (draft: Draft) =>
      draft.add(at, { what: 'readmission', object: draft.put(definitionCodec.encode(definition as never)) }, 'joined')

  it('says what its sites say of it, as an open point', async () => {
    const report = await verify(() => undefined, chain.afterBundle)
    expect(report).toMatchObject({ verdict: 'valid', readmitted: [{ site: af, by: [af, eu] }] })
    expect(checkOf(report, 'readmit.known')).toMatchObject({ verdict: 'open', reason: expect.stringContaining('af') })
  })

  it.each<[string, () => object]>([
    ['of another key', () => ({ ...chain.readmit, key: 'ab'.repeat(32) })],
    ['of a ceremony that takes nobody back', () => chain.sign],
  ])('accuses the log that says it %s', async (_, definition) => {
    const report = await verify(says(definition()), chain.signBundle)
    expect(checkOf(report, 'readmit.known')).toMatchObject({ accused: [eu] })
    expect(report.readmitted).toEqual([])
  })

  it('is shown and counted once in the history', async () => {
    const all = { a: chain.repairBundle, b: chain.readmitBundle, c: chain.afterBundle }
    const bundles = await Promise.all(
      Object.entries(all).map(async ([file, bytes]) => ({
        file,
        report: await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence }),
      })),
    )
    const [key] = historiesOf(bundles)
    expect(key?.readmitted).toMatchObject([{ ceremony: ceremonyId(chain.readmit), site: af, by: [eu, sa] }])
    for (const bytes of [chain.readmitBundle, chain.afterBundle]) {
      const shown = await showBundle(
        (async function* () {
          yield bytes
        })(),
        false,
      )
      expect(shown.readmitted).toMatchObject([{ site: af }])
    }
  })
})
