import { beforeAll, describe, expect, it } from 'vitest'
import type { CheckId } from '../../src/audit/check-table.ts'
import { historiesOf } from '../../src/audit/history.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { recordSigner } from '../../src/identity/ed25519.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Codec } from '../../src/records/codec.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import { noteCodec } from '../../src/records/note.ts'
import {
  type Replaced,
  type Rewrapped,
  replacedCodec,
  rewrappedCodec,
  type Witnessed,
  witnessedCodec,
} from '../../src/records/rewrap.ts'
import { decodeEnvelope } from '../../src/records/signed.ts'
import { open, type RewrappedChain, sharedRewrappedChain } from '../support/bundles.ts'
import { type Draft, forge } from '../support/forge.ts'

/** Bundles of a share that was sealed anew, forged by the owners of all keys, or of one. */

let chain: RewrappedChain
beforeAll(async () => {
  chain = await sharedRewrappedChain()
})

const [eu, us, ap] = ['eu', 'us', 'ap'] as [SiteId, SiteId, SiteId]
const other = 'ab'.repeat(32) as Hash

const verify = async (edit: (draft: Draft) => unknown) => {
  const bytes = await forge(chain, chain.rewrapBundle, async (draft) => void (await edit(draft)))
  return verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
}
const checkOf = ({ checks }: Awaited<ReturnType<typeof verify>>, id: CheckId) => checks.find((check) => check.id === id)

const drop =
  (what: string, by?: SiteId) =>
  ({ logs }: Draft): void => {
    for (const [site, events] of logs)
      logs.set(
        site,
        events.filter((event) => event.what !== what || (by !== undefined && event.site !== by)),
      )
  }
const codecs = { rewrapped: rewrappedCodec, witnessed: witnessedCodec, replaced: replacedCodec } as const
type Name = keyof typeof codecs
type Value<N extends Name> = N extends 'rewrapped' ? Rewrapped : N extends 'witnessed' ? Witnessed : Replaced

/** Another record in the place of one, in every log that names it. Returns what it says. */
const change = async <N extends Name>(draft: Draft, name: N, site: SiteId, by: (value: Value<N>) => Value<N>) => {
  const codec = codecs[name] as unknown as Codec<Value<N> & { site: SiteId }>
  for (const object of draft.named(name)) {
    const value = codec.decode(decodeEnvelope(draft.bytes(object), codec.limit).payload)
    if (value.site !== site) continue
    const said = by(value) as Value<N> & { site: SiteId }
    const signed = await draft.sign(site, codec, said)
    for (const events of draft.logs.values())
      for (const [at, event] of events.entries()) if (event.object === object) events[at] = { ...event, object: signed }
    return hashOf(codec.encode(said))
  }
  return expect.fail(`no ${name} of ${site}`)
}
/** A second one beside it, in the log of its site. */
const add = async <N extends Name>(draft: Draft, name: N, site: SiteId, by: (value: Value<N>) => Value<N>) => {
  const codec = codecs[name] as unknown as Codec<Value<N> & { site: SiteId }>
  const values = draft.named(name).map((one) => codec.decode(decodeEnvelope(draft.bytes(one), codec.limit).payload))
  const value = values.find((one) => one.site === site) ?? expect.fail(`no ${name} of ${site}`)
  const object = await draft.sign(site, codec, by(value) as Value<N> & { site: SiteId })
  draft.add(us, { what: name, site, object })
}

