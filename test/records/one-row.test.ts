import { AsyncLocalStorage } from 'node:async_hooks'
import { beforeAll, describe, expect, it } from 'vitest'
import { recordsPage } from '../../scripts/records-page.mjs'
import type { VerifyReport } from '../../src/audit/verify.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import type { LogEvent } from '../../src/records/event.ts'
import type { RecordName } from '../../src/records/record-table.ts'
import type { Draft } from '../support/forge.ts'
import { remarkEdits, remarkFiles } from '../support/remark-record.ts'
import { fromVariant, makeVariant } from '../support/variant.ts'
import { variantCompiler } from '../support/variant-compiler.ts'

/**
 * A signed record more is one row and one schema: sites log it, write it into their ledgers, pass it on and convict who
 * says two; the auditor, the generated page and the fuzzer know it. Nothing else is told of it.
 */
const names = ['eu', 'us', 'ap'] as SiteId[]
const [eu, us, ap] = names as [SiteId, SiteId, SiteId]
const REMARK = 'remark' as RecordName
const EVENT = 'remark' as LogEvent['what']
const deadlines = { gather: 60, proposal: 5, round: 20, close: 10 }

const load = async (root: string) => {
  const from = <T>(path: string): Promise<T> => fromVariant<T>(root, path)
  return {
    sites: await from<typeof import('../support/memory-site.ts')>('test/support/memory-site.ts'),
    definitions: await from<typeof import('../support/definition.ts')>('test/support/definition.ts'),
    bundles: await from<typeof import('../support/bundles.ts')>('test/support/bundles.ts'),
    forge: await from<typeof import('../support/forge.ts')>('test/support/forge.ts'),
    corpus: await from<typeof import('../fuzz/corpus.ts')>('test/fuzz/corpus.ts'),
    fuzz: await from<typeof import('../fuzz/run.ts')>('test/fuzz/run.ts'),
    targets: await from<typeof import('../fuzz/record-targets.ts')>('test/fuzz/record-targets.ts'),
    verify: await from<typeof import('../../src/audit/verify.ts')>('src/audit/verify.ts'),
    excerpt: await from<typeof import('../../src/records/ledger-excerpt.ts')>('src/records/ledger-excerpt.ts'),
    evidence: await from<typeof import('../../src/ceremony/blame/verify-evidence.ts')>(
      'src/ceremony/blame/verify-evidence.ts',
    ),
    ceremony: await from<typeof import('../../src/ceremony/store/ceremony.ts')>('src/ceremony/store/ceremony.ts'),
    peers: await from<typeof import('../../src/ceremony/peers/peers.ts')>('src/ceremony/peers/peers.ts'),
    signer: await from<typeof import('../../src/identity/ed25519.ts')>('src/identity/ed25519.ts'),
    dsse: await from<typeof import('../../src/identity/dsse.ts')>('src/identity/dsse.ts'),
    definition: await from<typeof import('../../src/records/definition.ts')>('src/records/definition.ts'),
    table: await from<typeof import('../../src/records/record-table.ts')>('src/records/record-table.ts'),
    codec: await from<typeof import('../../src/records/codec.ts')>('src/records/codec.ts'),
  }
}

let root: string
let one: Awaited<ReturnType<typeof load>>
beforeAll(async () => {
  root = makeVariant('remark', remarkEdits, remarkFiles, ['test/fuzz', 'test/compat/v0.1'])
  one = await load(root)
  const { prototype } = one.ceremony.Ceremony
  const publish = prototype.publish as (this: object, name: RecordName, value: unknown) => Promise<never>
  // Every site makes its remark before it stages its shard.
  prototype.publish = async function (name, value) {
    if (name === 'staged') await publish.call(this, REMARK, remark(this.authority.hash, this.seat.name, 'all is well'))
    return publish.call(this, name, value)
  }
})

const remark = (ceremony: string, site: SiteId, text: string) => ({ ceremony, site, text }) as never

const verified = async (bytes: Uint8Array): Promise<VerifyReport> =>
  one.verify.verifyBundle(await one.bundles.open(bytes), {
    trust: 'stated',
    evidence: one.evidence.protocolEvidence,
  })

type Chain = Awaited<ReturnType<typeof one.bundles.memoryChain>>
let chain: Chain | undefined
const theChain = async (): Promise<Chain> => {
  chain ??= await one.bundles.memoryChain()
  return chain
}

