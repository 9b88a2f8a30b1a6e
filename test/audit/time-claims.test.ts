import { beforeAll, describe, expect, it } from 'vitest'
import { parseTrust } from '../../src/audit/trust.ts'
import { type VerifyOptions, type VerifyReport, verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { helloCodec } from '../../src/records/attempt.ts'
import { approvalCodec } from '../../src/records/identity.ts'
import { decodeEnvelope } from '../../src/records/signed.ts'
import { type Chain, open, sharedChain } from '../support/bundles.ts'
import { type Draft, forge } from '../support/forge.ts'

/** Bundles whose signer was revoked, and who tries to look older than that; and clocks that are wild. */

const DAY = 86_400_000
const YEAR = 365 * DAY
const [eu, ap] = ['eu', 'ap'] as [SiteId, SiteId]

let chain: Chain
let now: number
beforeAll(async () => {
  chain = await sharedChain()
  now = chain.world.clock.now()
})

const iso = (at: number): string => `${new Date(at).toISOString().slice(0, 19)}Z`
const trustIn = (revoked: Partial<Record<string, number>>) =>
  parseTrust(
    chain.keygen.sites
      .map(({ name, identity }) => {
        const at = revoked[name]
        return at === undefined ? identity : `${identity} revoked ${iso(at)}`
      })
      .join('\n'),
  )
const verify = async (bytes: Uint8Array, changes: Partial<VerifyOptions> = {}): Promise<VerifyReport> =>
  verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence, ...changes })
const of = (report: VerifyReport, id: string) => report.checks.find((check) => check.id === id)

const shift = (draft: Draft, site: SiteId, by: number): void => {
  draft.logs.set(
    site,
    (draft.logs.get(site) ?? []).map((event) => ({ ...event, at: event.at + by })),
  )
}

/** All that nobody but the revoked `ap` signed goes, as far as a bundle can do without; its own log is a year older. */
const alone =
  (keep: (draft: Draft) => void | Promise<void> = () => undefined) =>
  async (draft: Draft) => {
    await keep(draft)
    shift(draft, ap, -YEAR)
    draft.logs.delete(eu)
    draft.cosigners.get(ap)?.clear()
    draft.signers.delete(eu)
    const named = new Set([...draft.logs.values()].flatMap((log) => log.map(({ object }) => object)))
    for (const object of [...draft.objects.keys()]) if (!named.has(object)) draft.objects.delete(object)
  }

/** `eu` approved long before it signed. */
const approvedEarly = async (draft: Draft): Promise<void> => {
  const { signer } = await (draft.homes.get(eu) ?? expect.fail('no eu')).unlock()
  for (const object of draft.named('approval')) {
    const value = approvalCodec.decode(decodeEnvelope(draft.bytes(object), approvalCodec.limit).payload)
    if (value.identity !== draft.homes.get(eu)?.identity) continue
    draft.swap(object, draft.put(toEnvelope(await signer.sign(approvalCodec, { ...value, at: now - YEAR }))))
  }
}

const withoutHello = (site: SiteId) => (draft: Draft) => {
  for (const object of draft.named('hello')) {
    const { payload } = decodeEnvelope(draft.bytes(object), helloCodec.limit)
    if (helloCodec.decode(payload).site === site) draft.objects.delete(object)
  }
}

