import { beforeAll, describe, expect, it } from 'vitest'
import { ledgerOrigin, signCheckpoint } from '../../src/audit/note.ts'
import { type VerifyReport, verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { signMessage } from '../../src/ceremony/session/round-message.ts'
import { certify } from '../../src/identity/certificate.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import { resultCodec, stagedCodec } from '../../src/records/outcome.ts'
import { decodeEnvelope } from '../../src/records/signed.ts'
import { type Chain, messageKeyIn, open, sharedChain } from '../support/bundles.ts'
import { type Draft, forge } from '../support/forge.ts'

/** What the owner of one site, fewer than the threshold, writes into a bundle about others. */

let chain: Chain
beforeAll(async () => {
  chain = await sharedChain()
})

const [eu, us, ap] = ['eu', 'us', 'ap'] as [SiteId, SiteId, SiteId]
const verify = async (bytes: Uint8Array): Promise<VerifyReport> =>
  verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
const finding = (report: VerifyReport, id: string) => report.checks.find((check) => check.id === id)

describe('the owner of one site', () => {
  it('does not name another as a signer of an attempt that the other never signed', async () => {
    const bytes = await forge(
      chain,
      chain.signBundle,
      (draft: Draft) => {
        draft.logs.delete(eu)
        draft.cosigners.delete(eu)
        draft.cosigners.get(ap)?.delete(eu)
        const events = draft.logs.get(ap) ?? []
        const theirs = ['attempt-signature', 'result']
        const session = ['started', 'message']
        draft.logs.set(
          ap,
          events.filter(({ what, site }) => !session.includes(what) && !(theirs.includes(what) && site !== ap)),
        )
        const named = new Set([...draft.logs.values()].flatMap((log) => log.map(({ object }) => object)))
        for (const object of [...draft.objects.keys()]) if (!named.has(object)) draft.objects.delete(object)
        draft.signers.delete(eu)
      },
      ['ap'],
    )
    const report = await verify(bytes)
    expect(report.checks.filter(({ verdict }) => verdict === 'fails').map(({ id }) => id)).toContain(
      'signature.records',
    )
  })

  it('does not make another’s log look cut by a record of its own under the other’s name', async () => {
    const bytes = await forge(
      chain,
      chain.keygenBundle,
      async (draft: Draft) => {
        const [own] = (draft.logs.get(eu) ?? []).filter(({ what, site }) => what === 'staged' && site === eu)
        const { payload } = decodeEnvelope(draft.bytes(own?.object as Hash), stagedCodec.limit)
        const stray = { ...stagedCodec.decode(payload), attempt: hashOf(utf8('no attempt')) }
        const object = await draft.sign(eu, stagedCodec, stray, messageKeyIn(chain.keygen, eu))
        draft.add(eu, { what: 'staged', site: us, object })
      },
      ['eu'],
    )
    const report = await verify(bytes)
    expect(finding(report, 'log.kept')?.reason).not.toContain('us')
  })

  it('does not spoil a bundle by certifying another’s key as its own', async () => {
    const bytes = await forge(chain, chain.keygenBundle, async (draft: Draft) => {
      const liar = draft.homes.get(ap) ?? expect.fail()
      const { signer, identity } = await liar.unlock()
      const key = messageKeyIn(chain.keygen, us).key
      const join = { authority: ceremonyId(draft.definition), expires: Date.now() + 1e9 }
      const stolen = draft.put(toEnvelope(await certify(signer, identity, 'message', key, join)))
      draft.add(eu, { what: 'certificate', site: ap, object: stolen })
    })
    const report = await verify(bytes)
    expect(report.checks.filter(({ verdict }) => verdict === 'fails')).toEqual([])
  })

  it('does not make another’s ledger look rolled back by a head that it showed later', async () => {
    const bytes = await forge(
      chain,
      chain.keygenBundle,
      (draft: Draft) => {
        const { identity, keys } = draft.homes.get(us) ?? expect.fail()
        const later = signCheckpoint({ origin: ledgerOrigin(identity), size: 1000, root: new Uint8Array(32) }, keys.log)
        draft.add(ap, { what: 'peer-ledger', site: us, object: draft.put(utf8(later)) })
      },
      ['ap'],
    )
    const report = await verify(bytes)
    expect(report.checks.filter(({ verdict }) => verdict === 'fails')).toEqual([])
    expect(finding(report, 'ledger.remembered')?.verdict).toBe('open')
  })

  it('does not spoil what honest sites made by signing another message of its own for the same place', async () => {
    const bytes = await forge(
      chain,
      chain.signBundle,
      async (draft: Draft) => {
        const evidence = await protocolEvidence(draft.definition)
        const posts = draft.named('message').map((object) => evidence.readSignedMessage(draft.bytes(object)))
        const { protocol, session, round, from } =
          posts.find((one) => one.round === 'shares' && one.from === 2) ?? expect.fail()
        const head = { protocol, session, round, from, to: 0 } as const
        const second = signMessage(messageKeyIn(chain.sign, ap), head, utf8('another'), new Uint8Array(0))
        draft.add(ap, { what: 'message', site: ap, object: draft.put(second.bytes) }, 'result')
      },
      ['ap'],
    )
    const report = await verify(bytes)
    expect(report.checks.filter(({ verdict }) => verdict === 'fails')).toEqual([])
    const { verdict, reason } = finding(report, 'transcript.complete') ?? expect.fail()
    expect([verdict, reason]).toEqual(['open', expect.stringMatching(/^ap signed two messages/)])
  })

  it('does not spoil them by keeping back what it logged, where it sent something else', async () => {
    const bytes = await forge(chain, chain.signBundle, async (draft: Draft) => {
      const evidence = await protocolEvidence(draft.definition)
      const own = draft.named('message', ap).find((object) => {
        const { round, from } = evidence.readSignedMessage(draft.bytes(object))
        return round === 'shares' && from === 2
      })
      const { protocol, session, round, from, to } = evidence.readSignedMessage(draft.bytes(own ?? expect.fail()))
      const head = { protocol, session, round, from, to } as const
      const sent = signMessage(messageKeyIn(chain.sign, ap), head, utf8('another'), new Uint8Array(0))
      const object = draft.put(sent.bytes)
      draft.logs.set(
        eu,
        (draft.logs.get(eu) ?? []).map((event) => (event.object === own ? { ...event, object } : event)),
      )
      draft.objects.delete(own ?? expect.fail())
      draft.cosigners.get(ap)?.delete(eu)
    })
    const report = await verify(bytes)
    expect(report.checks.filter(({ verdict }) => verdict === 'fails')).toEqual([])
    expect(finding(report, 'transcript.hash')?.reason).toContain('all of the log of ap')
  })

  it('is named where it states the signature with a transcript that no log gives', async () => {
    const bytes = await forge(chain, chain.signBundle, async (draft: Draft) => {
      const said = (draft.logs.get(ap) ?? []).find(({ what, site }) => what === 'result' && site === ap)
      const { payload } = decodeEnvelope(draft.bytes(said?.object as Hash), resultCodec.limit)
      const lie = { ...resultCodec.decode(payload), transcript: hashOf(utf8('no transcript')) }
      draft.swap(said?.object as Hash, await draft.sign(ap, resultCodec, lie, messageKeyIn(chain.sign, ap)))
    })
    const report = await verify(bytes)
    expect(report.checks.filter(({ verdict }) => verdict === 'fails')).toEqual([])
    const { verdict, reason } = finding(report, 'signature.stated') ?? expect.fail()
    expect([verdict, reason]).toEqual(['open', expect.stringContaining('ap states it with another transcript')])
  })

  it('is named for that, too, where the others took the signature from it and state no transcript', async () => {
    const restated = async (change: (site: SiteId) => Hash | null): Promise<VerifyReport> =>
      verify(
        await forge(chain, chain.signBundle, async (draft: Draft) => {
          for (const site of [eu, ap]) {
            const said = (draft.logs.get(site) ?? []).find((one) => one.what === 'result' && one.site === site)
            const { payload } = decodeEnvelope(draft.bytes(said?.object as Hash), resultCodec.limit)
            const value = { ...resultCodec.decode(payload), transcript: change(site) }
            draft.swap(said?.object as Hash, await draft.sign(site, resultCodec, value, messageKeyIn(chain.sign, site)))
          }
        }),
      )
    const lied = await restated((site) => (site === ap ? hashOf(utf8('no transcript')) : null))
    expect(lied.checks.filter(({ verdict }) => verdict === 'fails')).toEqual([])
    const found = finding(lied, 'transcript.hash') ?? expect.fail()
    expect([found.verdict, found.accused]).toEqual(['open', ['ap']])
    const mute = await restated(() => null)
    expect(mute.checks.filter(({ verdict }) => verdict === 'fails')).toEqual([])
    expect(finding(mute, 'transcript.hash')?.verdict).toBe('open')
  })

  it('names nobody for that where the messages that would show who lied are not here', async () => {
    const bytes = await forge(chain, chain.signBundle, async (draft: Draft) => {
      const said = (draft.logs.get(ap) ?? []).find(({ what, site }) => what === 'result' && site === ap)
      const { payload } = decodeEnvelope(draft.bytes(said?.object as Hash), resultCodec.limit)
      const lie = { ...resultCodec.decode(payload), transcript: hashOf(utf8('no transcript')) }
      draft.swap(said?.object as Hash, await draft.sign(ap, resultCodec, lie, messageKeyIn(chain.sign, ap)))
      for (const object of draft.named('message')) draft.objects.delete(object)
      draft.cosigners.get(ap)?.delete(eu)
      draft.cosigners.get(eu)?.delete(ap)
    })
    const report = await verify(bytes)
    expect(report.checks.filter(({ verdict }) => verdict === 'fails')).toEqual([])
    const { verdict, reason } = finding(report, 'signature.stated') ?? expect.fail()
    expect([verdict, reason]).toEqual(['open', expect.stringContaining('different transcripts')])
  })
})
