import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { VerifyReport } from '../../src/audit/verify.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { toHex } from '../../src/lib/bytes.ts'
import type { ProtocolId } from '../../src/records/definition-fields.ts'
import { type Edit, fromVariant, makeVariant, typeErrors } from '../support/variant.ts'

/**
 * A scheme with other round names, private rounds, a protocol inside another and a round deadline of its own: a folder in
 * mpc, a row in the table of protocol ids and one in the registry. Nothing above mpc is told of it.
 */
const folder = fileURLToPath(new URL('../variants/toy', import.meta.url))
const files = Object.fromEntries(
  readdirSync(folder).map((name) => [`src/mpc/toy/${name}`, readFileSync(join(folder, name), 'utf8')]),
)
const edits: readonly Edit[] = [
  {
    file: 'src/records/protocols.ts',
    find: '} as const satisfies',
    replace: "  'toy-ed25519': { uses: 'tests', keyForm: 'raw' },\n} as const satisfies",
  },
  {
    file: 'src/mpc/registry.ts',
    find: "  'frost-ed25519': frost('frost-ed25519'),",
    replace: `  'toy-ed25519': {
    facts: Object.values(toyFacts),
    load: async () => (await import('./toy/scheme.ts')).toyScheme(),
  },
  'frost-ed25519': frost('frost-ed25519'),`,
  },
  {
    file: 'src/mpc/registry.ts',
    find: "import type { Scheme } from './scheme.ts'",
    replace: "import type { Scheme } from './scheme.ts'\nimport { toyFacts } from './toy/facts.ts'",
  },
]
const TOY = 'toy-ed25519' as ProtocolId
const names = ['eu', 'us', 'ap'] as SiteId[]
const [eu, , ap] = names as [SiteId, SiteId, SiteId]

const load = async (root: string) => ({
  sites: await fromVariant<typeof import('../support/memory-site.ts')>(root, 'test/support/memory-site.ts'),
  definitions: await fromVariant<typeof import('../support/definition.ts')>(root, 'test/support/definition.ts'),
  bundles: await fromVariant<typeof import('../../src/audit/bundle.ts')>(root, 'src/audit/bundle.ts'),
  tar: await fromVariant<typeof import('../../src/audit/tar.ts')>(root, 'src/audit/tar.ts'),
  verify: await fromVariant<typeof import('../../src/audit/verify.ts')>(root, 'src/audit/verify.ts'),
  evidence: await fromVariant<typeof import('../../src/ceremony/blame/verify-evidence.ts')>(
    root,
    'src/ceremony/blame/verify-evidence.ts',
  ),
  outcomes: await fromVariant<typeof import('../../src/records/outcome.ts')>(root, 'src/records/outcome.ts'),
})
let root: string
let toy: Awaited<ReturnType<typeof load>>
beforeAll(async () => {
  root = makeVariant('toy', edits, files)
  toy = await load(root)
})

const lying = globalThis as { toyLie?: ((party: number) => string | undefined) | undefined }
afterEach(() => {
  lying.toyLie = undefined
})

/** A whole key generation of three sites; the third may lie. */
const keygen = async (lie?: string) => {
  const world = await toy.sites.memoryWorld(names)
  const definition = await toy.definitions.keygenDefinition({
    protocol: TOY,
    sites: await toy.definitions.siteEntries(names),
    deadlines: { gather: 60, proposal: 5, round: 20, close: 3 },
  })
  const liar = definition.sites.findIndex(({ name }) => name === ap) + 1
  lying.toyLie = (party) => (party === liar ? lie : undefined)
  for (const name of names) await toy.sites.approveIn(world, name, definition)
  const runs = await Promise.all(names.map((name) => toy.sites.startJoin(world, name, definition)))
  void runs[2]?.done.catch(() => undefined)
  const honest = await Promise.allSettled(runs.slice(0, 2).map(({ done }) => done))
  return { world, runs, honest, stop: () => world.clock.stop() }
}

const reader = (bytes: Uint8Array) => toy.bundles.readBundle(toy.tar.bufferSource(bytes))
const verified = async (bytes: Uint8Array): Promise<VerifyReport> =>
  toy.verify.verifyBundle(await reader(bytes), {
    trust: 'stated',
    require: [],
    evidence: toy.evidence.protocolEvidence,
  })

const read = async (world: Awaited<ReturnType<typeof keygen>>['world'], site: SiteId, path: string) => {
  const bytes = await world.homes.get(site)?.disk.read(path)
  return bytes ?? expect.fail(`no ${path} at ${site}`)
}

