import { beforeAll, describe, expect, it } from 'vitest'
import type { CheckId } from '../../src/audit/check-table.ts'
import { historiesOf } from '../../src/audit/history.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { recordSigner } from '../../src/identity/ed25519.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { ceremonyId, definitionCodec } from '../../src/records/definition.ts'
import { type Note, noteCodec } from '../../src/records/note.ts'
import { type Release, releaseCodec } from '../../src/records/release.ts'
import { decodeEnvelope } from '../../src/records/signed.ts'
import { showBundle } from '../../src/site/bundles.ts'
import { openKeyFile } from '../../src/site/open-key.ts'
import { open, type ReconstructedChain, sharedReconstructedChain } from '../support/bundles.ts'
import { type Draft, forge } from '../support/forge.ts'
import { identityFile } from '../support/recipients.ts'
import { inTurn } from '../support/report.ts'

/** Bundles of a key that was given away, forged by the owners of all keys, or of one: what they cannot show is not said. */

let chain: ReconstructedChain
beforeAll(async () => {
  chain = await sharedReconstructedChain()
})

const [eu, af, sa] = ['eu', 'af', 'sa'] as [SiteId, SiteId, SiteId]

const verify = async (edit: (draft: Draft) => unknown, bundle = chain.reconstructBundle, owned?: readonly string[]) => {
  const bytes = await forge(chain, bundle, async (draft) => void (await edit(draft)), owned)
  return verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
}
type Report = Awaited<ReturnType<typeof verify>>
const checkOf = (report: Report, id: CheckId) => report.checks.find((check) => check.id === id)
const drop =
  (what: string, by?: SiteId) =>
  ({ logs }: Draft) => {
    for (const [site, events] of logs)
      logs.set(
        site,
        events.filter((event) => event.what !== what || (by !== undefined && event.site !== by)),
      )
  }
const releaseOf = (draft: Draft, site: SiteId): Release => {
  const found = draft
    .named('release')
    .map((object) => releaseCodec.decode(decodeEnvelope(draft.bytes(object), releaseCodec.limit).payload))
    .find((value) => value.site === site)
  return found ?? expect.fail(`no share of ${site}`)
}

