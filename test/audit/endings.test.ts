import { beforeAll, describe, expect, it } from 'vitest'
import { type VerifyReport, verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { signMessage } from '../../src/ceremony/session/round-message.ts'
import type { Party, SiteId } from '../../src/lib/brand.ts'
import { fromHex, toBase64, utf8 } from '../../src/lib/bytes.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import { protocolIds } from '../../src/records/definition-fields.ts'
import { blameCodec } from '../../src/records/round.ts'
import { type Chain, memoryChain, messageKeyIn, open } from '../support/bundles.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { type Draft, forge } from '../support/forge.ts'
import { approveIn, type MemoryWorld, memoryWorld, startJoin } from '../support/memory-site.ts'
import { inTurn } from '../support/report.ts'

const [eu, us, ap] = ['eu', 'us', 'ap'] as [SiteId, SiteId, SiteId]

let chain: Chain
beforeAll(async () => {
  chain = await memoryChain()
})

const verify = async (bytes: Uint8Array): Promise<VerifyReport> =>
  verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
const openIds = (report: VerifyReport) => report.checks.filter(({ verdict }) => verdict === 'open').map(({ id }) => id)
const failing = (report: VerifyReport) => report.checks.filter(({ verdict }) => verdict === 'fails').map(({ id }) => id)
const bundleIn = async (world: MemoryWorld, site: string, path: string | null): Promise<Uint8Array> =>
  (await world.homes.get(site)?.disk.read(path ?? '')) ?? expect.fail('no bundle')

describe('bundles as ceremonies leave them', () => {
  it.each(inTurn(protocolIds, 1))('%s: both are valid', async (protocol) => {
    const other = await memoryChain(protocol)
    for (const bundle of [other.keygenBundle, other.signBundle]) {
      const report = await verify(bundle)
      expect(failing(report)).toEqual([])
      expect(openIds(report)).toEqual(['time.stamped'])
    }
  })

  it.each([eu, us, ap])('of %s alone: incomplete, and nothing fails', async (site) => {
    const alone = (draft: Draft) => {
      for (const other of [...draft.logs.keys()]) if (other !== site) draft.logs.delete(other)
    }
    const report = await verify(await forge(chain, chain.keygenBundle, alone, []))
    expect(failing(report)).toEqual([])
    expect(report).toMatchObject({ verdict: 'incomplete', bundle: { state: 'made' } })
    expect(report.missing).toContain('log.present')
  })

  it.each(['ready', 'result'] as const)(
    'whose %s bodies were taken out: no log is called closed over nothing',
    async (what) => {
      const bundle = what === 'ready' ? chain.keygenBundle : chain.signBundle
      const strip = (draft: Draft) => {
        for (const object of draft.named(what)) draft.objects.delete(object)
      }
      const report = await verify(await forge(chain, bundle, strip, []))
      expect(openIds(report)).toEqual(expect.arrayContaining(['log.bodies', 'log.closed']))
      expect(report.verdict).not.toBe('valid')
      expect(report.contradictions.flatMap(({ checks }) => checks)).not.toContain('log.closed')
      if (what === 'result') expect(report.contradictions).toEqual([])
    },
  )

  it('of a spare: valid, and open about what only the signers logged', async () => {
    const names = [eu, us, ap]
    const sign = { ...chain.sign, nonce: 'ff'.repeat(16) }
    for (const name of names) await approveIn(chain.world, name, sign)
    const runs = await Promise.all(names.map((name) => startJoin(chain.world, name, sign, chain.message)))
    const made = await Promise.all(runs.map((run) => run.done))
    for (const { site, bundle, signers } of made) {
      const report = await verify(await bundleIn(chain.world, site, bundle))
      expect(failing(report)).toEqual([])
      expect(openIds(report)).toEqual(
        signers.includes(site)
          ? ['time.stamped']
          : ['log.present', 'attempts.greeted', 'transcript.hash', 'transcript.complete', 'time.stamped'],
      )
    }
  })

  it('of a key generation in which a site was stopped and came back: valid', async () => {
    const names = [eu, us, ap]
    const world = await memoryWorld(names, 'stopped')
    const deadlines = { gather: 20, proposal: 2, round: 2, close: 20 }
    const keygen = await keygenDefinition({ sites: await siteEntries(names), nonce: 'aa'.repeat(16), deadlines })
    for (const name of names) await approveIn(world, name, keygen)
    const runs = await Promise.all(names.map((name) => startJoin(world, name, keygen)))
    const [, , third = expect.fail()] = runs
    const stopped = third.done.catch(() => undefined)
    while (!third.events.some((event) => event.phase === 'round')) await world.clock.sleep(1)
    third.stop.abort(new Error('stopped'))
    await stopped
    await Promise.allSettled(runs.map((run) => run.done))
    const again = await Promise.all(names.map((name) => startJoin(world, name, keygen)))
    const made = await Promise.all(again.map((run) => run.done))
    const report = await verify(await bundleIn(world, eu, made[0]?.bundle ?? null))
    expect(failing(report)).toEqual([])
    expect(report.bundle.state).toBe('made')
    expect(report.checks.find(({ id }) => id === 'attempts.chained')?.verdict).toBe('holds')
  })
})

describe('blame', () => {
  it('is judged again, and holds where the messages prove it', async () => {
    const bytes = await forge(chain, chain.keygenBundle, (draft) => {
      const [attempt = expect.fail()] = draft.named('attempt')
      const protocol = 'frost-ed25519/keygen'
      const head = { protocol, session: fromHex(attempt), round: 'commitments', from: 2 as Party, to: 0 }
      const post = signMessage(messageKeyIn(draft.definition, us), head, utf8('no commitment'), new Uint8Array())
      const blame = {
        ceremony: ceremonyId(draft.definition),
        attempt,
        session: attempt,
        protocol,
        within: null,
        accused: us,
        party: 2 as Party,
        accuser: eu,
        check: 'malformed',
        messages: [toBase64(post.bytes)],
      }
      draft.add(eu, { what: 'evidence', site: us, object: draft.put(blameCodec.encode(blame)) })
    })
    const report = await verify(bytes)
    expect(failing(report)).toEqual([])
    expect(report.checks.find(({ id }) => id === 'blame.proven')?.reason).toBe(
      'judged again and proven: us (malformed)',
    )
    expect([report.verdict, report.contradictions]).toEqual(['valid', [{ by: us, checks: ['blame.proven'] }]])
  })
})
