import { AsyncLocalStorage } from 'node:async_hooks'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { VerifyReport } from '../../src/audit/verify.ts'
import type { JoinControl } from '../../src/ceremony/store/ceremony.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import type { Definition } from '../../src/records/definition.ts'
import { open as openAsItIs } from '../support/bundles.ts'
import { fileOf, layers, probeEdits, probeFiles } from '../support/probe-kind.ts'
import { seededRandom } from '../support/random.ts'
import { many, SEED, report as say } from '../support/report.ts'
import { fromVariant, makeVariant } from '../support/variant.ts'
import { type VariantCompiler, variantCompiler } from '../support/variant-compiler.ts'

/**
 * A kind that none of the rooms knows: one small file a layer, an import and an entry in each layer's table. It runs as
 * the others do, and with any line of it taken away the compiler or `audit verify` refuses it by name.
 */
const names = ['eu', 'us', 'ap'] as SiteId[]
const [eu, us, ap] = names as [SiteId, SiteId, SiteId]
const deadlines = { gather: 60, proposal: 5, round: 20, close: 10 }

const load = async (root: string) => {
  const [sites, definitions, bundles, clock] = await Promise.all([
    fromVariant<typeof import('../support/memory-site.ts')>(root, 'test/support/memory-site.ts'),
    fromVariant<typeof import('../support/definition.ts')>(root, 'test/support/definition.ts'),
    fromVariant<typeof import('../support/bundles.ts')>(root, 'test/support/bundles.ts'),
    fromVariant<typeof import('../../src/host/clock.ts')>(root, 'src/host/clock.ts'),
  ])
  const src = <T>(path: string): Promise<T> => fromVariant<T>(root, `src/${path}`)
  return {
    sites,
    definitions,
    bundles,
    clock,
    verify: await src<typeof import('../../src/audit/verify.ts')>('audit/verify.ts'),
    audit: await src<typeof import('../../src/audit/kinds/index.ts')>('audit/kinds/index.ts'),
    evidence: await src<typeof import('../../src/ceremony/blame/verify-evidence.ts')>(
      'ceremony/blame/verify-evidence.ts',
    ),
    join: await src<typeof import('../../src/ceremony/engine/join.ts')>('ceremony/engine/join.ts'),
    peers: await src<typeof import('../../src/ceremony/peers/peers.ts')>('ceremony/peers/peers.ts'),
    messages: await src<typeof import('../../src/ceremony/session/round-message.ts')>(
      'ceremony/session/round-message.ts',
    ),
    authority: await src<typeof import('../../src/ceremony/definition/authority.ts')>(
      'ceremony/definition/authority.ts',
    ),
    status: await src<typeof import('../../src/ceremony/status/describe.ts')>('ceremony/status/describe.ts'),
    approvals: await src<typeof import('../../src/ceremony/store/kept-approvals.ts')>(
      'ceremony/store/kept-approvals.ts',
    ),
    store: await src<typeof import('../../src/ceremony/store/record-store.ts')>('ceremony/store/record-store.ts'),
    log: await src<typeof import('../../src/audit/disk-log.ts')>('audit/disk-log.ts'),
    note: await src<typeof import('../../src/audit/note.ts')>('audit/note.ts'),
    paths: await src<typeof import('../../src/ceremony/paths.ts')>('ceremony/paths.ts'),
    planning: await src<typeof import('../../src/site/planning.ts')>('site/planning.ts'),
    screens: {
      ...(await src<typeof import('../../src/cli/render/definition.ts')>('cli/render/definition.ts')),
      ...(await src<typeof import('../../src/cli/render/status.ts')>('cli/render/status.ts')),
      ...(await src<typeof import('../../src/cli/render/audit.ts')>('cli/render/audit.ts')),
      ...(await src<typeof import('../../src/cli/term.ts')>('cli/term.ts')),
    },
  }
}
type Probe = Awaited<ReturnType<typeof load>>

const probeDefinition = async ({ definitions }: Probe): Promise<Definition> => {
  const keygen = await definitions.keygenDefinition({
    sites: await definitions.siteEntries(names),
    deadlines,
  })
  return { ...keygen, kind: 'probe' } as unknown as Definition
}

type World = Awaited<ReturnType<Probe['sites']['memoryWorld']>>

