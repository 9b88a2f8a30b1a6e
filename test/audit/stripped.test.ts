import { beforeAll, describe, expect, it } from 'vitest'
import { type VerifyReport, verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import type { Hash } from '../../src/lib/brand.ts'
import type { LogEvent } from '../../src/records/event.ts'
import { open, type RefreshedChain, sharedRefreshedChain } from '../support/bundles.ts'
import { forge } from '../support/forge.ts'
import { inTurn, many, SEED, report as say } from '../support/report.ts'

let chain: RefreshedChain
beforeAll(async () => {
  chain = await sharedRefreshedChain()
})

const verify = async (bytes: Uint8Array): Promise<VerifyReport> =>
  verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })

const bundleOf = (kind: 'keygen' | 'sign' | 'refresh'): Uint8Array =>
  ({ keygen: chain.keygenBundle, sign: chain.signBundle, refresh: chain.refreshBundle })[kind]

/** Whoever hands a bundle on can leave bodies out of it. Nobody in it may look guilty of that. */
describe.each(['keygen', 'sign', 'refresh'] as const)('an honest bundle of a %s without one of its bodies', (kind) => {
  it('is incomplete and accuses nobody, whichever body it is', async () => {
    const bundle = bundleOf(kind)
    const objects: Hash[] = []
    await forge(chain, bundle, (draft) => void objects.push(...draft.objects.keys()), [])
    const step = many(8, 2, 1)
    const wrong: string[] = []
    let played = 0
    for (const [at, object] of objects.entries()) {
      if (at % step !== SEED % step) continue
      played += 1
      let names: readonly string[] = []
      const bytes = await forge(
        chain,
        bundle,
        (draft) => {
          names = [...draft.logs.values()].flatMap((log) =>
            log.flatMap((event) => (event.object === object ? event.what : [])),
          )
          draft.objects.delete(object)
        },
        [],
      )
      const { verdict, checks } = await verify(bytes)
      const accusing = checks.flatMap(({ id, accused = [] }) => (accused.length > 0 ? id : []))
      const failing = checks.flatMap(({ id, verdict: found }) => (found === 'fails' ? id : []))
      if (verdict !== 'incomplete' || accusing.length > 0)
        wrong.push(`${[...new Set(names)].join('+')}: ${verdict}, fails ${failing.join()}, accuses ${accusing.join()}`)
    }
    say(`${kind}: ${played} of ${objects.length} bodies left out, ${wrong.length} wrong`)
    expect([...new Set(wrong)].join('\n')).toBe('')
  })

  it('is incomplete and accuses nobody without all bodies of some names', async () => {
    const bundle = bundleOf(kind)
    const events = new Set<LogEvent['what']>()
    await forge(chain, bundle, (draft) => void [...draft.logs.values()].flat().map(({ what }) => events.add(what)), [])
    const spread = Array.from({ length: 12 }, (_, n) => [...events].filter((_name, at) => (at * 7 + n * 5) % 12 < 4))
    for (const names of inTurn([...[...events].map((what) => [what]), ...spread, [...events]], 2)) {
      if (names.every((what) => what === 'closing')) continue
      const bytes = await forge(
        chain,
        bundle,
        (draft) => void names.flatMap((what) => draft.named(what)).map((object) => draft.objects.delete(object)),
        [],
      )
      const { verdict, checks } = await verify(bytes)
      const blamed = checks.filter(({ verdict: found, accused = [] }) => found === 'fails' || accused.length > 0)
      expect([names, verdict, blamed.map(({ id }) => id)]).toEqual([names, 'incomplete', []])
    }
  })
})
