import { beforeAll, describe, expect, it } from 'vitest'
import { readBundle } from '../../src/audit/bundle.ts'
import { bufferSource } from '../../src/audit/tar.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import type { Site } from '../../src/ceremony/ports.ts'
import { openHome } from '../../src/identity/home.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { fromHex, utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Random } from '../../src/lib/ports.ts'
import type { Definition } from '../../src/records/definition.ts'
import { type ProtocolId, protocolIds } from '../../src/records/definition-fields.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { connectRoom, whenReachable } from '../../src/site/home-session.ts'
import { keygenDefinition, refreshDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { fastClock } from '../support/fast-clock.ts'
import { copyWorld, type MemoryWorld, memoryWorld } from '../support/memory-site.ts'
import { seededRandom } from '../support/random.ts'
import { many, report } from '../support/report.ts'
import { relayOn } from '../transport/relay-support.ts'
import { approveAll, type Joined, joinAs, leftAt } from './ceremonies.ts'
import { ceremonyLiar, lied, type WordLie, wordLies } from './ceremony-lies.ts'
import { whyLate } from './late.ts'
import { type LieName, lieNames } from './lies.ts'
import { type Table, tableOf } from './parties.ts'
import { bundleAt } from './strangers.ts'

const RUNS = Number(process.env['HOSTILE_CEREMONIES'] ?? many(2, 7, 400))
const SEED = process.env['HOSTILE_SEED'] ?? 'ceremonies'
const ONLY = process.env['HOSTILE_ONLY']
const AT_ONCE = 5
const deadlines = { gather: 90, proposal: 5, round: 15, close: 18 }
const longer = { gather: 240, proposal: 20, round: 60, close: 60 }
const message = utf8('pay nobody')

const pick = <T>(random: Random, list: readonly T[]): T =>
  list[((random(1)[0] ?? 0) * 256 + (random(1)[0] ?? 0)) % list.length] as T
const oneIn = (random: Random, n: number): boolean => ((random(1)[0] ?? 0) * 256 + (random(1)[0] ?? 0)) % n === 0

/** Homes before and after a key generation of these terms, made once. */
interface Base {
  readonly table: Table
  readonly names: readonly SiteId[]
  readonly fresh: MemoryWorld
  readonly keyed: MemoryWorld
  readonly key: Hash
  readonly base: Hash
  readonly publicKey: string
}
const bases = new Map<string, Promise<Base>>()

const baseOf = (protocol: ProtocolId, n: number, t: number): Promise<Base> => {
  const id = `${protocol} ${n} ${t}`
  const known = bases.get(id) ?? makeBase(protocol, n, t)
  bases.set(id, known)
  return known
}

const makeBase = async (protocol: ProtocolId, n: number, t: number): Promise<Base> => {
  const table = await tableOf({ kind: 'keygen', protocol, n, t })
  const names = table.sites
  const fresh = await memoryWorld(names)
  const keyed = await copyWorld(fresh, 'keyed')
  const keygen = await keygenDefinition({ protocol, threshold: t, sites: await siteEntries(names) })
  await approveAll(keyed, names, keygen)
  const made = await Promise.all(names.map((name) => joinAs(keyed, name, keygen, null)))
  const [first] = made
  if (first?.result?.key == null) throw new Error(`no key: ${made.map(({ error }) => String(error)).join()}`)
  const disk = keyed.homes.get(names[0] as string)?.disk
  const [epoch] = disk === undefined ? [] : await shardStore(disk).list()
  if (epoch?.record === undefined) throw new Error('no epoch')
  return {
    table,
    names,
    fresh,
    keyed,
    key: first.result.key.id as Hash,
    base: hashOf(recordCodec.encode(epoch.record)),
    publicKey: first.result.key.publicKey,
  }
}

interface Counts {
  runs: number
  told: number
  proofs: number
  proven: number
  observed: number
  harmless: number
  late: number
  signatures: number
  bundles: number
  untold: number
  claims: number
  lyingRelays: number
  overRelay: number
  ofNine: number
  ed448: number
  liars: Record<number, number>
  whyLate: Record<string, number>
  failures: Record<string, number>
}

/** A site's way through a real relay on this machine. */
const through = async (world: MemoryWorld, name: SiteId): Promise<Partial<Site>> => {
  const home = await openHome(world.homes.get(name)?.disk ?? expect.fail(`no home ${name}`))
  return {
    async connect(authority) {
      const room = await connectRoom(home, authority, {})
      await whenReachable(room)
      return room
    },
  }
}

/** All honest sites have a share of one epoch, the old one or the new one. */
const haveQuorum = async (world: MemoryWorld, honest: readonly Joined[]): Promise<void> => {
  const usable = await Promise.all(
    honest.map(async ({ site }) => {
      const epochs = await shardStore((world.homes.get(site) ?? expect.fail()).disk).list()
      return epochs.flatMap(({ core, state }) => (state === 'installed' ? core.epoch : []))
    }),
  )
  expect(
    [1, 2].some((number) => usable.every((held) => held.includes(number))),
    JSON.stringify(usable),
  ).toBe(true)
}

/** One in so many runs goes over a real relay. */
const OVER_RELAY = 10
/** In one of so many the liars accuse others, and tell no other lie. */
const ACCUSERS = 8
/** One in so many is of nine sites, any five of which sign, with one to four liars in turn. */
const OF_NINE = 10

const oneRun = async (n: number, counts: Counts, url: string): Promise<void> => {
  const seed = `${SEED} ${n}`
  const random = seededRandom(seed)
  const protocol: ProtocolId = oneIn(random, 20)
    ? 'frost-ed448'
    : pick(
        random,
        protocolIds.filter((id) => id !== 'frost-ed448'),
      )
  const nine = n % OF_NINE === 7
  const [of, t] = nine
    ? ([9, 5] as const)
    : pick(random, [
        [3, 2],
        [3, 2],
        [3, 2],
        [3, 2],
        [3, 2],
        [3, 2],
        [4, 2],
        [5, 3],
      ] as const)
  const base = await baseOf(protocol as ProtocolId, of, t)
  const { names, table } = base
  const kind = pick(random, ['keygen', 'sign', 'refresh'] as const)
  const signing = kind === 'sign'
  const most = nine ? 1 + (Math.floor(n / OF_NINE) % (t - 1)) : oneIn(random, 3) ? t - 1 : 1
  const lies = new Map(
    [...names]
      .map((name) => ({ name, order: random(1)[0] ?? 0 }))
      .sort((a, b) => a.order - b.order)
      .slice(0, most)
      .map(({ name }) => [
        name,
        {
          about: pick(
            random,
            lied.filter((one) =>
              signing
                ? ['hello', 'attempt', 'result'].includes(one)
                : one !== 'result' && (kind === 'refresh' || one !== 'retired'),
            ),
          ),
          lie: (n % ACCUSERS === 5
            ? 'false claims'
            : oneIn(random, 2)
              ? pick(random, wordLies)
              : { session: pick(random, lieNames) }) as WordLie | { session: LieName },
        },
      ]),
  )
  const real = n % OVER_RELAY === 3
  const relay = !real && oneIn(random, 2)
  const tag = `${seed}: ${protocol} ${t} of ${of} ${kind}, ${JSON.stringify([...lies])}${relay ? ', lying relay' : ''}`

  const world = await copyWorld(kind === 'keygen' ? base.fresh : base.keyed, seed)
  const common: Partial<KeygenDefinition> = {
    protocol,
    threshold: t,
    sites: await siteEntries(names),
    nonce: hashOf(utf8(seed)).slice(0, 32),
    deadlines: nine ? longer : deadlines,
    attempts: 8,
    ...(real ? { relays: [{ url, identity: null }] } : {}),
  }
  const ofKey = { ...(common as object), key: base.key, base: base.base }
  const definition: Definition = await {
    keygen: () => keygenDefinition(common),
    refresh: () => refreshDefinition(ofKey),
    sign: () =>
      signDefinition({
        ...ofKey,
        message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
      }),
  }[kind]()
  await approveAll(world, names, definition)
  if (relay) {
    const recorded: Uint8Array[] = []
    world.network.set({
      drop: 0.05,
      duplicate: 0.1,
      reorder: 0.1,
      delay: [0, 2],
      tamper: (_from, _to, frame) => {
        if (recorded.length < 200) recorded.push(frame)
        const extra = oneIn(random, 20) ? [pick(random, recorded)] : []
        const broken = oneIn(random, 50) ? [frame.map((b, at) => (at === frame.length >> 1 ? b ^ 1 : b))] : []
        return [...extra, ...broken, frame]
      },
    })
  }
  const liars = new Map(
    [...lies].map(([name, { lie, about }]) => [name, ceremonyLiar(table, name, lie, about, random)]),
  )
  const joined = await Promise.all(
    names.map(async (name) =>
      joinAs(world, name, definition, signing ? message : null, liars.get(name), {
        site: real ? await through(world, name) : {},
        // A still clock does not see sockets.
        machine: real ? { clock: fastClock() } : {},
      }),
    ),
  )
  const honest = joined.filter(({ site }) => !liars.has(site))
  const endings = () =>
    joined
      .map(({ site, result, error, progress }) => {
        const how =
          result !== undefined
            ? 'closed'
            : error instanceof QuorateError
              ? `${error.code} ${error.message}`
              : String(error instanceof Error ? error.stack : error)
        const way = progress.filter(
          ({ phase }) => phase === 'attempt' || phase === 'attempt-failed' || phase === 'gather',
        )
        return `${site}: ${how}\n${way
          .slice(-6)
          .map((one) => `    ${JSON.stringify(one)}`)
          .join('\n')}`
      })
      .join('\n')
  try {
    counts.runs += 1
    if (real) counts.overRelay += 1
    if (relay) counts.lyingRelays += 1
    if (nine) counts.ofNine += 1
    if (protocol === 'frost-ed448') counts.ed448 += 1
    counts.liars[most] = (counts.liars[most] ?? 0) + 1
    const left = await Promise.all(honest.map(({ site }) => leftAt(world, site, definition)))
    const blamedAt = new Map<SiteId, Set<SiteId>>()
    for (const [at, { blames, events }] of left.entries()) {
      const { site, ceremony } = honest[at] as Joined
      const held = [...blames, ...[...(ceremony?.store.blames.values() ?? [])].map(({ value }) => value)]
      for (const blame of held)
        expect([...liars.keys()], `${blame.check} against an honest site`).toContain(blame.accused)
      blamedAt.set(site, new Set(held.map((blame) => blame.accused)))
      const convicted = events.findIndex(({ what }) => what === 'evidence')
      const voted = events.findIndex((event) => event.what === 'ready' && event.site === site)
      if (convicted >= 0 && voted >= 0) expect(voted, 'voted after a proven lie').toBeLessThan(convicted)
    }
    if (!signing && left.some(({ ready }) => !ready))
      expect(
        left.map(({ installed }) => installed),
        'installed without all votes',
      ).toEqual(left.map(() => (kind === 'refresh' ? 1 : 0)))
    if (kind === 'refresh') await haveQuorum(world, honest)
    for (const { error } of honest) {
      if (error === undefined) continue
      expect(error).toBeInstanceOf(QuorateError)
      const { code } = error as QuorateError
      expect(code).not.toBe('E_BUG')
      counts.failures[code] = (counts.failures[code] ?? 0) + 1
    }
    for (const [name, liar] of liars) {
      const inSession = typeof lies.get(name)?.lie !== 'string'
      const proven = honest.some(({ site }) => blamedAt.get(site)?.has(name) === true)
      if (liar.told.length === 0) counts.untold += 1
      for (const told of liar.told) {
        counts.told += 1
        if (told.trace === 'harmless') counts.harmless += 1
        if (told.trace === 'none') counts.observed += 1
        if (told.lie === 'false claims') counts.claims += told.said.length
        if (told.trace !== 'proof') continue
        counts.proofs += 1
        const reasons = honest.map(({ site, ceremony }) => {
          if (ceremony === undefined) return 'no join'
          const why = whyLate(ceremony, name, told, inSession)
          if (why === undefined)
            expect(
              [...(blamedAt.get(site) ?? [])],
              `${site} does not prove: ${told.lie} about ${told.about}`,
            ).toContain(name)
          return why
        })
        if (proven) counts.proven += 1
        else {
          counts.late += 1
          const why = reasons.find((one) => one !== undefined && !/^no/.test(one)) ?? reasons[0] ?? ''
          counts.whyLate[why] = (counts.whyLate[why] ?? 0) + 1
        }
      }
      if (liar.told.every(({ trace }) => trace === 'none' || trace === 'harmless'))
        expect(proven, 'proven without a signed lie').toBe(false)
    }
    // A relay that loses, holds back or is not reached may use up every deadline: nobody signs, and nobody is accused.
    if (signing)
      for (const { result } of honest) {
        if ((relay || real) && result === undefined) continue
        expect(result?.signature, 'no signature').toBeTruthy()
        expect(
          table.protocols.verifySignature(fromHex(base.publicKey), message, fromHex(result?.signature ?? '')),
        ).toBe(true)
        counts.signatures += 1
      }
    for (const one of honest) {
      const bytes = await bundleAt(world, one)
      if (bytes === undefined) continue
      counts.bundles += 1
      const report = await verifyBundle(await readBundle(bufferSource(bytes)), {
        trust: 'stated',
        evidence: protocolEvidence,
      })
      // A liar's own log and vote may contradict what others hold of it: that is said, and it is true.
      const own = [...liars.values()].some(({ told }) => told.some(({ about }) => about === 'ready'))
        ? ['votes.single', 'log.kept']
        : []
      const failing = report.checks
        .filter(({ id, verdict }) => verdict === 'fails' && !own.includes(id))
        .map(({ id, reason }) => `${id}: ${reason}`)
      if (failing.length > 0) expect.fail(`the bundle of ${one.site}: ${failing.join('; ')}`)
      if (one.result === undefined) expect(report.checks.find(({ id }) => id === 'blame.proven')?.verdict).toBe('holds')
    }
  } catch (error) {
    throw new Error(
      `${tag}\ntold: ${JSON.stringify([...liars].map(([name, { told }]) => [name, told.map((one) => ({ ...one, to: [...one.to] }))]))}\n${endings()}\n${error instanceof Error ? error.message : error}`,
      { cause: error },
    )
  }
}

describe('liars in a ceremony', () => {
  beforeAll(async () => {
    await baseOf('frost-ed25519', 3, 2)
  })

  it(`are proven by what they signed, and stop nobody who does not need them (${RUNS} runs)`, async () => {
    const counts: Counts = {
      runs: 0,
      told: 0,
      proofs: 0,
      proven: 0,
      observed: 0,
      harmless: 0,
      late: 0,
      signatures: 0,
      bundles: 0,
      untold: 0,
      claims: 0,
      lyingRelays: 0,
      overRelay: 0,
      ofNine: 0,
      ed448: 0,
      liars: {},
      whyLate: {},
      failures: {},
    }
    const relay = await relayOn()
    let next = ONLY === undefined ? 0 : Number(ONLY)
    const end = ONLY === undefined ? RUNS : next + 1
    const faults: unknown[] = []
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (next < end)
          await oneRun(next++, counts, relay.url).catch((error: unknown) => {
            faults.push(error)
          })
      }),
    )
    await relay.close()
    report(`ceremonies: ${JSON.stringify(counts)}`)
    if (faults.length > 0)
      throw new Error(
        `${faults.length} runs went wrong\n\n${faults
          .map((one) => (one as Error).message)
          .slice(0, 40)
          .join('\n\n')}`,
      )
  })
})
