import fc from 'fast-check'
import { expect, it } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { type Definition, receiversIn } from '../../src/records/definition.ts'
import { open } from '../support/bundles.ts'
import { keygenDefinition, refreshDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { approveIn, type MemoryWorld, memoryWorld, startJoin } from '../support/memory-site.ts'
import { many, SEED } from '../support/report.ts'
import { epochsAt, joinSites, newestAt, recordHashOf, repairOf, reshareOf } from '../support/reshares.ts'

/** Sequences of ceremonies over one key: sites come, go and lose their shares, quorums rise and fall. */

const POOL = ['eu', 'us', 'ap', 'sa', 'af', 'me']

interface Step {
  readonly kind: 'refresh' | 'reshare' | 'repair'
  readonly order: readonly number[]
  readonly sites: number
  readonly threshold: number
  /** How many old sites do not deal, as far as a quorum is left. */
  readonly away: number
}

const step = fc.record<Step>({
  kind: fc.constantFrom('refresh', 'reshare', 'reshare', 'repair', 'repair'),
  order: fc.array(fc.nat(1000), { minLength: POOL.length, maxLength: POOL.length }),
  sites: fc.integer({ min: 2, max: 5 }),
  threshold: fc.nat(5),
  away: fc.nat(2),
})

const shuffled = (names: readonly string[], order: readonly number[]): readonly string[] =>
  [...names].sort((a, b) => (order[POOL.indexOf(a)] ?? 0) - (order[POOL.indexOf(b)] ?? 0))

const between = (n: number, least: number, most: number): number => least + (n % (most - least + 1))

const namesIn = (definition: Definition): readonly string[] => receiversIn(definition).map(({ name }) => name)

/** `gone`: sites whose share was lost and made again for another one. */
const nextOf = async (world: MemoryWorld, made: Definition, one: Step, gone: Set<string>): Promise<Definition> => {
  const old = namesIn(made)
  const pool = shuffled(POOL, one.order).filter((name) => !gone.has(name))
  const mended = pool.find((name) => !old.includes(name))
  if (one.kind === 'repair' && mended !== undefined && made.threshold < old.length) {
    const [lost = ''] = shuffled(old, one.order)
    gone.add(lost)
    const left = old.filter((name) => name !== lost)
    const helpers = shuffled(left, one.order.toReversed()).slice(0, made.threshold)
    return repairOf(
      world,
      made,
      lost,
      mended,
      left.filter((name) => helpers.includes(name)),
    )
  }
  if (one.kind === 'refresh') {
    const base = await newestAt(world, old[0] ?? '')
    return refreshDefinition({
      sites: [...receiversIn(made)],
      threshold: made.threshold,
      key: base.key,
      base: recordHashOf(base),
      epoch: base.core.epoch + 1,
      nonce: hashOf(utf8(`refresh of ${recordHashOf(base)}`)).slice(0, 32),
    })
  }
  const sites = pool.slice(0, one.sites)
  const threshold = between(one.threshold, 2, sites.length)
  const without = shuffled(old, one.order).slice(0, Math.min(one.away, old.length - made.threshold))
  return reshareOf(world, made, { sites, threshold, without })
}

const seatedIn = (definition: Definition): readonly string[] =>
  'receivers' in definition
    ? definition.sites
        .map(({ name }) => name)
        .filter((name, at) => at < definition.receivers || definition.from.dealers.includes(name))
    : namesIn(definition)

const signing = async (world: MemoryWorld, made: Definition, signers: readonly string[], base: string) => {
  const text = utf8(`${signers.join()} on ${base}`)
  const definition = await signDefinition({
    sites: [...receiversIn(made)],
    threshold: made.threshold,
    key: (await newestAt(world, namesIn(made)[0] ?? '')).key,
    base: base as never,
    nonce: hashOf(text).slice(0, 32),
    message: { form: 'file', name: 'text', size: text.length, sha256: hashOf(text) },
    signers: signers as never,
  })
  return joinSites(world, signers, definition, text)
}

it('the public key stays, any quorum of the newest epoch signs, and no site that left holds a share', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 3 }), async (steps) => {
      const world = await memoryWorld(POOL)
      const keygen = await keygenDefinition({ sites: await siteEntries(POOL.slice(0, 3)) })
      for (const end of await joinSites(world, POOL.slice(0, 3), keygen))
        if (end.status === 'rejected') throw end.reason
      const { publicKey } = (await newestAt(world, 'eu')).made
      let made: Definition = keygen
      const gone = new Set<string>()
      for (const one of steps) {
        const next = await nextOf(world, made, one, gone)
        const seated = seatedIn(next)
        for (const end of await joinSites(world, seated, next)) {
          if (end.status === 'rejected') throw end.reason
          expect(end.value.open).toEqual([])
          const bytes = (await world.homes.get(end.value.site)?.disk.read(end.value.bundle ?? '')) ?? expect.fail()
          const { verdict } = await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
          expect(verdict).toBe('valid')
        }
        made = next
        const holders = namesIn(made)
        const base = recordHashOf(await newestAt(world, holders[0] ?? ''))
        for (const name of holders) {
          const newest = await newestAt(world, name)
          expect([newest.made.publicKey, recordHashOf(newest)]).toEqual([publicKey, base])
        }
        // Those that were away come back before they are to hold a share again: else their old one is in the way.
        const all = 'receivers' in next ? next.sites.map(({ name }) => String(name)) : seated
        const away = all.filter((name) => !seated.includes(name))
        for (const name of away) await approveIn(world, name, next)
        const back = away.length === 0 ? [] : all
        const again = await Promise.all(back.map((name) => startJoin(world, name, next, null)))
        for (const end of await Promise.allSettled(again.map(({ done }) => done)))
          if (end.status === 'rejected') throw end.reason
        for (const name of all.filter((name) => !holders.includes(name)))
          expect((await epochsAt(world, name)).filter(({ state }) => state !== 'retired')).toEqual([])
        const quorum = shuffled(holders, one.order.toReversed()).slice(0, made.threshold)
        const inOrder = holders.filter((name) => quorum.includes(name))
        for (const end of await signing(world, made, inOrder, base)) {
          if (end.status === 'rejected') throw end.reason
          expect(end.value.key?.publicKey).toBe(publicKey)
        }
      }
      world.clock.stop()
    }),
    { numRuns: many(1, 5, 60), seed: SEED, endOnFailure: true },
  )
})
