import { beforeAll, expect, test } from 'vitest'
import { readFacts } from '../../src/audit/bundle-facts.ts'
import { allPosts } from '../../src/audit/transcripts.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { signMessage } from '../../src/ceremony/session/round-message.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { echoCodec } from '../../src/records/round.ts'
import { type Chain, messageKeyIn, open, sharedChain } from '../support/bundles.ts'
import { type Draft, forge } from '../support/forge.ts'

/** Headers of private messages stand in the confirmations, and nowhere else. */

let chain: Chain
beforeAll(async () => {
  chain = await sharedChain()
})

const [eu, us, ap] = ['eu', 'us', 'ap'] as [SiteId, SiteId, SiteId]
const transcriptOf = async (bytes: Uint8Array) => {
  const { checks } = await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
  return Object.fromEntries(
    checks
      .filter(({ id }) => id.startsWith('transcript.'))
      .map(({ id, verdict, accused }) => [id, [verdict, ...(accused ?? [])].join(' ')]),
  )
}
const messagesOf = async (draft: Draft, round: string) => {
  const evidence = await protocolEvidence(draft.definition)
  return draft
    .named('message')
    .map((object) => ({ object, ...evidence.readSignedMessage(draft.bytes(object)) }))
    .filter((one) => one.round === round && (one.to !== 0 || round === 'confirm'))
}
const only = (draft: Draft, site: SiteId): void => {
  for (const other of [eu, us, ap]) if (other !== site) draft.logs.delete(other)
}

test('no log of a key that was made has a private message, and each log alone shows the whole transcript', async () => {
  for (const site of [eu, us, ap]) {
    const bytes = await forge(chain, chain.keygenBundle, async (draft) => {
      expect(await messagesOf(draft, 'shares')).toEqual([])
      expect(await messagesOf(draft, 'confirm')).toHaveLength(3)
      only(draft, site)
    })
    const found = await transcriptOf(bytes)
    expect([found['transcript.complete'], found['transcript.hash'], found['transcript.signed']]).toEqual([
      'holds',
      'holds',
      'holds',
    ])
  }
})

test('a confirmation that one site signs besides names itself, and no header that its sender did not sign counts', async () => {
  const evil = (entries: 'unsigned' | 'own') =>
    forge(
      chain,
      chain.keygenBundle,
      async (draft) => {
        const [confirm] = (await messagesOf(draft, 'confirm')).filter(({ from }) => from === 3)
        const { protocol, session, payload } = confirm ?? expect.fail()
        const key = messageKeyIn(chain.keygen, ap)
        const other = signMessage(
          key,
          { protocol, session, round: 'shares', from: 3 as never, to: 1 },
          payload ?? expect.fail(),
          new Uint8Array(32),
        )
        const signature = entries === 'own' ? other.signature : new Uint8Array(64)
        const vector = echoCodec.encode([...echoCodec.decode(payload ?? expect.fail()), [other.headerBytes, signature]])
        const head = { protocol, session, round: 'confirm', from: 3 as never, to: 0 }
        const second = signMessage(key, head, vector, new Uint8Array(0))
        draft.add(ap, { what: 'message', site: ap, object: draft.put(second.bytes) }, 'outcome')
      },
      [ap],
    )
  expect((await transcriptOf(await evil('unsigned')))['transcript.complete']).toBe('holds')
  const evidence = await protocolEvidence(chain.keygen)
  const facts = await readFacts(await open(await evil('unsigned')), evidence, {
    trust: 'stated',
    at: undefined,
    message: undefined,
  })
  expect(allPosts(facts).filter(({ post }) => post.signature.every((byte) => byte === 0))).toEqual([])
  expect((await transcriptOf(await evil('own')))['transcript.complete']).toBe(`open ${ap}`)
  expect((await transcriptOf(await evil('own')))['transcript.hash']).toMatch(/^(?:holds|open)/)
})
