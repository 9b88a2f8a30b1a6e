import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { readBundle } from '../../src/audit/bundle.ts'
import { openLog } from '../../src/audit/disk-log.ts'
import { ceremonyOrigin } from '../../src/audit/note.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { logPath } from '../../src/ceremony/paths.ts'
import { Peers } from '../../src/ceremony/peers/peers.ts'
import { readSignedMessage } from '../../src/ceremony/session/round-message.ts'
import { openHome } from '../../src/identity/home.ts'
import type { Hash, Index } from '../../src/lib/brand.ts'
import { fromHex, toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, signDefinition } from '../support/definition.ts'
import { fastClock } from '../support/fast-clock.ts'
import { memoryKms } from '../support/kms.ts'
import { memoryNetwork } from '../support/memory-wire.ts'
import { seededRandom } from '../support/random.ts'
import { LONG, many, report, SEED } from '../support/report.ts'
import { type SimDisk, seeded } from '../support/sim-disk.ts'
import { type Case, type Fault, faults, joinWith, type Played, play } from './case.ts'
import { approveOn, copyOf, filesIn, newHome } from './world.ts'

/**
 * Every operation of every site under every fault takes hours: by default power goes at every sixth operation of some
 * site, by turns, and the other faults, two in a row and faults at all sites come as a sample of fixed seed.
 */
const KEYGEN_CASES = many(1, 15, Number.POSITIVE_INFINITY)
const SIGN_CASES = many(1, 10, Number.POSITIVE_INFINITY)
const deadlines = { gather: 16, proposal: 4, round: 8, close: 8 }
const names = ['eu', 'us', 'ap']
const signers = ['eu', 'ap']
const message = utf8('pay nobody')

type Files = ReadonlyMap<string, Uint8Array>

const comeback = (random: () => number): Pick<Case, 'back' | 'rejoin'> => ({
  back: random() < 0.5 ? 'at-once' : 'later',
  rejoin: random() < 0.5 ? 'all' : 'alone',
})

/** How many places a fault can be at in one join. */
interface Places {
  readonly operations: number
  readonly frames: number
}

/**
 * Every (site, place, fault); or a loss of power at each operation, at the sites in turn, and a sample of the rest that is
 * spread evenly over the places. In a sample one case of four falls again in its second join, and one of ten is a fault at
 * all sites.
 */
const casesOf = (sites: readonly string[], places: Places, most: number, seed: number): Case[] => {
  const random = seeded(seed)
  const all: Case[] = []
  for (const is of faults)
    for (let at = 0; at < (is === 'frame' ? places.frames : places.operations); at++)
      for (const site of sites) all.push({ sites: [site], faults: [{ is, at }], ...comeback(random) })
  if (all.length <= most) return all
  const anyFault = (part: number): Fault => {
    // Losing power is the worst of them and gets a third.
    const is = random() < 0.3 ? 'power' : (faults[Math.floor(random() * faults.length)] as Fault['is'])
    return { is, at: Math.floor(part * (is === 'frame' ? places.frames : places.operations)) }
  }
  const step = many(72, 6, 1)
  const power = Array.from({ length: places.operations }, (_, at) => at)
    .filter((at) => at % step === SEED % step)
    .map((at) => ({
      sites: [sites[at % sites.length] as string],
      faults: [{ is: 'power' as const, at }],
      ...comeback(random),
    }))
  const sample = Array.from({ length: most }, (_, k) => ({
    sites: random() < 0.1 ? sites : [sites[Math.floor(random() * sites.length)] as string],
    faults: [anyFault((k + random()) / most), ...(random() < 0.25 ? [anyFault(random())] : [])],
    ...comeback(random),
  }))
  return [...power, ...sample]
}

const disksFrom = async (homes: ReadonlyMap<string, Files>, seed: number): Promise<ReadonlyMap<string, SimDisk>> =>
  new Map(
    await Promise.all([...homes].map(async ([name, files], n) => [name, await copyOf(files, seed * 8 + n)] as const)),
  )

const filesOf = async (disks: ReadonlyMap<string, SimDisk>): Promise<ReadonlyMap<string, Files>> =>
  new Map(await Promise.all([...disks].map(async ([name, disk]) => [name, await filesIn(disk)] as const)))

const verdictOn = async (bytes: Uint8Array) => {
  const source = { size: bytes.length, read: async (at: number, length: number) => bytes.slice(at, at + length) }
  return verifyBundle(await readBundle(source), { trust: 'stated', evidence: protocolEvidence })
}