const read = async (world: World, site: string, path: unknown): Promise<Uint8Array> =>
  (typeof path === 'string' ? await world.homes.get(site)?.disk.read(path) : undefined) ??
  expect.fail(`no ${path} at ${site}`)

const verified = async (one: Probe, bytes: Uint8Array): Promise<VerifyReport> =>
  one.verify.verifyBundle(await one.bundles.open(bytes), {
    trust: 'stated',
    evidence: one.evidence.protocolEvidence,
  })

/** Three sites approve and join; `with` runs each join in the surroundings that a test wants for it. */
const joinAll = async (one: Probe, within: (site: SiteId, join: () => Promise<unknown>) => Promise<unknown>) => {
  const world = await one.sites.memoryWorld(names)
  const definition = await probeDefinition(one)
  for (const name of names) await one.sites.approveIn(world, name, definition)
  const ended = await Promise.allSettled(
    names.map((name) =>
      within(name, async () => {
        const { done } = await one.sites.startJoin(world, name, definition)
        return done
      }),
    ),
  )
  world.clock.stop()
  return { world, definition, ended }
}

const closedBundle = async (
  one: Probe,
): Promise<{ bytes: readonly Uint8Array[]; world: World; definition: Definition }> => {
  const { world, definition, ended } = await joinAll(one, (_, join) => join())
  const bytes = await Promise.all(
    ended.map((end, at) => {
      if (end.status === 'rejected') throw end.reason
      const { state, bundle, open } = end.value as Awaited<Awaited<ReturnType<Probe['sites']['startJoin']>>['done']>
      expect([state, open]).toEqual(['closed', []])
      return read(world, names[at] as SiteId, bundle)
    }),
  )
  return { bytes, world, definition }
}

const statusAt = async (one: Probe, world: World, name: SiteId, definition: Definition) => {
  const { home, disk } = world.homes.get(name) ?? expect.fail()
  const authority = one.authority.definitionAuthority(definition)
  const book = new one.store.RecordStore(authority, one.clock.systemClock)
  await one.approvals.admitKeptApprovals(book, disk, authority.hash)
  const origin = one.note.ceremonyOrigin(authority.hash, home.identity)
  const log = await one.log.readLog({
    disk,
    path: one.paths.logPath(authority.hash),
    origin,
    key: home.keys.log.key,
  })
  const status = one.status.describeStatus({
    authority,
    self: home.identity,
    log,
    approved: book.approved(),
    notes: new Map(),
    now: Date.parse('2026-11-24T12:00:00Z'),
    bundle: null,
    running: 'no',
    lastJoin: undefined,
    forgetful: false,
    unreachable: null,
  })
  return { status, screen: one.screens.forStdout(one.screens.statusView(status)) }
}

let root: string
let probe: Probe
beforeAll(async () => {
  root = makeVariant('probe', probeEdits, probeFiles)
  probe = await load(root)
})