describe('a signer that was revoked before it signed, and keeps its own log alone, a year back', () => {
  const revoked = () => trustIn({ ap: now - 30 * DAY })

  it('is refused where the others’ hellos are here: they cannot be older', async () => {
    const bytes = await forge(chain, chain.signBundle, alone(), ['ap'])
    const report = await verify(bytes, { trust: revoked() })
    expect([report.verdict, of(report, 'identities.unrevoked')?.verdict]).toEqual(['invalid', 'fails'])
  })

  it('does not become older by an old approval of another, with that one’s hello left out', async () => {
    const bytes = await forge(
      chain,
      chain.signBundle,
      alone(async (draft) => {
        await approvedEarly(draft)
        withoutHello(eu)(draft)
      }),
      ['ap'],
    )
    const report = await verify(bytes, { trust: revoked() })
    expect([report.verdict, of(report, 'identities.unrevoked')?.verdict]).not.toContain('valid')
    expect(of(report, 'identities.unrevoked')?.verdict).not.toBe('holds')
  })

  it('contradicts its own hello, which the others signed with the attempt', async () => {
    const report = await verify(await forge(chain, chain.signBundle, alone(), ['ap']))
    expect(of(report, 'log.timed')).toMatchObject({ verdict: 'fails', accused: ['ap'] })
    // Where others are here too it stands beside what they made.
    const beside = await verify(await forge(chain, chain.signBundle, (draft) => shift(draft, ap, -YEAR), ['ap']))
    expect(of(beside, 'log.timed')).toMatchObject({ verdict: 'open', accused: ['ap'] })
    expect(beside.checks.filter(({ verdict }) => verdict === 'fails')).toEqual([])
  })

  it('has neither ended a year ago, nor before a time that lies between', async () => {
    const bytes = await forge(chain, chain.signBundle, alone(), ['ap'])
    const report = await verify(bytes, { at: now - 30 * DAY })
    expect(Date.parse(report.bundle.closed ?? '')).toBeGreaterThan(now - DAY)
    expect(of(report, 'time.stamped')?.verdict).toBe('fails')
  })
})

describe('a signer that was revoked later', () => {
  it('has signed before, by the log of the other', async () => {
    const report = await verify(chain.signBundle, { trust: trustIn({ ap: now + 30 * DAY }) })
    expect([report.verdict, of(report, 'identities.unrevoked')?.verdict]).toEqual(['valid', 'holds'])
  })

  it('has signed before, by a cosignature of the other, where the log of the other is not here', async () => {
    const bytes = await forge(chain, chain.signBundle, (draft) => {
      draft.logs.delete(eu)
      draft.signers.delete(eu)
      draft.cosigners.delete(eu)
    })
    // The forger's witnesses say 2027-01-15.
    const [later, between] = [Date.parse('2027-02-01T00:00:00Z'), now + 30 * DAY]
    expect(of(await verify(bytes, { trust: trustIn({ ap: later }) }), 'identities.unrevoked')?.verdict).toBe('holds')
    const report = await verify(bytes, { trust: trustIn({ ap: between }) })
    expect([report.verdict, of(report, 'identities.unrevoked')?.verdict]).toEqual(['incomplete', 'open'])
    expect(report.missing).toContain('identities.unrevoked')
  })
})

it('says how far clocks were apart, by the logs that have the same attempt', async () => {
  expect(of(await verify(chain.signBundle), 'time.clocks')?.verdict).toBe('holds')
  const apart = await verify(await forge(chain, chain.signBundle, (draft) => shift(draft, ap, 5 * DAY)))
  expect([apart.verdict, of(apart, 'time.clocks')]).toEqual([
    'valid',
    expect.objectContaining({ verdict: 'open', reason: expect.stringContaining('432000 s apart') }),
  ])
})

describe('one clock that is a century ahead', () => {
  it('makes no honest bundle invalid, however many years later another is revoked', async () => {
    const trust = trustIn({ eu: now + 4 * YEAR })
    const ofKey = await verify(await forge(chain, chain.keygenBundle, (draft) => shift(draft, ap, 100 * YEAR)), {
      trust,
    })
    expect([ofKey.verdict, of(ofKey, 'identities.unrevoked')?.verdict]).toEqual(['valid', 'holds'])
    // Two signed: nobody but the wild one vouches for the time.
    const signed = await verify(await forge(chain, chain.signBundle, (draft) => shift(draft, ap, 100 * YEAR)), {
      trust,
    })
    expect([signed.verdict, of(signed, 'identities.unrevoked')?.verdict]).toEqual(['incomplete', 'open'])
  })

  it('does not put the ending off, nor past a time that was given', async () => {
    const bytes = await forge(chain, chain.keygenBundle, (draft) => shift(draft, ap, 100 * YEAR))
    const report = await verify(bytes, { at: Date.parse('2030-01-01T00:00:00Z') })
    expect(Date.parse(report.bundle.closed ?? '')).toBeLessThan(now + DAY)
    expect(of(report, 'time.stamped')).toMatchObject({ verdict: 'open', reason: expect.stringContaining('ap') })
    expect(report.verdict).toBe('valid')
  })
})