describe('a scheme that the rooms above mpc know nothing of', () => {
  it('is one folder, one row of ids and one row of the registry, and compiles', () => {
    const touched = [...edits.map(({ file }) => file), ...Object.keys(files)]
    expect(touched.filter((file) => !/^src\/(?:mpc\/|records\/protocols\.ts$)/.test(file))).toEqual([])
    expect(typeErrors(root)).toEqual([])
  })

  it('makes a key, with its messages and those of the protocol inside it in log and transcript', async () => {
    const { world, runs, honest, stop } = await keygen()
    const results = honest.map((one) => (one.status === 'fulfilled' ? one.value : expect.fail(String(one.reason))))
    await runs[2]?.done
    stop()
    const bytes = await Promise.all(results.map(({ site, bundle }) => read(world, site, bundle ?? '')))
    expect(toHex(bytes[1] as Uint8Array)).toBe(toHex(bytes[0] as Uint8Array))
    const report = await verified(bytes[0] as Uint8Array)
    expect(report.checks.filter(({ verdict }) => verdict !== 'holds').map(({ id }) => id)).toEqual(['time.stamped'])
    expect(report.verdict).toBe('valid')

    const bundle = await reader(bytes[0] as Uint8Array)
    const evidence = await toy.evidence.protocolEvidence(bundle.definition)
    const logged = new Map<string, Set<Hash>>()
    for (const site of bundle.manifest.logs)
      for await (const batch of bundle.events(site))
        for (const { event } of batch)
          if (event.object !== null) logged.set(event.what, (logged.get(event.what) ?? new Set()).add(event.object))
    const posts = await Promise.all(
      [...(logged.get('message') ?? [])].map(async (object) =>
        evidence.readSignedMessage((await bundle.object(object)) ?? expect.fail()),
      ),
    )
    // Of private messages the confirmations hold the headers.
    const messages = [...posts, ...posts.flatMap((one) => evidence.confirmedBy(one))]
    expect(posts.every(({ to }) => to === 0)).toBe(true)
    const rounds = (protocol: string) =>
      [...new Set(messages.filter((one) => one.protocol === protocol).map(({ round }) => round))].sort()
    expect(rounds('toy/make')).toEqual(['confirm', 'parcels', 'unveil', 'veil'])
    expect(rounds('toy/coin')).toEqual(['confirm', 'toss', 'whisper'])
    expect(rounds('toy/sign')).toEqual(['answers', 'questions'])
    // Nothing that was private is in a log.
    for (const { to, payload } of messages) expect(to === 0 || payload === undefined).toBe(true)

    const [outcomeHash] = [...(logged.get('outcome') ?? [])]
    const outcome = toy.outcomes.outcomeCodec.decode((await bundle.object(outcomeHash as Hash)) ?? expect.fail())
    const headers = (protocols: readonly string[]) => [
      ...new Map(
        messages
          .filter(({ protocol }) => protocols.includes(protocol))
          .map(({ headerBytes }) => [toHex(headerBytes), headerBytes]),
      ).values(),
    ]
    expect(evidence.transcriptOf(headers(['toy/make', 'toy/coin']))).toBe(outcome.transcript)
    expect(evidence.transcriptOf(headers(['toy/make']))).not.toBe(outcome.transcript)
  })

  it.each([
    { lie: 'odd-coin', check: 'odd-coin', code: 'E_PEER_PROOF_INVALID', protocol: 'toy/coin' },
    { lie: 'false-whisper', check: 'false-whisper', code: 'E_PEER_PROOF_INVALID', protocol: 'toy/coin' },
    { lie: 'unveiling', check: 'unveiling', code: 'E_PEER_PROOF_INVALID', protocol: 'toy/make' },
    { lie: 'parcel', check: 'parcel', code: 'E_PEER_SHARE_INVALID', protocol: 'toy/make' },
  ])('$lie: the liar is blamed, and a stranger judges it', async ({ lie, check, code, protocol }) => {
    const { world, honest, stop } = await keygen(lie)
    stop()
    for (const one of honest) {
      expect(one).toMatchObject({ status: 'rejected', reason: { code, exit: 4, details: { accused: ap, check } } })
      if (one.status !== 'rejected') continue
      // The words come from the scheme's row.
      expect(one.reason.message).toMatch(/^ap (?:tossed|whispered|unveiled|sent a parcel)/)
    }
    const [first] = honest as PromiseRejectedResult[]
    const report = await verified(await read(world, eu, first?.reason.details.bundle))
    expect(report.checks.filter(({ verdict }) => verdict === 'fails')).toEqual([])
    const proven = report.checks.find(({ id }) => id === 'blame.proven')
    expect([proven?.verdict, proven?.reason]).toEqual(['holds', expect.stringContaining(`ap (${check})`)])
    expect(protocol).toMatch(/^toy/)
  })

  it('a round ends at its own deadline, and the silent one is named', async () => {
    const { honest, stop } = await keygen('silence')
    stop()
    for (const one of honest)
      expect(one).toMatchObject({
        status: 'rejected',
        reason: {
          code: 'E_PEER_SILENT',
          message: expect.stringContaining('(3 s)'),
          details: { missing: [ap], round: 'unveil' },
        },
      })
  })
})