/** All bundles are the same bytes, and hold; the log of each site has one vote at most, and all votes are for one record. */
const checkBundles = async (disks: ReadonlyMap<string, SimDisk>, { results }: Played): Promise<void> => {
  const bundles = await Promise.all(
    [...results].map(async ([name, { bundle }]) => (await disks.get(name)?.read(bundle ?? '')) ?? new Uint8Array()),
  )
  expect(new Set(bundles.map(hashOf)).size).toBe(1)
  const report = await verdictOn(bundles[0] as Uint8Array)
  const failed = report.checks.filter(({ verdict }) => verdict === 'fails')
  expect(failed.map(({ id, reason }) => `${id}: ${reason}`).join('; ')).toBe('')
  expect([report.verdict, report.bundle.state]).toEqual(['valid', 'made'])
}

const votesIn = async (disk: SimDisk, definition: Definition, name: string): Promise<readonly Hash[]> => {
  const home = await openHome(disk)
  const ceremony = ceremonyId(definition)
  const log = await openLog({
    disk,
    path: logPath(ceremony),
    origin: ceremonyOrigin(ceremony, home.identity),
    signer: home.keys.log,
  })
  return [...log.replay()].flatMap((event) =>
    event.what === 'ready' && event.site === name ? (event.object ?? []) : [],
  )
}

/** One epoch a site, the same record at all, no file of any other, and a share that is whole: it proves itself. */
const checkEpochs = async (disks: ReadonlyMap<string, SimDisk>, definition: Definition): Promise<void> => {
  const protocols = await loadScheme(definition.protocol)
  const records = new Set<Hash>()
  for (const [at, name] of names.entries()) {
    const disk = disks.get(name) as SimDisk
    const epochs = await shardStore(disk).list()
    expect(epochs.map((one) => one.state)).toEqual(['installed'])
    const [epoch] = epochs
    if (epoch?.record === undefined || epoch.made === undefined) throw new Error('no epoch')
    records.add(hashOf(recordCodec.encode(epoch.record)))
    const folder = `keys/${epoch.key}/${epoch.outcome}`
    expect([...(await filesIn(disk, 'keys')).keys()].sort()).toEqual(
      ['outcome', 'record', 'shard', 'slots', 'votes'].map((file) => `${folder}/${file}`),
    )
    const share = await shardStore(disk).reopen(epoch.key, epoch.outcome, epoch.envelope, [memoryKms(name)])
    const index = (at + 1) as Index
    const proof = protocols.provePossession(share, index, epoch.key, (length) =>
      crypto.getRandomValues(new Uint8Array(length)),
    )
    const verifyingShare = fromHex(epoch.made.verifyingShares[at] as string)
    expect(protocols.verifyPossession(verifyingShare, index, epoch.key, proof)).toBe(true)
    expect(await votesIn(disk, definition, name)).toHaveLength(1)
  }
  expect(records.size).toBe(1)
}

/** Every nonce commitment that any site sent in the whole matrix: the session and sender that it belongs to. */
const nonces = new Map<string, string>()
let repeated = 0
let sent = 0

const watchNonces = (): void => {
  const send = Peers.prototype.sendInSession
  vi.spyOn(Peers.prototype, 'sendInSession').mockImplementation(function (this: Peers, topic, to, bytes) {
    const post = readSignedMessage(bytes)
    if (post.protocol.includes('/sign') && post.round === 'commitments' && post.payload !== undefined) {
      // Two points: the halves of a pair are nonces of their own.
      const half = post.payload.length / 2
      for (const point of [toHex(post.payload.subarray(0, half)), toHex(post.payload.subarray(half))]) {
        const owner = `${toHex(post.session)} ${post.from} ${point === toHex(post.payload.subarray(0, half)) ? 1 : 2}`
        const known = nonces.get(point)
        if (known !== undefined && known !== owner) repeated += 1
        nonces.set(point, owner)
        sent += 1
      }
    }
    return send.call(this, topic, to, bytes)
  })
}

/** One calm run: what each site counted, at most. */
const measure = async (
  disks: ReadonlyMap<string, SimDisk>,
  definition: Definition,
  given: Uint8Array | null,
): Promise<Places> => {
  const network = memoryNetwork({ clock: fastClock(), random: seededRandom('calm') })
  const stage = { disks, definition, message: given, seed: 'calm' }
  const ended = await Promise.all([...disks.keys()].map((name) => joinWith(stage, network, name, undefined)))
  expect(ended.map(({ ending }) => ending.is)).toEqual([...disks.keys()].map(() => 'closed'))
  return {
    operations: Math.max(...ended.map(({ process }) => process.operations())),
    frames: Math.max(...ended.map(({ process }) => process.frames())),
  }
}

