import { beforeAll, describe, expect, it } from 'vitest'
import { parseTrust } from '../../src/audit/trust.ts'
import { type VerifyOptions, type VerifyReport, verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { verifyFault } from '../../src/cli/render/audit.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { type Chain, open, sharedChain } from '../support/bundles.ts'
import { forge } from '../support/forge.ts'
import { many } from '../support/report.ts'

let chain: Chain
beforeAll(async () => {
  chain = await sharedChain()
})

const verify = async (bytes: Uint8Array, changes: Partial<VerifyOptions> = {}): Promise<VerifyReport> =>
  verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence, ...changes })
const notHolding = (report: VerifyReport) =>
  report.checks.filter(({ verdict }) => verdict !== 'holds').map(({ id }) => id)
const trustFile = (chain: Chain, changes: (line: string, at: number) => string = (line) => line) =>
  parseTrust(chain.keygen.sites.map(({ identity }, at) => changes(identity, at)).join('\n'))

describe('audit verify', () => {
  it('finds a key generation valid, with one open point', async () => {
    const report = await verify(chain.keygenBundle, { trust: trustFile(chain) })
    expect(notHolding(report)).toEqual(['time.stamped'])
    expect(report).toMatchObject({ verdict: 'valid', open: 1, failed: 0, trust: 'file', signature: null })
    expect(report.bundle).toMatchObject({ kind: 'keygen', name: 'treasury', state: 'made' })
    expect(report.lines.map(({ group }) => group)).toEqual([
      'definition',
      'identities',
      'log',
      'ledger',
      'attempts',
      'transcript',
      'possession',
      'votes',
      'manifest',
      'time',
    ])
  })

  it('finds a signature valid, with one open point', async () => {
    const report = await verify(chain.signBundle, { trust: trustFile(chain) })
    expect(notHolding(report)).toEqual(['time.stamped'])
    expect(report.signature).toMatch(/^[0-9a-f]{128}$/)
    expect(report.key).toEqual((await verify(chain.keygenBundle)).key)
  })

  it('says by unknown parties where nobody vouches for the identities', async () => {
    const report = await verify(chain.keygenBundle, { trust: undefined })
    expect(report).toMatchObject({ verdict: 'unknown-parties', trust: 'none' })
    expect(notHolding(report)).toEqual(['identities.trusted', 'time.stamped'])
  })

  it('refuses an identity that is not in the trust file, and one that was revoked before the end', async () => {
    const stranger = trustFile(chain, (line, at) => (at === 1 ? '' : line))
    expect(notHolding(await verify(chain.keygenBundle, { trust: stranger }))).toContain('identities.trusted')
    const revoked = trustFile(chain, (line, at) => (at === 1 ? `${line} revoked 2026-01-01T00:00:00Z` : line))
    expect((await verify(chain.keygenBundle, { trust: revoked })).verdict).toBe('invalid')
    const later = trustFile(chain, (line, at) => (at === 1 ? `${line} revoked 2099-01-01T00:00:00Z` : line))
    expect((await verify(chain.keygenBundle, { trust: later })).verdict).toBe('valid')
  })

  it('lets open points count where they are required, by group or by id', async () => {
    for (const require of [['time'], ['time.stamped']])
      expect((await verify(chain.keygenBundle, { require })).verdict).toBe('incomplete')
    expect((await verify(chain.keygenBundle, { require: ['log'] })).verdict).toBe('valid')
  })

  it('takes a required point for missing where nothing in the bundle bears on it', async () => {
    for (const require of [['signature'], ['attestation'], ['log', 'blame.proven']])
      expect((await verify(chain.keygenBundle, { require })).verdict).toBe('incomplete')
    for (const require of [['possession'], ['votes.ready']])
      expect((await verify(chain.signBundle, { require })).verdict).toBe('incomplete')
  })

  it('tells a message that was not given, one that is not here, and one that is another', async () => {
    const without = await forge(chain, chain.signBundle, (draft) => void draft.outputs.delete('message'))
    const of = (report: VerifyReport, id: string) => report.checks.find((check) => check.id === id)?.verdict
    for (const [bundle, isHere] of [
      [chain.signBundle, true],
      [without, false],
    ] as const) {
      const none = await verify(bundle)
      expect([none.verdict, of(none, 'signature.valid')]).toEqual(['valid', isHere ? 'holds' : 'open'])
      const given = await verify(bundle, { message: chain.message })
      expect([given.verdict, of(given, 'signature.valid'), of(given, 'signature.output')]).toEqual([
        'valid',
        'holds',
        'holds',
      ])
      const other = await verify(bundle, { message: utf8('something else') })
      expect([none, given, other].map(({ messageGiven }) => messageGiven)).toEqual(['none', 'same', 'another'])
      expect(verifyFault(other as never)?.hint).toContain('without --message the bundle is checked alone')
      const failing = other.checks.filter(({ verdict }) => verdict === 'fails')
      expect([other.verdict, failing.map(({ id }) => id)]).toEqual(['invalid', ['signature.output']])
      expect(failing[0]).toMatchObject({
        reason: 'the file that was given is not the message that the definition names',
      })
      // Whoever gave the wrong file is no site.
      expect(other.checks.flatMap(({ accused }) => accused ?? [])).toEqual([])
    }
  })

  it('refuses a bundle that ends after the time that was given', async () => {
    const report = await verify(chain.keygenBundle, { at: Date.parse('2020-01-01T00:00:00Z') })
    expect(report.checks.find(({ id }) => id === 'time.stamped')?.verdict).toBe('fails')
  })

  it('gives each check an id of its own, in a group', async () => {
    const ids = [...(await verify(chain.keygenBundle)).checks, ...(await verify(chain.signBundle)).checks].map(
      (c) => c.id,
    )
    expect(new Set(ids).size).toBeGreaterThan(50)
    expect(ids.every((id) => /^[a-z]+\.[a-z-]+$/.test(id))).toBe(true)
  })

  it('refuses flipped bits everywhere (every byte, nightly)', async () => {
    for (const bundle of [chain.keygenBundle, chain.signBundle]) {
      const step = many(4999, 499, 1)
      for (let at = 0; at < bundle.length; at += step) {
        const altered = bundle.slice()
        altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8))
        try {
          const report = await verify(altered)
          expect(report.verdict).toBe('invalid')
        } catch (error) {
          expect(error).toBeInstanceOf(QuorateError)
          expect(error).toMatchObject({ code: 'E_BUNDLE', exit: 1 })
        }
      }
    }
  })
})