describe('a kind that no room knows', () => {
  it('is one small file a layer, and an import and an entry in its table', () => {
    expect(Object.keys(probeFiles)).toEqual(layers.map(fileOf))
    expect([...new Set(probeEdits.map(({ file }) => file))]).toEqual(
      layers.map((layer) => `src/${layer}/kinds/index.ts`),
    )
    for (const text of Object.values(probeFiles)) expect(text.split('\n').length).toBeLessThan(75)
  })

  it('is planned, joined and shown, and its bundle is valid by its own checks and by no other', async () => {
    const { bytes, world, definition } = await closedBundle(probe)
    expect(bytes.map(toHex)).toEqual(names.map(() => toHex(bytes[0] as Uint8Array)))
    const verdict = await verified(probe, bytes[0] as Uint8Array)
    expect([verdict.verdict, verdict.bundle.state, verdict.bundle.kind]).toEqual(['valid', 'made', 'probe'])
    expect(verdict.missing).toEqual([])
    const idle = [
      'blame.proven',
      'blame.left',
      'blame.records',
      'attestation.measured',
      'release.known',
      'readmit.known',
    ]
    const notMade = ['possession.records', 'signature.records', 'release.records', 'readmit.records', 'rewrap.records']
    const { must } = probe.audit.auditKind(definition)
    expect(verdict.checks.map(({ id }) => id).sort()).toEqual(
      [...must].filter((id) => ![...idle, ...notMade].includes(id)).sort(),
    )
    expect(probe.screens.forStdout(probe.screens.verifyView(verdict))).toMatch(/probe of treasury.*all saw one value/s)

    const { status, screen } = await statusAt(probe, world, us, definition)
    expect([status.phase, status.next]).toEqual(['closed', 'nothing is left to do; verify the bundle'])
    expect(screen).toMatch(/^probe /m)
    const shown = await probe.planning.describeDefinition(definition, Date.parse('2026-11-24T12:00:00Z'))
    const lines = probe.screens.forStdout(probe.screens.definitionLines(shown))
    expect(lines).toMatch(/ceremony\s+probe: one value that all see, named treasury/)
    expect(shown.findings.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('waits for approvals, and says so', async () => {
    const world = await probe.sites.memoryWorld(names)
    const definition = await probeDefinition(probe)
    expect((await statusAt(probe, world, eu, definition)).status).toMatchObject({
      phase: 'drafted',
      next: 'this site: `quorate rotate approve`',
    })
    await probe.sites.approveIn(world, eu, definition)
    expect((await statusAt(probe, world, eu, definition)).status).toMatchObject({
      phase: 'approved',
      next: 'waiting for the approval of us, ap; then all run `quorate rotate join`',
    })
    world.clock.stop()
  })

  it('is left by one site, and the bundle of each says by whom', async () => {
    const world = await probe.sites.memoryWorld(names)
    const definition = await probeDefinition(probe)
    for (const name of names) await probe.sites.approveIn(world, name, definition)
    const joins = names.map(async (name) => {
      const stop = new AbortController()
      let control: JoinControl | undefined
      let leaving: Promise<void> | undefined
      const leave = async (): Promise<void> => {
        await control?.abort('changed my mind')
        stop.abort(new QuorateError('E_ABORTED', 'this site left the ceremony', 'plan a new definition'))
      }
      try {
        return await probe.join.joinCeremony(await probe.sites.memorySite(world, name), definition, {
          progress: (event) => {
            if (name === ap && event.phase === 'round' && event.round === 'shares') leaving ??= leave()
          },
          signal: stop.signal,
          message: null,
          check: false,
          control: (given) => {
            control = given
          },
        })
      } finally {
        await leaving
      }
    })
    const ended = await Promise.allSettled(joins)
    world.clock.stop()
    for (const [at, name] of names.entries()) {
      const end = ended[at]
      const error = end?.status === 'rejected' ? end.reason : expect.fail(`${name} was not stopped`)
      expect(error).toMatchObject({ code: 'E_ABORTED' })
      const verdict = await verified(probe, await read(world, name, error.details.bundle))
      expect([verdict.bundle.state, verdict.checks.filter((check) => check.verdict === 'fails')]).toEqual([
        'aborted',
        [],
      ])
      expect(verdict.checks.find(({ id }) => id === 'blame.left')?.reason).toContain(ap)
    }
    expect((await statusAt(probe, world, ap, definition)).status).toMatchObject({
      phase: 'closed',
      next: 'nothing is left to do; verify the bundle',
    })
  })

  it('blames who lies in its rounds, and a stranger judges it', async () => {
    const lying = new AsyncLocalStorage<true>()
    const { prototype } = probe.peers.Peers
    const { sendInSession } = prototype
    prototype.sendInSession = function (topic, to, bytes) {
      const post = probe.messages.readSignedMessage(bytes)
      // A broadcast that differs by its receiver, under the sender's own key.
      const lie = lying.getStore() === true && post.round === 'commitments' && to === us
      sendInSession.call(this, topic, to, lie ? changed(bytes) : bytes)
    }
    const definition = await probeDefinition(probe)
    const changed = (bytes: Uint8Array): Uint8Array => {
      const post = probe.messages.readSignedMessage(bytes)
      const payload = (post.payload ?? expect.fail()).slice()
      const last = payload.length - 1
      payload[last] = (payload[last] ?? 0) ^ 1
      return probe.messages.signMessage(probe.bundles.messageKeyIn(definition, ap), post, payload, new Uint8Array(0))
        .bytes
    }
    const { world, ended } = await joinAll(probe, (site, join) =>
      site === ap ? lying.run(true, join) : join(),
    ).finally(() => {
      prototype.sendInSession = sendInSession
    })
    for (const [at, name] of [eu, us].entries()) {
      const end = ended[at]
      const error = end?.status === 'rejected' ? end.reason : expect.fail(`${name} was not stopped`)
      expect(error).toMatchObject({ exit: 4, details: { accused: ap } })
      const verdict = await verified(probe, await read(world, name, error.details.bundle))
      expect(verdict.checks.filter((check) => check.verdict === 'fails')).toEqual([])
      expect(verdict.checks.find(({ id }) => id === 'blame.proven')).toMatchObject({
        verdict: 'holds',
        reason: expect.stringContaining(ap),
      })
    }
  })

  it('is refused by name by a version without it', async () => {
    const { bytes } = await closedBundle(probe)
    await expect(openAsItIs(bytes[0] as Uint8Array)).rejects.toMatchObject({
      code: 'E_BUNDLE',
      message: 'a bundle of a probe ceremony, which this version cannot judge',
    })
  })
})

/** The variant without one of its lines. */
interface Cut {
  readonly what: string
  /** Path to text. */
  readonly files: Readonly<Record<string, string>>
}

const cutsOf = (variant: string): readonly Cut[] => [
  ...Object.entries(probeFiles).flatMap(([file, text]) => {
    const lines = text.split('\n')
    return lines.flatMap((line, at) => {
      const words = line.trim()
      return words === '' || words.startsWith('/*')
        ? []
        : { what: `${file}: ${words}`, files: { [file]: lines.filter((_, other) => other !== at).join('\n') } }
    })
  }),
  ...probeEdits.map(({ file, find, replace }) => ({
    what: `${file}: ${replace.trim()}`,
    files: { [file]: readFileSync(join(variant, file), 'utf8').replace(replace, () => find) },
  })),
]

const SILENT = "ceremony.note('outcome', value)"

/** Says what refuses the variant without this line: the compiler, or verify by the checks that fail. */
const refusalOf = async (compiler: VariantCompiler, { what, files }: Cut, at: number): Promise<string> => {
  const errors = compiler.errors(files)
  if (errors.length > 0) return errors.join('\n')
  // Modules of one path are loaded once: each cut is a variant of its own.
  const cut = makeVariant(`probe-cut-${at}`, probeEdits, { ...probeFiles, ...files })
  try {
    const one = await load(cut)
    const { bytes } = await closedBundle(one)
    const { verdict, checks } = await verified(one, bytes[0] as Uint8Array)
    expect([what, verdict]).toEqual([what, 'invalid'])
    return checks.flatMap((check) => (check.verdict === 'fails' ? `${check.id}: ${check.reason}` : [])).join('\n')
  } finally {
    rmSync(cut, { recursive: true, force: true })
  }
}

describe('the same kind without one of its lines', () => {
  let compiler: VariantCompiler
  let cuts: readonly Cut[]
  beforeAll(() => {
    compiler = variantCompiler(root)
    cuts = cutsOf(root)
  })

  it('compiles with all of them', () => {
    expect(compiler.errors({})).toEqual([])
  })

  it('is refused by name, whichever line it is', async () => {
    const random = seededRandom(`lines ${SEED}`)
    const drawn = cuts
      .map((cut, at) => ({ cut, at, order: Buffer.from(random(4)).readUInt32BE() }))
      .sort((a, b) => a.order - b.order)
      .slice(0, many(8, 30, cuts.length))
    let byVerify = 0
    for (const { cut, at } of drawn) {
      const refusal = await refusalOf(compiler, cut, at)
      expect(refusal, `${cut.what} (seed ${SEED})`).toMatch(/\bprobe\b/)
      if (!refusal.startsWith('src/')) byVerify += 1
    }
    say(`a kind without one line: ${drawn.length} of ${cuts.length}, ${byVerify} of them refused by verify`)
  })

  it('is refused by verify where the compiler has nothing to say', async () => {
    const at = cuts.findIndex(({ what }) => what.endsWith(SILENT))
    const cut = cuts[at] ?? expect.fail()
    expect(compiler.errors(cut.files)).toEqual([])
    expect(await refusalOf(compiler, cut, at)).toMatch(/^log.closed: .* nothing that a probe ceremony makes is here/m)
  })
})
