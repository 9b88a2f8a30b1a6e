import type { JoinResult } from '../../src/ceremony/join.ts'
import { systemClock } from '../../src/host/clock.ts'
import type { Definition } from '../../src/records/definition.ts'
import { type MemoryNetwork, memoryNetwork } from '../../src/transport/memory-wire.ts'
import { seededRandom } from '../support/random.ts'
import type { SimDisk } from '../support/sim-disk.ts'
import { type Ending, startProcess } from './process.ts'

/** What befalls one site in its n-th disk operation, counted from 0. */
export type Fault =
  /** The machine loses power: what was not synced may be gone, torn or zeros. */
  | { readonly is: 'power'; readonly at: number }
  /** The process is killed: the disk stays as it was seen. */
  | { readonly is: 'kill'; readonly at: number }
  /** One operation fails; a failed sync leaves bytes that never become durable. */
  | { readonly is: 'EIO' | 'ENOSPC'; readonly at: number }
  /** Nothing can be changed any more until somebody mends the disk. */
  | { readonly is: 'read-only' | 'full'; readonly at: number }

export const faults = ['power', 'kill', 'EIO', 'ENOSPC', 'read-only', 'full'] as const

export interface Case {
  readonly site: string
  readonly fault: Fault
  /** The site comes back at once, while the others wait; or with the next round of joins. */
  readonly back: 'at-once' | 'later'
  /** Who joins in the next round: everybody, or first only those who are not done, with nobody to help them. */
  readonly rejoin: 'all' | 'alone'
}

export interface Played {
  /** Of the last round, by site. */
  readonly results: ReadonlyMap<string, JoinResult>
  /** Whether the fault was met at all. */
  readonly met: boolean
  readonly rounds: number
  readonly story: readonly string[]
}

const MOST_ROUNDS = 6
/** Exit codes after which an operator runs the same command again. */
const again = new Set([3, 5])

/**
 * One ceremony with one fault: all sites join, the one comes back as its case says, and everybody joins again until
 * all have closed with complete bundles. What ends otherwise is in the story.
 */
export const play = async (options: {
  readonly disks: ReadonlyMap<string, SimDisk>
  readonly definition: Definition
  readonly message: Uint8Array | null
  readonly speed: number
  readonly seed: string
  readonly one: Case | undefined
}): Promise<Played> => {
  const { disks, definition, message, speed, one } = options
  const network: MemoryNetwork = memoryNetwork({ clock: systemClock, random: seededRandom(options.seed) })
  const story: string[] = []
  let met = false

  const disk = (name: string): SimDisk => disks.get(name) as SimDisk
  const join = async (name: string, fault: Fault | undefined): Promise<Ending> => {
    if (fault?.is === 'power' || fault?.is === 'kill') disk(name).crashAt(fault.at)
    if (fault?.is === 'EIO' || fault?.is === 'ENOSPC') disk(name).failAt(fault.at, fault.is)
    const faulty =
      fault?.is === 'read-only'
        ? ({ from: fault.at, code: 'EROFS' } as const)
        : fault?.is === 'full'
          ? ({ from: fault.at, code: 'ENOSPC' } as const)
          : undefined
    const process = startProcess({ name, disk: disk(name), network, definition, message, speed, faulty })
    const ending = await process.ended
    story.push(`${name}: ${ending.is === 'failed' ? `${ending.error.code} ${ending.error.message}` : ending.is}`)
    if (fault !== undefined && process.operations() > fault.at) met = true
    // Where the process outlived its fault: the machine goes down after all, with what it had not synced.
    if (fault?.is === 'power' && ending.is === 'died') disk(name).reboot()
    else if (fault !== undefined) disk(name).restart()
    return ending
  }
  const joinWith = async (name: string): Promise<Ending> => {
    if (one?.site !== name) return join(name, undefined)
    const ending = await join(name, one.fault)
    const comesBack =
      one.back === 'at-once' && (ending.is === 'died' || (ending.is === 'failed' && ending.error.code === 'E_DISK'))
    return comesBack ? join(name, undefined) : ending
  }

  const names = [...disks.keys()]
  const results = new Map<string, JoinResult>()
  for (let round = 1; ; round++) {
    const alone = round === 2 && one?.rejoin === 'alone'
    const joining = names.filter((name) => !alone || results.get(name)?.open.length !== 0)
    const endings = await Promise.all(
      joining.map(async (name) => [name, await (round === 1 ? joinWith(name) : join(name, undefined))] as const),
    )
    for (const [name, ending] of endings) {
      const before = results.get(name)
      if (ending.is === 'closed') results.set(name, ending.result)
      // Nobody who had ended ends otherwise when he is asked again, and no bundle gets poorer.
      if (before !== undefined && (ending.is !== 'closed' || ending.result.open.length > before.open.length))
        throw new Error(`${name} ended, and then otherwise: ${JSON.stringify(one)}\n${story.join('\n')}`)
    }
    const whole = names.every((name) => results.get(name)?.open.length === 0)
    if (whole) return { results, met, rounds: round, story }
    const stuck = endings.some(([, ending]) => ending.is === 'failed' && !again.has(ending.error.exit))
    story.push(`round ${round} over`)
    if (stuck || round === MOST_ROUNDS)
      throw new Error(`no clean end after ${JSON.stringify(one)}:\n${story.join('\n')}`)
  }
}
