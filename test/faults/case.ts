import type { JoinResult } from '../../src/ceremony/engine/result.ts'
import type { Definition } from '../../src/records/definition.ts'
import { fastClock } from '../support/fast-clock.ts'
import { type MemoryNetwork, memoryNetwork } from '../support/memory-wire.ts'
import { seededRandom } from '../support/random.ts'
import type { SimDisk } from '../support/sim-disk.ts'
import { type Ending, type Process, startProcess } from './process.ts'

/** What befalls one process in its n-th disk operation, counted from 0, or (`frame`) after its n-th frame. */
export interface Fault {
  readonly is: (typeof faults)[number]
  readonly at: number
}

export const faults = [
  /** The machine loses power: what was not synced may be gone, torn or zeros. */
  'power',
  /** The same, at a place between disk operations. */
  'frame',
  /** The process is killed: the disk stays as it was seen. */
  'kill',
  /** One operation fails; a failed sync leaves bytes that never become durable. */
  'EIO',
  'ENOSPC',
  /** Nothing can be changed any more until somebody mends the disk. */
  'read-only',
  'full',
] as const

export interface Case {
  /** Sites that meet the fault, each in its own process. */
  readonly sites: readonly string[]
  /** Of the first join of these sites, of the second, and so on. */
  readonly faults: readonly Fault[]
  /** The site comes back at once, while the others wait; or with the next round of joins. */
  readonly back: 'at-once' | 'later'
  /** Who joins in the next round: everybody, or first only those who are not done, with nobody to help them. */
  readonly rejoin: 'all' | 'alone'
}

export interface Played {
  /** The last of each site. */
  readonly results: ReadonlyMap<string, JoinResult>
  /** Faults that were met. */
  readonly met: number
  readonly rounds: number
  readonly story: readonly string[]
}

export interface Stage {
  readonly disks: ReadonlyMap<string, SimDisk>
  readonly definition: Definition
  readonly message: Uint8Array | null
  readonly seed: string
}

/** A ceremony with its faults, and what must hold whenever a join has ended, however it did. */
interface FaultyStage extends Stage {
  readonly one: Case | undefined
  readonly always?: () => Promise<void>
}

const MOST_ROUNDS = 7
/** Exit codes after which an operator runs the same command again. */
const again = new Set([3, 5])

/** Starts a join that meets this fault; resolves when it ended and its machine is up again. */
export const joinWith = async (
  stage: Stage,
  network: MemoryNetwork,
  name: string,
  fault: Fault | undefined,
): Promise<{ readonly ending: Ending; readonly met: boolean; readonly process: Process }> => {
  const { definition, message } = stage
  const disk = stage.disks.get(name) as SimDisk
  if (fault?.is === 'power' || fault?.is === 'kill') disk.crashAt(fault.at)
  if (fault?.is === 'EIO' || fault?.is === 'ENOSPC') disk.failAt(fault.at, fault.is)
  const codes = { 'read-only': 'EROFS', full: 'ENOSPC' } as const
  const code = fault !== undefined && fault.is in codes ? codes[fault.is as keyof typeof codes] : undefined
  const process = startProcess({
    name,
    disk,
    network,
    definition,
    message,
    faulty: code === undefined || fault === undefined ? undefined : { from: fault.at, code },
    diesAfter: fault?.is === 'frame' ? fault.at + 1 : undefined,
  })
  const ending = await process.ended
  if ((fault?.is === 'power' || fault?.is === 'frame') && ending.is === 'died') disk.reboot()
  else if (fault !== undefined) disk.restart()
  const done = fault?.is === 'frame' ? process.frames() : process.operations()
  return { ending, met: fault !== undefined && done > fault.at, process }
}

/**
 * One ceremony with its faults: all sites join, those that fall come back as the case says, and everybody joins again
 * until all have closed with complete bundles. Throws where it ends otherwise.
 */
export const play = async (stage: FaultyStage): Promise<Played> => {
  const { disks, one, always } = stage
  const network = memoryNetwork({ clock: fastClock(), random: seededRandom(stage.seed) })
  const story: string[] = []
  const waiting = new Map(one?.sites.map((name) => [name, [...one.faults]]))
  let met = 0

  const join = async (name: string): Promise<Ending> => {
    const fault = waiting.get(name)?.shift()
    const ended = await joinWith(stage, network, name, fault)
    if (ended.met) met += 1
    const { ending } = ended
    story.push(`${name}: ${ending.is === 'failed' ? `${ending.error.code} ${ending.error.message}` : ending.is}`)
    await always?.()
    const fell = ending.is === 'died' || (ending.is === 'failed' && ending.error.code === 'E_DISK')
    return fell && fault !== undefined && one?.back === 'at-once' ? join(name) : ending
  }

  const names = [...disks.keys()]
  const results = new Map<string, JoinResult>()
  for (let round = 1; ; round++) {
    const alone = round === 2 && one?.rejoin === 'alone'
    const joining = names.filter((name) => !alone || results.get(name)?.open.length !== 0)
    const endings = await Promise.all(joining.map(async (name) => [name, await join(name)] as const))
    const fail = (what: string): never => {
      throw new Error(`${what}: ${JSON.stringify(one)}\n${story.join('\n')}`)
    }
    for (const [name, ending] of endings) {
      const before = results.get(name)
      // Nobody who had ended ends otherwise when he is asked again, and no bundle gets poorer.
      if (before !== undefined && ending.is === 'closed' && ending.result.open.length > before.open.length)
        fail(`${name} ended, and then with less`)
      if (ending.is === 'closed') results.set(name, ending.result)
      if (ending.is === 'failed' && !again.has(ending.error.exit)) fail(`${name} is stuck`)
    }
    story.push(`round ${round} over`)
    if (names.every((name) => results.get(name)?.open.length === 0)) return { results, met, rounds: round, story }
    if (round === MOST_ROUNDS) fail('no clean end')
  }
}