describe('a bundle of a reconstruct', () => {
  it('is valid as it is, and says to whom the key was given, and why', async () => {
    const report = await verify(() => undefined)
    expect(report.verdict).toBe('valid')
    expect(checkOf(report, 'release.shares')?.reason).toBe(
      'the whole key was given to counsel, vault, court, by eu, af, sa',
    )
    const [given] = report.reconstructed
    expect(given).toMatchObject({
      ceremony: ceremonyId(chain.reconstruct),
      reason: 'the vendor is gone',
      by: [af, eu, sa],
    })
    expect(given?.recipients[0]?.id).toMatch(/^age1/)
    expect(given?.recipients[1]?.id).toMatch(/^[0-9a-f]{64}$/)
  })

  it('says who did not give, and that too few did', async () => {
    const one = await verify(drop('release', sa))
    expect(checkOf(one, 'release.shares')).toMatchObject({
      verdict: 'open',
      reason: expect.stringContaining('not by sa'),
    })
    expect(one.bundle.state).toBe('made')
    const two = await verify((draft) => {
      drop('release', sa)(draft)
      drop('release', af)(draft)
    })
    expect(checkOf(two, 'release.shares')).toMatchObject({
      verdict: 'open',
      reason: '1 of 2 shares are given to counsel, vault, court; waiting: af, sa',
    })
    expect([two.bundle.state, two.reconstructed]).toEqual(['unfinished', []])
  })

  it('accuses a site that gave twice, and one that gave and left', async () => {
    const twice = await verify(async (draft) => {
      const value = releaseOf(draft, af)
      const object = await draft.sign(af, releaseCodec, { ...value, sealed: [...value.sealed].reverse() })
      draft.add(af, { what: 'release', site: af, object })
    })
    expect(checkOf(twice, 'release.shares')).toMatchObject({ accused: [af], verdict: 'open' })
    const left = await verify(async (draft) => {
      const home = draft.homes.get(af) ?? expect.fail()
      const note: Note = {
        ceremony: ceremonyId(chain.reconstruct),
        identity: home.identity,
        counter: 999,
        phase: 'aborted',
        at: draft.logs.get(af)?.at(-1)?.at ?? 0,
        abort: 'I left',
        approvals: [],
        votes: [],
        evidence: [],
        certificates: [],
      }
      const signed = await recordSigner(af, home.keys.note).sign(noteCodec, note)
      draft.add(eu, { what: 'abort', site: af, object: draft.put(toEnvelope(signed)) })
    })
    expect(checkOf(left, 'release.shares')).toMatchObject({
      accused: [af],
      reason: expect.stringContaining('gave its share and left'),
    })
  })

  const released: readonly (readonly [string, (value: Release) => Release])[] = [
    ['sealed to fewer than all', (value) => ({ ...value, sealed: value.sealed.slice(1) })],
    ['in another’s name', (value) => ({ ...value, site: af, index: 2 as never })],
    ['of another index', (value) => ({ ...value, index: 2 as never })],
    ['of an attempt that is not here', (value) => ({ ...value, attempt: 'ab'.repeat(32) as never })],
    ['of another ceremony', (value) => ({ ...value, ceremony: 'ab'.repeat(32) as never })],
  ]
  it.each(inTurn(released, 2))('accuses the log with a share %s', async (_, change) => {
    const report = await verify(async (draft) => {
      const object = await draft.sign(eu, releaseCodec, change(releaseOf(draft, eu)))
      draft.add(eu, { what: 'release', site: eu, object })
    })
    expect(checkOf(report, 'release.records')).toMatchObject({ accused: [eu] })
  })

  it('is not one of a key that the definition says otherwise', async () => {
    for (const change of [
      { of: { ...chain.reconstruct.of, publicKey: 'ab'.repeat(32) } },
      { of: { ...chain.reconstruct.of, verifyingShares: [...chain.reconstruct.of.verifyingShares].reverse() } },
      { threshold: 3 },
      { protocol: 'frost-ristretto255' as const },
    ]) {
      const reader = await open(chain.reconstructBundle)
      const definition = { ...chain.reconstruct, ...change }
      const report = await verifyBundle({ ...reader, definition }, { trust: 'stated', evidence: protocolEvidence })
      expect(checkOf(report, 'release.key')?.verdict).toBe('fails')
    }
  })

  it('is not valid without the epoch whose shares were given', async () => {
    const report = await verify(drop('outcome'))
    expect(checkOf(report, 'release.key')?.verdict).toBe('fails')
  })

  it.each(inTurn(['opened', 'definition', 'approval', 'outcome', 'record', 'attempt-signature', 'attempt'], 2))(
    'is not valid without any %s',
    async (what) => {
      expect((await verify(drop(what))).verdict).not.toBe('valid')
    },
  )

  it('is not one in which a share is given before the attempt, or after its site left', async () => {
    const report = await verify(({ logs }) => {
      const events = logs.get(af) ?? []
      const own = events.find(({ what, site }) => what === 'release' && site === af)
      const rest = events.filter((event) => event !== own)
      const at = rest.findIndex(({ what }) => what === 'attempt')
      logs.set(af, own === undefined ? [] : [...rest.slice(0, at), own, ...rest.slice(at)])
    })
    expect(checkOf(report, 'log.ordered')).toMatchObject({ accused: [af] })
  })

  it('shows on the screen of audit show the same, by its own word', async () => {
    const bytes = chain.reconstructBundle
    const shown = await showBundle(
      (async function* () {
        yield bytes
      })(),
      false,
    )
    expect(shown.reconstructed).toMatchObject([{ reason: 'the vendor is gone', by: [af, eu, sa] }])
  })
})