const playAll = async (
  cases: readonly Case[],
  homes: ReadonlyMap<string, Files>,
  definition: Definition,
  given: Uint8Array | null,
  check: (disks: ReadonlyMap<string, SimDisk>, played: Played) => Promise<void>,
): Promise<void> => {
  let met = 0
  const rounds = new Map<number, number>()
  const wrong: string[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let k = next++; k < cases.length; k = next++) {
      const one = cases[k] as Case
      const disks = await disksFrom(homes, 1000 + k)
      try {
        const played = await play({ disks, definition, message: given, seed: `case ${k}`, one })
        met += played.met
        rounds.set(played.rounds, (rounds.get(played.rounds) ?? 0) + 1)
        try {
          await check(disks, played)
        } catch (error) {
          throw new Error(`${JSON.stringify(one)}: ${(error as Error).message}\n${played.story.join('\n')}`)
        }
      } catch (error) {
        wrong.push((error as Error).message)
      }
    }
  }
  await Promise.all([worker(), worker(), worker(), worker()])
  const counted = [...rounds].sort(([a], [b]) => a - b).map(([n, count]) => `${count} in ${n}`)
  report(
    `${definition.kind}: ${cases.length} cases, ${met} faults met, joins a site: ${counted.join(', ')}; ${wrong.length} wrong`,
  )
  expect(wrong.join('\n\n')).toBe('')
  // A late place can lie behind the end of a join that goes otherwise.
  expect(met).toBeGreaterThan(LONG ? cases.length / 2 : 0)
}

describe('one site crashes at a disk operation', () => {
  const homes = new Map<string, Files>()
  let keygen: Definition
  let sign: Definition
  const signing = new Map<string, Files>()
  const places: Record<'keygen' | 'sign', Places> = {
    keygen: { operations: 0, frames: 0 },
    sign: { operations: 0, frames: 0 },
  }

  beforeAll(async () => {
    watchNonces()
    keygen = await keygenDefinition({ deadlines, attempts: 12 })
    for (const name of names) {
      const disk = await copyOf(await newHome(name), 1)
      await approveOn(disk, name, keygen)
      homes.set(name, await filesIn(disk))
    }
    const disks = await disksFrom(homes, 1)
    places.keygen = await measure(disks, keygen, null)
    const [epoch] = await shardStore(disks.get('eu') as SimDisk).list()
    if (epoch?.record === undefined) throw new Error('no epoch')
    sign = await signDefinition({
      sites: keygen.sites,
      key: epoch.key,
      base: hashOf(recordCodec.encode(epoch.record)),
      message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
      deadlines,
      attempts: 12,
    })
    for (const name of signers) await approveOn(disks.get(name) as SimDisk, name, sign)
    const made = await filesOf(disks)
    for (const name of signers) signing.set(name, made.get(name) as Files)
    places.sign = await measure(await disksFrom(signing, 2), sign, message)
    report(`places in a join: keygen ${JSON.stringify(places.keygen)}, sign ${JSON.stringify(places.sign)}`)
  })
  afterAll(() => vi.restoreAllMocks())

  it('of a keygen: all sites end with one key', async () => {
    await playAll(casesOf(names, places.keygen, KEYGEN_CASES, 7), homes, keygen, null, async (disks, played) => {
      await checkEpochs(disks, keygen)
      await checkBundles(disks, played)
    })
  })

  it('of a sign: all signers end with one signature', async () => {
    const protocols = await loadScheme(sign.protocol)
    await playAll(casesOf(signers, places.sign, SIGN_CASES, 8), signing, sign, message, async (disks, played) => {
      const signatures = new Set([...played.results.values()].map((one) => one.signature))
      expect(signatures.size).toBe(1)
      for (const { key, signature } of played.results.values())
        expect(protocols.verifySignature(fromHex(key?.publicKey ?? ''), message, fromHex(signature ?? ''))).toBe(true)
      await checkBundles(disks, played)
    })
  })

  it('and over all of it no nonce commitment was sent twice', () => {
    report(`nonce commitments: ${sent} sent, ${nonces.size} different, ${repeated} repeated`)
    expect(repeated).toBe(0)
    expect(nonces.size).toBeGreaterThan(10)
  })
})
