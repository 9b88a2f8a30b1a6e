import { beforeAll, describe, expect, it } from 'vitest'
import { readBundle } from '../../src/audit/bundle.ts'
import { openLog } from '../../src/audit/disk-log.ts'
import { ceremonyOrigin } from '../../src/audit/note.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { logPath } from '../../src/ceremony/paths.ts'
import { openHome } from '../../src/identity/home.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition } from '../support/definition.ts'
import { fastClock } from '../support/fast-clock.ts'
import { memoryNetwork } from '../support/memory-wire.ts'
import { seededRandom } from '../support/random.ts'
import { many, report } from '../support/report.ts'
import { type SimDisk, seeded } from '../support/sim-disk.ts'
import { type Ending, startProcess } from './process.ts'
import { approveOn, copyOf, filesIn, newHome } from './world.ts'

const CASES = many(1, 8, 400)
const names = ['eu', 'us', 'ap']
const deadlines = { gather: 12, proposal: 4, round: 8, close: 8 }

/** The site's syncs do nothing from the `at`-th disk operation on; its power goes `lasts` operations later. */
interface Case {
  readonly site: string
  readonly at: number
  readonly lasts: number
}

describe('a disk that says that it synced and did not', () => {
  const homes = new Map<string, ReadonlyMap<string, Uint8Array>>()
  let definition: Definition
  beforeAll(async () => {
    definition = await keygenDefinition({ deadlines, attempts: 12 })
    for (const name of names) {
      const disk = await copyOf(await newHome(name), 1)
      await approveOn(disk, name, definition)
      homes.set(name, await filesIn(disk))
    }
  })

  const votesOf = async (disk: SimDisk, name: string): Promise<readonly Hash[]> => {
    const home = await openHome(disk)
    const ceremony = ceremonyId(definition)
    const origin = ceremonyOrigin(ceremony, home.identity)
    const log = await openLog({ disk, path: logPath(ceremony), origin, signer: home.keys.log })
    return [...log.replay()].flatMap((one) => (one.what === 'ready' && one.site === name ? (one.object ?? []) : []))
  }

  const play = async (one: Case, seed: number): Promise<string> => {
    const network = memoryNetwork({ clock: fastClock(), random: seededRandom(`lie ${seed}`) })
    const disks = new Map<string, SimDisk>()
    for (const [name, files] of homes) disks.set(name, await copyOf(files, seed))
    const disk = (name: string): SimDisk => disks.get(name) as SimDisk
    const story: string[] = []
    const join = async (name: string, lying: boolean): Promise<Ending> => {
      if (lying) disk(name).crashAt(one.at + one.lasts)
      const faulty = lying ? ({ from: one.at, code: 'lying' } as const) : undefined
      const process = startProcess({ name, disk: disk(name), network, definition, message: null, faulty })
      const ending = await process.ended
      story.push(`${name}: ${ending.is === 'failed' ? `${ending.error.code} ${ending.error.message}` : ending.is}`)
      if (lying && ending.is === 'died') disk(name).reboot()
      else if (lying) disk(name).restart()
      return lying && ending.is === 'died' ? join(name, false) : ending
    }
    let endings = await Promise.all(names.map((name) => join(name, name === one.site)))
    for (let round = 0; round < 3; round++) {
      if (endings.every((ending) => ending.is === 'closed' && ending.result.open.length === 0)) break
      endings = await Promise.all(names.map((name) => join(name, false)))
    }
    try {
      for (const name of names) expect((await votesOf(disk(name), name)).length).toBeLessThanOrEqual(1)
      const installed = new Set<string>()
      for (const name of names)
        for (const { state, record } of await shardStore(disk(name)).list())
          if (state === 'installed' && record !== undefined) installed.add(hashOf(recordCodec.encode(record)))
      // Never a second key, whatever the disk forgot.
      expect(installed.size).toBeLessThanOrEqual(1)
      const codes = endings.map((ending) => (ending.is === 'failed' ? ending.error.code : ending.is))
      expect(codes.filter((code) => code === 'E_BUG' || code === 'died')).toEqual([])
      for (const ending of endings) {
        if (ending.is !== 'closed' || ending.result.open.length > 0) continue
        const bytes = (await disk(ending.result.site).read(ending.result.bundle ?? '')) ?? new Uint8Array()
        const source = { size: bytes.length, read: async (at: number, length: number) => bytes.slice(at, at + length) }
        const { checks } = await verifyBundle(await readBundle(source), { trust: 'stated', evidence: protocolEvidence })
        expect(checks.filter(({ verdict }) => verdict === 'fails').map(({ id, reason }) => `${id}: ${reason}`)).toEqual(
          [],
        )
      }
      return [...new Set(codes)].sort().join(' + ')
    } catch (error) {
      throw new Error(`${JSON.stringify(one)}: ${(error as Error).message}\n${story.join('\n')}`)
    }
  }

  it('leads to the one key or to a refusal, never to a second key', async () => {
    const random = seeded(61)
    const wrong: string[] = []
    const ends = new Map<string, number>()
    let next = 0
    const worker = async (): Promise<void> => {
      for (let k = next++; k < CASES; k = next++) {
        const one = {
          site: names[Math.floor(random() * names.length)] as string,
          at: 20 + Math.floor(((k + random()) / CASES) * 120),
          lasts: 1 + Math.floor(random() * 20),
        }
        try {
          const end = await play(one, 300 + k)
          ends.set(end, (ends.get(end) ?? 0) + 1)
        } catch (error) {
          wrong.push((error as Error).message)
        }
      }
    }
    await Promise.all([worker(), worker(), worker(), worker()])
    report(
      `lying disk: ${CASES} cases: ${[...ends].map(([end, n]) => `${n} × ${end}`).join('; ')}; ${wrong.length} wrong`,
    )
    expect(wrong.join('\n\n')).toBe('')
  })
})