describe('a recipient', () => {
  const openBytes = (bytes: Uint8Array) =>
    openKeyFile({
      bundle: (async function* () {
        yield bytes
      })(),
      identity: identityFile('age.txt'),
      trust: undefined,
      trustStated: false,
    })
  const forgedBundle = (edit: (draft: Draft) => unknown) =>
    forge(chain, chain.reconstructBundle, async (draft) => void (await edit(draft)))

  it('opens nothing of a bundle that does not hold', async () => {
    const bytes = await forgedBundle(drop('outcome'))
    await expect(openBytes(bytes)).rejects.toMatchObject({
      code: 'E_REFUSED',
      message: expect.stringContaining('release.key'),
    })
  })

  it('opens nothing of another ceremony', async () => {
    await expect(openBytes(chain.signBundle)).rejects.toMatchObject({ code: 'E_USAGE' })
  })

  it('is told who has not given, where too few shares are here', async () => {
    const bytes = await forgedBundle((draft) => {
      drop('release', sa)(draft)
      drop('release', af)(draft)
    })
    await expect(openBytes(bytes)).rejects.toMatchObject({
      code: 'E_NOT_FINISHED',
      message: '1 of 2 shares are in this bundle; not here: af, sa',
    })
  })

  it('opens the key of parties that nobody vouched for, and is told so', async () => {
    const opened = await openBytes(chain.reconstructBundle)
    expect(opened.verdict).toBe('unknown-parties')
    opened.secret.wipe()
  })
})

describe('a later bundle of the key', () => {
  const says =
    (definition: object, at: SiteId = eu) =>
    async (draft: Draft) =>
      draft.add(at, { what: 'reconstructed', object: draft.put(definitionCodec.encode(definition as never)) }, 'joined')

  it('says what its sites say of it, as an open point', async () => {
    const report = await verify(says(chain.reconstruct), chain.signBundle)
    expect(report).toMatchObject({ verdict: 'valid', reconstructed: [{ by: [eu], reason: 'the vendor is gone' }] })
    expect(checkOf(report, 'release.known')).toMatchObject({ verdict: 'open', reason: expect.stringContaining('eu') })
  })

  it.each<[string, () => object]>([
    ['of another key', () => ({ ...chain.reconstruct, key: 'ab'.repeat(32) })],
    ['of a ceremony that gives nothing away', () => chain.sign],
  ])('accuses the log that says it %s', async (_, definition) => {
    const report = await verify(says(definition()), chain.signBundle)
    expect(checkOf(report, 'release.known')).toMatchObject({ accused: [eu] })
    expect(report.reconstructed).toEqual([])
  })

  it('is counted in the history after it', async () => {
    const all = {
      'a.keygen': chain.keygenBundle,
      'b.refresh': chain.refreshBundle,
      'c.reshare': chain.reshareBundle,
      'd.repair': chain.repairBundle,
      'd.sign': chain.signBundle,
      'e.reconstruct': chain.reconstructBundle,
    }
    const bundles = await Promise.all(
      Object.entries(all).map(async ([file, bytes]) => ({
        file,
        report: await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence }),
      })),
    )
    const [key, ...more] = historiesOf(bundles)
    expect(more).toEqual([])
    expect(key?.reconstructed).toMatchObject([{ file: 'e.reconstruct', reason: 'the vendor is gone', signedAfter: 0 }])
    expect(key?.signatures.map(({ file }) => file)).toEqual(['d.sign'])
    expect(key?.epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4])
    const later = await verify(says(chain.reconstruct), chain.signBundle)
    const [told] = historiesOf([...bundles.slice(0, 4), { file: 'd.sign', report: later }])
    expect(told?.reconstructed).toMatchObject([{ file: 'd.sign', closed: null, signedAfter: 1 }])
  })
})
