import { expect, it } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { readSignedMessage, signMessage } from '../../src/ceremony/session/round-message.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { signRounds } from '../../src/mpc/frost/sign.ts'
import { loadSuite } from '../../src/mpc/frost/suite.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { open } from '../support/bundles.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { forge } from '../support/forge.ts'
import { memoryWorld } from '../support/memory-site.ts'
import { approveAll, joinAs, type Liar } from './ceremonies.ts'

const sites = ['s1', 's2', 's3'] as SiteId[]
const [s1, s2] = sites as [SiteId, SiteId]
const message = utf8('pay nobody')

/** A ceremony over a file in which `s2` sends a signature share that is false, and the bundle that it leaves at `s1`. */
const falseShare = async () => {
  const world = await memoryWorld(sites)
  const deadlines = { gather: 60, proposal: 5, round: 20, close: 12 }
  const keygen = await keygenDefinition({ sites: await siteEntries(sites), deadlines })
  await approveAll(world, sites, keygen)
  await Promise.all(sites.map((name) => joinAs(world, name, keygen, null)))
  const { disk } = world.homes.get(s1) ?? expect.fail()
  const [epoch = expect.fail()] = await shardStore(disk).list()
  const suite = await loadSuite('frost-ed25519')
  const sign = await signDefinition({
    sites: keygen.sites,
    key: epoch.key,
    base: hashOf(recordCodec.encode(epoch.record ?? expect.fail())),
    signers: [s1, s2],
    deadlines,
    message: { form: 'file', name: 'm', size: message.length, sha256: hashOf(message) },
  })
  await approveAll(world, [s1, s2], sign)
  const liar: Liar = {
    site: s2,
    ceremony: undefined,
    // It aggregates for itself alone.
    talk: (_to, talk) => (talk.is === 'object' && talk.name === 'result' ? [] : [talk]),
    post(_topic, _to, bytes) {
      const sent = readSignedMessage(bytes)
      if (sent.round !== 'shares') return [bytes]
      const { field } = suite.group
      const five = signRounds('frost-ed25519').shares.codec.encode(field.encode(field.fromNumber(5)))
      return [signMessage(liar.ceremony?.keys.message.raw ?? expect.fail(), sent, five, new Uint8Array(0)).bytes]
    },
  }
  const [one] = await Promise.all([joinAs(world, s1, sign, message), joinAs(world, s2, sign, message, liar)])
  if (!(one.error instanceof QuorateError)) throw one.error
  const bytes = await disk.read(String(one.error.details['bundle']))
  const chain = { world, keygen, sign, message, keygenBundle: new Uint8Array(), signBundle: bytes ?? expect.fail() }
  return { chain, error: one.error }
}

const blameIn = async (bytes: Uint8Array, given?: Uint8Array) => {
  const options = { trust: 'stated', evidence: protocolEvidence, ...(given && { message: given }) } as const
  const report = await verifyBundle(await open(bytes), options)
  return { report, blame: report.checks.find(({ id }) => id === 'blame.proven') ?? expect.fail('no blame') }
}

it('a false signature share is proven to a stranger who has the abort bundle alone', async () => {
  const { chain, error } = await falseShare()
  expect(error).toMatchObject({ code: 'E_PEER_SHARE_INVALID', details: { accused: s2, check: 'signature-share' } })
  for (const given of [undefined, message]) {
    const { report, blame } = await blameIn(chain.signBundle, given)
    expect(blame).toMatchObject({ verdict: 'holds', reason: 'judged again and proven: s2 (signature-share)' })
    expect(report.failed).toBe(0)
    expect(report.bundle.state).toBe('aborted')
  }

  const without = await forge(chain, chain.signBundle, (draft) => void draft.outputs.delete('message'), [s1])
  const missing = await blameIn(without)
  expect(missing.blame).toMatchObject({ verdict: 'open', reason: expect.stringContaining('accuses nobody: s2') })
  expect(missing.report.failed).toBe(0)
  expect((await blameIn(without, message)).blame.verdict).toBe('holds')
  // A file that the definition does not name is none.
  expect((await blameIn(without, utf8('pay somebody'))).blame.verdict).toBe('open')
})
