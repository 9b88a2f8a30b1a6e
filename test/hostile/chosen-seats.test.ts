import { AsyncLocalStorage } from 'node:async_hooks'
import { beforeAll, expect, it, vi } from 'vitest'
import { approvalsFolder } from '../../src/ceremony/paths.ts'
import type { Peers } from '../../src/ceremony/peers/peers.ts'
import { signMessage } from '../../src/ceremony/session/round-message.ts'
import type { Ceremony } from '../../src/ceremony/store/ceremony.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import type { Hash, Index, Party, SiteId } from '../../src/lib/brand.ts'
import { fromHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { commit, signRounds } from '../../src/mpc/frost/sign.ts'
import { loadSuite, type Suite } from '../../src/mpc/frost/suite.ts'
import { type Attempt, attemptCodec } from '../../src/records/attempt.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import { approvalCodec } from '../../src/records/identity.ts'
import type { SignDefinition } from '../../src/records/kinds/sign.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { recordHash } from '../../src/records/signed.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'
import { copyWorld, type MemoryWorld, memoryWorld } from '../support/memory-site.ts'
import { seededRandom } from '../support/random.ts'
import { inTurn } from '../support/report.ts'
import { approveAll, type Joined, joinAs, type Liar } from './ceremonies.ts'

/** A quorum that is here and honest signs, whatever the others do: each of these once used up its attempts, or its time. */

type Script = (ceremony: Ceremony, peers: Peers) => Promise<never>
const scripted = new AsyncLocalStorage<Script>()
vi.mock('../../src/ceremony/gather/agree.ts', async (original) => {
  const real = await original<typeof import('../../src/ceremony/gather/agree.ts')>()
  return {
    ...real,
    agreeAttempt: (...given: Parameters<typeof real.agreeAttempt>) =>
      scripted.getStore()?.(given[0], given[1]) ?? real.agreeAttempt(...given),
  }
})

const message = utf8('pay nobody')
const deadlines = { gather: 120, proposal: 5, round: 20, close: 10 }
const never = (): Promise<never> => new Promise<never>(() => undefined)

const keyed = async (sites: readonly SiteId[], threshold: number) => {
  const world = await memoryWorld(sites)
  const keygen = await keygenDefinition({ threshold, sites: await siteEntries(sites) })
  await approveAll(world, sites, keygen)
  const [made] = await Promise.all(sites.map((name) => joinAs(world, name, keygen, null)))
  const [epoch] = await shardStore((world.homes.get(sites[0] as SiteId) ?? expect.fail()).disk).list()
  const signing = (changes: Partial<SignDefinition> = {}): Promise<SignDefinition> =>
    signDefinition({
      threshold,
      sites: keygen.sites,
      key: made?.result?.key?.id as Hash,
      base: hashOf(recordCodec.encode(epoch?.record ?? expect.fail('no key'))),
      message: { form: 'file', name: 'm', size: message.length, sha256: hashOf(message) },
      attempts: 9,
      deadlines,
      ...changes,
    }) as Promise<SignDefinition>
  return { world, signing }
}

/** What a liar signs by hand: its hellos and attempts, with everything that an honest site would keep of them. */
class Hand {
  readonly ceremony: Ceremony
  readonly peers: Peers
  /** Sites that get its next hellos. */
  helloTo: ReadonlySet<SiteId>

  constructor(ceremony: Ceremony, peers: Peers, sites: readonly SiteId[]) {
    this.ceremony = ceremony
    this.peers = peers
    this.helloTo = new Set(sites)
  }

  async greet(base: Hash, to?: readonly SiteId[]): Promise<void> {
    if (to !== undefined) this.helloTo = new Set(to)
    await this.ceremony.barrier()
    await this.ceremony.hello({ epoch: base, result: null, check: false })
    this.peers.ledgers.show()
  }

  proposal(names: readonly SiteId[]): Attempt {
    const { store, authority, site, seat } = this.ceremony
    const hellos = names.map((name) => store.hellos.get(name)?.signed ?? expect.fail(`no hello of ${name}`))
    return {
      ceremony: authority.hash,
      number: 1 + Math.max(...hellos.map(({ value }) => value.attempts)),
      participants: hellos.map((signed) => ({
        site: signed.value.site,
        key: signed.key as Attempt['participants'][number]['key'],
        hello: recordHash(signed),
        last: signed.value.lastAttempt,
      })),
      base: (authority.definition as SignDefinition).base,
      round: authority.definition.deadlines.round,
      at: site.machine.clock.now(),
      coordinator: seat.name,
    }
  }

  async sign(value: Attempt): Promise<Hash> {
    const signed = await this.ceremony.signer.sign(attemptCodec, value)
    const hash = recordHash(signed)
    this.ceremony.note('attempt', signed.bytes)
    this.ceremony.attempts.push(hash)
    const bytes = toEnvelope(signed)
    await this.ceremony.promise('attempt', bytes)
    this.peers.broadcast({ is: 'object', name: 'attempt', bytes })
    return hash
  }

  signed(hash: Hash): number {
    return this.ceremony.store.attempts.get(hash)?.signatures.size ?? 0
  }

  attemptsOf(name: SiteId): number {
    return this.ceremony.store.hellos.get(name)?.signed.value.attempts ?? -1
  }
}

const failures = ({ progress }: Joined): readonly string[] =>
  progress.flatMap((one) => (one.phase === 'attempt-failed' ? [one.reason] : []))

const expectSigned = (honest: readonly Joined[], bound: number): void => {
  expect(honest.map(({ error }) => error)).toEqual(honest.map(() => undefined))
  expect(new Set(honest.map(({ result }) => result?.signature)).size).toBe(1)
  for (const { ceremony } of honest) expect(ceremony?.attempts.length).toBeLessThanOrEqual(bound)
}

const named = (honest: readonly Joined[]): string =>
  honest.flatMap((one) => failures(one).map((reason) => `${one.site}: ${reason}`)).join('\n')

let suite: Suite
let five: Awaited<ReturnType<typeof keyed>>
let three: Awaited<ReturnType<typeof keyed>>
const sites5 = ['s1', 's2', 's3', 's4', 's5'] as SiteId[]
const sites3 = ['s1', 's2', 's3'] as SiteId[]
const [s1, s2, s3, s4, s5] = sites5 as [SiteId, SiteId, SiteId, SiteId, SiteId]

beforeAll(async () => {
  suite = await loadSuite('frost-ed25519')
  five = await keyed(sites5, 3)
  three = await keyed(sites3, 2)
})

const until = async ({ clock }: MemoryWorld, look: () => unknown): Promise<void> => {
  while (!look()) await clock.sleep(1)
}

it('signs where two liars of five keep busy in turns whom the others need', async () => {
  const sign = await five.signing()
  const world = await copyWorld(five.world, 'burn')
  await approveAll(world, sites5, sign)
  const { clock } = world
  const hands = new Map<SiteId, Hand>()
  const liar = (site: SiteId): Liar => ({
    site,
    ceremony: undefined,
    post: (_topic, _to, bytes) => [bytes],
    talk: (to, talk) =>
      talk.is === 'object' && talk.name === 'hello' && hands.get(site)?.helloTo.has(to) !== true ? [] : [talk],
  })
  const commitments = (ceremony: Ceremony, topic: Hash): Uint8Array =>
    signMessage(
      ceremony.keys.message.raw,
      { protocol: 'frost-ed25519/sign', session: fromHex(topic), round: 'commitments', from: 1 as Party, to: 0 },
      signRounds('frost-ed25519').commitments.codec.encode(
        commit(suite, 1 as Index, new Uint8Array(32), seededRandom(topic)).commitment.bytes,
      ),
      new Uint8Array(0),
    ).bytes

  let cue = 0
  let first: Attempt | undefined
  const one: Script = async (ceremony, peers) => {
    const hand = new Hand(ceremony, peers, sites5)
    hands.set(s1, hand)
    await hand.greet(sign.base)
    await until(world, () =>
      [s2, s3, s4, s5].every((name) => hand.attemptsOf(name) === 0 && peers.ledgers.proven(name)),
    )
    first = hand.proposal([s1, s2, s3])
    const a1 = await hand.sign(first)
    await until(world, () => hand.signed(a1) === 3)
    peers.sendInSession(a1, s3, commitments(ceremony, a1))
    await hand.greet(sign.base, [s4, s5])
    await clock.sleep(5000)
    const a2 = await hand.sign(hand.proposal([s1, s4, s5]))
    void clock.sleep(18_000).then(() => {
      for (const to of [s4, s5]) peers.sendInSession(a2, to, commitments(ceremony, a2))
    })
    for (let used = 2; used < 9; used++) {
      await until(world, () => hand.attemptsOf(s3) === used)
      await hand.greet(sign.base, [s3])
      cue += 1
      await until(world, () => (ceremony.store.hellos.get(s2)?.signed.value.sequence ?? 0) >= 1 + cue)
      await hand.sign(hand.proposal([s1, s2, s3]))
    }
    return never()
  }
  const two: Script = async (ceremony, peers) => {
    const hand = new Hand(ceremony, peers, sites5)
    hands.set(s2, hand)
    await hand.greet(sign.base)
    await until(world, () => first !== undefined)
    await hand.sign(first as Attempt)
    for (let done = 0; done < 8; done++) {
      await until(world, () => cue > done)
      await hand.greet(sign.base, [s1, s3])
    }
    return never()
  }
  for (const [name, script] of [
    [s1, one],
    [s2, two],
  ] as const)
    void scripted.run(script, () => joinAs(world, name, sign, message, liar(name)))
  const honest = await Promise.all([s3, s4, s5].map((name) => joinAs(world, name, sign, message)))
  expect(first).toBeDefined()
  expectSigned(honest, 9)
  world.clock.stop()
})

it.each(inTurn([500, 1500, 2500, 3500, 4500], 2))(
  'signs where one site dies in the first attempt, and an approval came %d ms late',
  async (late) => {
    const approver = (await memoryHome('boss', { role: 'approver' } as never)).home
    const sign = await three.signing({ approvers: [approver.identity], attempts: 5 })
    const world = await copyWorld(three.world, `crash ${late}`)
    await approveAll(world, sites3, sign)
    world.network.set({ delay: [20, 30] })
    const id = ceremonyId(sign)
    const word = { ceremony: id, identity: approver.identity, role: 'approver', purpose: 'approve' } as const
    const { signer } = await approver.unlock()
    const approval = toEnvelope(await signer.sign(approvalCodec, { ...word, at: world.clock.now() }))
    let dead = false
    const dies: Liar = {
      site: s1,
      ceremony: undefined,
      post: () => {
        dead = true
        return []
      },
      talk: (_to, talk) => {
        if (dead) return []
        // Where its proposal meets another, its first attempt has no session to die in, and the others may need none.
        if (talk.is === 'object' && talk.name === 'attempt') void world.clock.sleep(1).then(() => (dead = true))
        return [talk]
      },
    }
    void joinAs(world, s1, sign, message, dies)
    let tell: (() => Promise<void>) | undefined
    const control = (given: { approved(): Promise<void> }): void => {
      tell = () => given.approved()
    }
    const joins = [s2, s3].map((name) => joinAs(world, name, sign, message, undefined, name === s2 ? { control } : {}))
    await world.clock.sleep(5000 + late)
    await (world.homes.get(s2) ?? expect.fail()).disk.create(`${approvalsFolder(id)}/boss.dsse`, approval)
    await tell?.()
    const honest = await Promise.all(joins)
    expectSigned(honest, 4)
    expect(named(honest)).not.toMatch(/\bs[23]\b.*: .*(nothing from|not signed by).*\bs[23]\b/)
    world.clock.stop()
  },
  60_000,
)

it('signs where one liar of three proposes and is silent, at once and in every join', async () => {
  const sign = await three.signing({ attempts: 5 })
  const world = await copyWorld(three.world, 'silent proposer')
  await approveAll(world, sites3, sign)
  let silent = false
  let proposed = 0
  const liar: Liar = { site: s1, ceremony: undefined, post: () => [], talk: (_to, talk) => (silent ? [] : [talk]) }
  const script: Script = async (ceremony, peers) => {
    const hand = new Hand(ceremony, peers, sites3)
    await hand.greet(sign.base)
    await until(world, () => [s2, s3].every((name) => hand.attemptsOf(name) === 0 && peers.ledgers.proven(name)))
    const hash = await hand.sign(hand.proposal([s1, s3]))
    proposed += 1
    await until(world, () => hand.signed(hash) === 2)
    silent = true
    return never()
  }
  void scripted.run(script, () => joinAs(world, s1, sign, message, liar))
  const honest = await Promise.all([s2, s3].map((name) => joinAs(world, name, sign, message)))
  expect(proposed).toBe(1)
  expectSigned(honest, 4)
  expect(named(honest)).not.toMatch(/(nothing from|not signed by).*\bs[23]\b/)
  world.clock.stop()
})

it('names no honest site as silent where a liar shows its commitment to one of two only', async () => {
  const sign = await five.signing()
  const world = await copyWorld(five.world, 'half shown')
  await approveAll(world, sites5, sign)
  let hidden = 0
  const liar: Liar = {
    site: s2,
    ceremony: undefined,
    talk: (_to, talk) => [talk],
    post: (_topic, to, bytes) => {
      if (to === s1) return [bytes]
      hidden += 1
      return []
    },
  }
  const joined = await Promise.all(
    [s1, s2, s3].map((name) => joinAs(world, name, sign, message, name === s2 ? liar : undefined)),
  )
  expect(hidden).toBeGreaterThan(0)
  // The coordinator passes on what the liar hid: the first attempt is the last.
  expectSigned(joined, 1)
  expect(joined.flatMap(failures)).toEqual([])
  world.clock.stop()
})
