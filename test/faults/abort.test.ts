import { beforeAll, describe, expect, it } from 'vitest'
import { readBundle } from '../../src/audit/bundle.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Definition } from '../../src/records/definition.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, signDefinition } from '../support/definition.ts'
import { fastClock } from '../support/fast-clock.ts'
import { type MemoryNetwork, memoryNetwork } from '../support/memory-wire.ts'
import { seededRandom } from '../support/random.ts'
import { many, NIGHTLY, report } from '../support/report.ts'
import { type SimDisk, seeded } from '../support/sim-disk.ts'
import { type Ending, type Process, startProcess } from './process.ts'
import { approveOn, copyOf, filesIn, newHome } from './world.ts'

const CASES = many(2, 10, 400)
const deadlines = { gather: 8, proposal: 4, round: 8, close: 8 }
const names = ['eu', 'us', 'ap']
const signers = ['eu', 'ap']
const message = utf8('pay nobody')
type Files = ReadonlyMap<string, Uint8Array>

interface Case {
  readonly site: string
  /** Disk operation at which its operator wants to leave. */
  readonly at: number
  /** Its machine loses power so many operations later. */
  readonly power: number | undefined
}

describe('a site leaves while it runs', () => {
  const keygenHomes = new Map<string, Files>()
  const signHomes = new Map<string, Files>()
  let keygen: Definition
  let sign: Definition

  const disksOf = async (homes: ReadonlyMap<string, Files>, seed: number) =>
    new Map(
      await Promise.all([...homes].map(async ([name, files], n) => [name, await copyOf(files, seed * 8 + n)] as const)),
    )

  beforeAll(async () => {
    keygen = await keygenDefinition({ deadlines, attempts: 12 })
    for (const name of names) {
      const disk = await copyOf(await newHome(name), 1)
      await approveOn(disk, name, keygen)
      keygenHomes.set(name, await filesIn(disk))
    }
    const disks = await disksOf(keygenHomes, 1)
    const network = memoryNetwork({ clock: fastClock(), random: seededRandom('first') })
    const all = names.map((name) =>
      startProcess({
        name,
        disk: disks.get(name) as SimDisk,
        network,
        definition: keygen,
        message: null,
      }),
    )
    expect((await Promise.all(all.map(({ ended }) => ended))).map(({ is }) => is)).toEqual([
      'closed',
      'closed',
      'closed',
    ])
    const [epoch] = await shardStore(disks.get('eu') as SimDisk).list()
    if (epoch?.record === undefined) throw new Error('no epoch')
    sign = await signDefinition({
      sites: keygen.sites,
      key: epoch.key,
      base: hashOf(recordCodec.encode(epoch.record)),
      message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
      signers: ['eu', 'ap'] as never,
      deadlines,
      attempts: 12,
    })
    for (const name of signers) {
      await approveOn(disks.get(name) as SimDisk, name, sign)
      signHomes.set(name, await filesIn(disks.get(name) as SimDisk))
    }
  })

  /** Ends with everything made at all sites, or with nothing anywhere. */
  const play = async (
    definition: Definition,
    homes: ReadonlyMap<string, Files>,
    one: Case,
    seed: number,
  ): Promise<'made' | 'left'> => {
    const disks = await disksOf(homes, seed)
    const network: MemoryNetwork = memoryNetwork({ clock: fastClock(), random: seededRandom(`leave ${seed}`) })
    const given = definition.kind === 'sign' ? message : null
    const story: string[] = []
    const disk = (name: string): SimDisk => disks.get(name) as SimDisk
    const start = (name: string, leavesAt?: number): Process =>
      startProcess({ name, disk: disk(name), network, definition, message: given, leavesAt })
    const tell = (name: string, ending: Ending): Ending => {
      story.push(`${name}: ${ending.is === 'failed' ? `${ending.error.code} ${ending.error.message}` : ending.is}`)
      return ending
    }
    let answer: string | undefined
    const first = async (name: string): Promise<Ending> => {
      if (name !== one.site) return tell(name, await start(name).ended)
      if (one.power !== undefined) disk(name).crashAt(one.at + one.power)
      const process = start(name, one.at)
      const ending = tell(name, await process.ended)
      if (ending.is === 'died') disk(name).reboot()
      else disk(name).restart()
      answer = process.left()
      story.push(`${name} was told ${answer}`)
      return ending
    }
    let endings = await Promise.all([...disks.keys()].map(first))
    // Twice more: first to learn of it, then to show that it stays.
    for (let round = 0; round < 3; round++) {
      const whole = endings.every((ending) => ending.is === 'closed' && ending.result.open.length === 0)
      if (whole) break
      endings = await Promise.all([...disks.keys()].map(async (name) => tell(name, await start(name).ended)))
    }
    const codes = endings.map((ending) => (ending.is === 'failed' ? ending.error.code : ending.is))
    const ended = new Set(codes)
    try {
      // Who voted before the other left is undecided for good: it keeps its staged shard, and says that nothing is lost.
      const undecided = answer === 'left' ? [...disks.keys()].filter((_, n) => codes[n] === 'E_NOT_FINISHED') : []
      expect(undecided).not.toContain(one.site)
      if (undecided.length > 0) ended.delete('E_NOT_FINISHED')
      expect(ended.size, codes.join()).toBe(1)
      const [code] = [...ended]
      expect(['closed', 'E_ABORTED']).toContain(code)
      if (answer === 'left') expect(code).toBe('E_ABORTED')
      if (answer === 'refused') expect(code).toBe('closed')
      for (const name of disks.keys()) {
        const epochs = await shardStore(disk(name)).list()
        if (undecided.includes(name)) {
          expect(epochs.map(({ state }) => state)).toEqual(['staged'])
          continue
        }
        const installed = code === 'closed' || definition.kind === 'sign'
        expect(epochs.map(({ state }) => state)).toEqual(installed ? ['installed'] : [])
        expect((await filesIn(disk(name), 'keys')).size).toBe(installed ? 5 : 0)
      }
      for (const ending of endings) {
        if (ending.is !== 'closed') continue
        expect(ending.result.open).toEqual([])
        const bytes = (await disk(ending.result.site).read(ending.result.bundle ?? '')) ?? new Uint8Array()
        const source = { size: bytes.length, read: async (at: number, length: number) => bytes.slice(at, at + length) }
        const { failed, verdict } = await verifyBundle(await readBundle(source), {
          trust: 'stated',
          evidence: protocolEvidence,
        })
        expect([failed, verdict !== 'invalid']).toEqual([0, true])
      }
      return code === 'closed' ? 'made' : 'left'
    } catch (error) {
      throw new Error(`${JSON.stringify(one)}: ${(error as Error).message}\n${story.join('\n')}`)
    }
  }

  it.each(['keygen', 'sign'] as const)(
    '%s: it leaves and nothing is made, or it may not and all is made',
    async (kind) => {
      const random = seeded(kind === 'keygen' ? 51 : 52)
      const [definition, homes] = kind === 'keygen' ? [keygen, keygenHomes] : [sign, signHomes]
      const sites = [...homes.keys()]
      const operations = kind === 'keygen' ? 150 : 90
      const wrong: string[] = []
      const ended = { made: 0, left: 0 }
      let next = 0
      const worker = async (): Promise<void> => {
        for (let k = next++; k < CASES; k = next++) {
          const at = Math.floor(((k + random()) / CASES) * operations)
          const power = random() < 0.4 ? Math.floor(random() * 12) : undefined
          const site = sites[Math.floor(random() * sites.length)] as string
          try {
            ended[await play(definition, homes, { site, at, power }, 100 + k)] += 1
          } catch (error) {
            wrong.push((error as Error).message)
          }
        }
      }
      await Promise.all([worker(), worker(), worker(), worker()])
      report(
        `${kind}: ${CASES} times somebody wanted to leave: ${ended.left} left, ${ended.made} made; ${wrong.length} wrong`,
      )
      expect(wrong.join('\n\n')).toBe('')
    },
    NIGHTLY ? 3_600_000 : 600_000,
  )
})