describe('a bundle of a rewrap', () => {
  it('is valid as it is, and says what moved, and who cosigned', async () => {
    const report = await verify(() => undefined)
    expect(report.verdict).toBe('valid')
    expect(report.lines.find(({ group }) => group === 'rewrap')?.reason).toContain('local:/keys/eu-2.key')
    expect(report.rewrapped).toMatchObject({
      ...{ site: eu, witnesses: [ap, us], old: chain.rewrap.old.envelope },
      ...{ from: [{ key: '/keys/eu.key' }], to: [{ key: '/keys/eu-2.key' }] },
    })
    expect(checkOf(report, 'rewrap.key')?.reason).toContain('in the envelope named there')
  })

  it('accuses a site whose proof does not hold, and whoever cosigned it', async () => {
    const report = await verify(async (draft) => {
      const envelope = other
      const rewrapped = await change(draft, 'rewrapped', eu, (value) => ({ ...value, envelope }))
      for (const site of [us, ap])
        await change(draft, 'witnessed', site, (value) => ({ ...value, rewrapped, envelope }))
      await change(draft, 'replaced', eu, (value) => ({ ...value, envelope }))
    })
    expect(checkOf(report, 'rewrap.proven')).toMatchObject({ accused: [eu] })
    expect(checkOf(report, 'rewrap.witnessed')).toMatchObject({ verdict: 'fails', accused: [ap, us] })
    expect(report.verdict).toBe('invalid')
  })

  it('accuses whoever said two things', async () => {
    const two = await verify((draft) => add(draft, 'rewrapped', eu, (value) => ({ ...value, envelope: other })))
    expect(checkOf(two, 'rewrap.proven')).toMatchObject({ accused: [eu] })
    const cosigned = await verify((draft) => add(draft, 'witnessed', ap, (value) => ({ ...value, rewrapped: other })))
    expect(checkOf(cosigned, 'rewrap.witnessed')).toMatchObject({ accused: [ap], verdict: 'open' })
    const over = await verify((draft) => add(draft, 'replaced', eu, (value) => ({ ...value, envelope: other })))
    expect(checkOf(over, 'rewrap.replaced')).toMatchObject({ accused: [eu] })
  })

  it('says who did not cosign, and is in use with as many as sign together', async () => {
    const one = await verify(drop('witnessed', ap))
    expect(checkOf(one, 'rewrap.witnessed')).toMatchObject({ verdict: 'holds' })
    expect(one.bundle.state).toBe('made')
    const none = await verify((draft) => {
      drop('witnessed')(draft)
      drop('replaced')(draft)
    })
    expect(checkOf(none, 'rewrap.witnessed')).toMatchObject({
      verdict: 'open',
      reason: '0 of 1 cosigned the new envelope; waiting: us, ap',
    })
    expect([none.bundle.state, checkOf(none, 'rewrap.replaced')?.verdict]).toEqual(['unfinished', 'open'])
  })

  it('accuses a site that went over before enough had cosigned, to another envelope, or left after it', async () => {
    const early = await verify(({ logs }) => {
      const events = logs.get(eu) ?? []
      const own = events.filter(({ what }) => what === 'replaced')
      const at = events.findIndex(({ what, site }) => what === 'rewrapped' && site === eu)
      const rest = events.filter(({ what }) => what !== 'replaced')
      logs.set(eu, [...rest.slice(0, at + 1), ...own, ...rest.slice(at + 1)])
    })
    expect(checkOf(early, 'rewrap.replaced')).toMatchObject({
      accused: [eu],
      reason: expect.stringContaining('before 1 had cosigned'),
    })
    const another = await verify((draft) => change(draft, 'replaced', eu, (value) => ({ ...value, envelope: other })))
    expect(checkOf(another, 'rewrap.replaced')).toMatchObject({ accused: [eu] })
    const left = await verify(async (draft) => {
      const home = draft.homes.get(eu) ?? expect.fail()
      const note = {
        ...{ ceremony: ceremonyId(chain.rewrap), identity: home.identity, counter: 999, phase: 'aborted' },
        ...{ at: draft.logs.get(eu)?.at(-1)?.at ?? 0, abort: 'I left' },
        ...{ approvals: [], votes: [], evidence: [], certificates: [] },
      }
      const signed = await recordSigner(eu, home.keys.note).sign(noteCodec, note)
      draft.add(us, { what: 'abort', site: eu, object: draft.put(toEnvelope(signed)) })
    })
    expect(checkOf(left, 'rewrap.replaced')).toMatchObject({
      accused: [eu],
      reason: expect.stringContaining('went over and left'),
    })
  })

  it('accuses the log with a word that is not its site’s own', async () => {
    for (const [name, site, by] of [
      ['rewrapped', eu, { index: 2 }],
      ['rewrapped', eu, { attempt: other }],
      ['witnessed', us, { ceremony: other }],
      ['replaced', eu, { ceremony: other }],
    ] as const) {
      const report = await verify((draft) => change(draft, name, site, (value) => ({ ...value, ...by }) as never))
      expect(checkOf(report, 'rewrap.records')?.accused).toContain(site)
    }
  })

  it('is not one of a key that the definition says otherwise', async () => {
    for (const changes of [
      { of: { ...chain.rewrap.of, publicKey: 'ab'.repeat(32) } },
      { of: { ...chain.rewrap.of, verifyingShares: [...chain.rewrap.of.verifyingShares].reverse() } },
      { threshold: 3 },
    ]) {
      const reader = await open(chain.rewrapBundle)
      const definition = { ...chain.rewrap, ...changes }
      const report = await verifyBundle({ ...reader, definition }, { trust: 'stated', evidence: protocolEvidence })
      expect(checkOf(report, 'rewrap.key')?.verdict).toBe('fails')
    }
    expect(checkOf(await verify(drop('outcome')), 'rewrap.key')?.verdict).toBe('fails')
    const later = { ...chain.rewrap, old: { ...chain.rewrap.old, envelope: other } }
    const reader = await open(chain.rewrapBundle)
    const again = await verifyBundle({ ...reader, definition: later }, { trust: 'stated', evidence: protocolEvidence })
    expect(checkOf(again, 'rewrap.key')?.reason).toContain('an envelope of a rewrap before')
  })
})

describe('the history of a key', () => {
  it('shows a rewrap as a leaf, and names a site that went over from one envelope to two', async () => {
    const options = { trust: 'stated', evidence: protocolEvidence } as const
    const [made, moved] = await Promise.all(
      [chain.keygenBundle, chain.rewrapBundle].map(async (bytes) => verifyBundle(await open(bytes), options)),
    )
    if (made === undefined || moved?.rewrapped == null) return expect.fail('no rewrap')
    const bundles = [
      { file: 'keygen.bundle', report: made },
      { file: 'rewrap.bundle', report: moved },
    ]
    const [key] = historiesOf(bundles)
    expect(key).toMatchObject({ epochs: [{ epoch: 1 }], faults: [] })
    expect(key?.rewrapped).toMatchObject([{ site: eu, epoch: 1, witnesses: [ap, us], file: 'rewrap.bundle' }])
    const bundle = { ...moved.bundle, ceremony: other }
    const again = { file: 'again.bundle', report: { ...moved, bundle } }
    const [forked] = historiesOf([...bundles, again])
    expect(forked?.faults).toMatchObject([
      { what: 'rival', reason: 'eu went over from one envelope to two', files: ['rewrap.bundle', 'again.bundle'] },
    ])
    const next = { ...again.report, rewrapped: { ...moved.rewrapped, old: moved.rewrapped.envelope } }
    expect(historiesOf([...bundles, { ...again, report: next }])[0]?.faults).toEqual([])
  })
})
