import { beforeAll, describe, expect, it } from 'vitest'
import { type VerifyReport, verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { type Chain, memoryChain, open } from '../support/bundles.ts'
import { forge } from '../support/forge.ts'
import { many, SEED, report as say } from '../support/report.ts'

let chain: Chain
beforeAll(async () => {
  chain = await memoryChain()
})

const verify = async (bytes: Uint8Array): Promise<VerifyReport> =>
  verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })

/** Whoever hands a bundle on can leave bodies out of it. Nobody in it may look guilty of that. */
describe.each(['keygen', 'sign'] as const)('an honest bundle of a %s without one of its bodies', (kind) => {
  it('is not valid and accuses nobody, whichever body it is', async () => {
    const bundle = kind === 'keygen' ? chain.keygenBundle : chain.signBundle
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
      if (verdict === 'valid' || accusing.length > 0)
        wrong.push(`${[...new Set(names)].join('+')}: ${verdict}, accuses ${accusing.join()}`)
    }
    say(`${kind}: ${played} of ${objects.length} bodies left out, ${wrong.length} wrong`)
    expect([...new Set(wrong)].join('\n')).toBe('')
  })
})