describe('a signed record more', () => {
  it('is one row and one schema, and compiles', () => {
    expect(Object.keys(remarkFiles)).toEqual(['src/records/remark.ts'])
    expect([...new Set(remarkEdits.map(({ file }) => file))]).toEqual(['src/records/record-table.ts'])
    expect(variantCompiler(root).errors({})).toEqual([])
  })

  it('is in every log and in its author’s ledger, and the bundle is valid', async () => {
    const { keygenBundle } = await theChain()
    const report = await verified(keygenBundle)
    expect([report.verdict, report.open]).toEqual(['valid', 1])
    const bundle = await one.bundles.open(keygenBundle)
    for (const log of names) {
      const authors: (SiteId | null)[] = []
      for await (const batch of bundle.events(log))
        authors.push(...batch.flatMap(({ event }) => (event.what === EVENT ? event.site : [])))
      expect([...authors].sort()).toEqual([...names].sort())
      const { events } = one.excerpt.ledgerExcerptCodec.decode(await bundle.ledger(log))
      expect(events.filter(({ event }) => (event.what as string) === 'remarked')).toHaveLength(1)
    }
  })

  it.each<readonly [string, string, (draft: Draft) => void]>([
    [
      'logged as what it is not',
      'votes.records',
      (draft) => draft.add(eu, { what: EVENT, site: us, object: draft.put(utf8('no remark')) }),
    ],
    [
      'taken out of its author’s log',
      'log.kept',
      (draft) => {
        const events = draft.logs.get(eu) ?? []
        events.splice(
          events.findIndex(({ what, site }) => what === EVENT && site === eu),
          1,
        )
      },
    ],
  ])('%s: %s names who did it', async (_, check, edit) => {
    const known = await theChain()
    const report = await verified(await one.forge.forge(known as never, known.keygenBundle, edit as never))
    expect(report.contradictions).toEqual([{ by: eu, checks: [check] }])
  })

  it('said twice by one site convicts it, in words of its row, and a stranger agrees', async () => {
    const lying = new AsyncLocalStorage<true>()
    const definition = await one.definitions.keygenDefinition({
      sites: await one.definitions.siteEntries(names),
      deadlines,
    })
    const id = one.definition.ceremonyId(definition)
    const { prototype } = one.peers.Peers
    const { send } = prototype
    prototype.send = function (to, talk) {
      send.call(this, to, talk)
      if (lying.getStore() !== true || talk.is !== 'object' || talk.name !== REMARK) return
      const key = one.bundles.messageKeyIn(definition, ap)
      const second = one.signer
        .recordSigner(ap, key)
        .sign(one.table.recordRow(REMARK).codec, remark(id, ap, 'all is lost'))
      void second.then((signed) => send.call(this, to, { ...talk, bytes: one.dsse.toEnvelope(signed) }))
    }
    const world = await one.sites.memoryWorld(names)
    for (const name of names) await one.sites.approveIn(world, name, definition)
    const join = async (name: SiteId): Promise<unknown> => (await one.sites.startJoin(world, name, definition)).done
    const ended = await Promise.allSettled(
      names.map((name) => (name === ap ? lying.run(true, () => join(name)) : join(name))),
    ).finally(() => {
      prototype.send = send
    })
    world.clock.stop()
    for (const [at, name] of [eu, us].entries()) {
      const end = ended[at]
      const error = end?.status === 'rejected' ? end.reason : expect.fail(`${name} was not stopped`)
      expect(error).toMatchObject({
        code: 'E_PEER_EQUIVOCATED',
        message: 'ap made two remarks',
        details: { accused: ap, check: 'two-remarks' },
      })
      const bytes = await world.homes.get(name)?.disk.read(error.details.bundle)
      const report = await verified(bytes ?? expect.fail())
      expect(report.checks.filter(({ verdict }) => verdict === 'fails')).toEqual([])
      expect(report.checks.find(({ id }) => id === 'blame.proven')).toMatchObject({
        verdict: 'holds',
        reason: expect.stringContaining('ap (two-remarks)'),
      })
    }
  })

  it('is on the generated page', () => {
    const page = recordsPage(one.table.recordTable, one.codec.versionsOf)
    expect(page).toContain(
      '| remark | `remark/v1` | message key | `remark` | `remarked` | yes | yes | `votes.records` |',
    )
  })

  it('is fuzzed, by values that the ceremonies of today say', async () => {
    const targets = one.targets.recordTargets(await one.corpus.loadCorpus())
    const target = targets.find(({ name }) => name === 'remark/v1') ?? expect.fail()
    expect((await one.fuzz.fuzz({ ...target, count: 0.1 })).accepted).toBeGreaterThan(0)
  })
})
