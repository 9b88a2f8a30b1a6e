import { setMaxListeners } from 'node:events'
import { openLog } from '../../src/audit/disk-log.ts'
import { ceremonyOrigin, ledgerOrigin } from '../../src/audit/note.ts'
import type { Authority } from '../../src/ceremony/definition/authority.ts'
import { joinCeremony } from '../../src/ceremony/engine/join.ts'
import type { JoinResult } from '../../src/ceremony/engine/result.ts'
import { logPath } from '../../src/ceremony/paths.ts'
import { KnownHeads } from '../../src/ceremony/peers/ledger-heads.ts'
import type { Site } from '../../src/ceremony/ports.ts'
import type { Progress } from '../../src/ceremony/progress.ts'
import type { JoinControl } from '../../src/ceremony/store/ceremony.ts'
import { systemClock } from '../../src/host/clock.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { type Home, openHome } from '../../src/identity/home.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import type { Clock, Disk } from '../../src/lib/ports.ts'
import { sealTo } from '../../src/recipients/seal.ts'
import type { Definition } from '../../src/records/definition.ts'
import { shardStore } from '../../src/shards/store.ts'
import { connectRoom, whenReachable } from '../../src/site/home-session.ts'
import type { NoteBoard, Wire } from '../../src/transport/wire.ts'
import { kmsOf } from '../support/kms.ts'
import type { MemoryNetwork } from '../support/memory-wire.ts'
import { seededRandom } from '../support/random.ts'
import { PowerLoss, type SimDisk } from '../support/sim-disk.ts'

/** A process that died does nothing any more: whatever it waits for never comes. */
const never = <T>(): Promise<T> => new Promise(() => undefined)

const changing = new Set<keyof Disk>([
  'create',
  'append',
  'sync',
  'truncate',
  'rename',
  'remove',
  'folder',
  'syncFolder',
])

export interface FaultyDisk {
  /**
   * From this operation of the process on, counted from 0, everything that changes the disk fails; `lying`: a sync
   * says that it is done, and nothing is durable.
   */
  readonly from: number
  readonly code: 'EROFS' | 'ENOSPC' | 'lying'
}

/** Another clock's time, which stands still for a dead process: nothing that it sleeps for ever comes. */
const lifeClock = (clock: Clock, died: AbortSignal): Clock => {
  setMaxListeners(0, died)
  const alive = (): Promise<void> => (died.aborted ? never() : Promise.resolve())
  return {
    now: clock.now,
    monotonic: clock.monotonic,
    sleep: (ms, signal) => {
      if (signal?.aborted === true) return Promise.reject(signal.reason)
      if (signal !== undefined) setMaxListeners(0, signal)
      return new Promise((resolve, reject) => {
        const over = new AbortController()
        const stop = (): void => over.abort(signal?.reason)
        signal?.addEventListener('abort', stop, { once: true })
        died.addEventListener('abort', stop, { once: true })
        clock
          .sleep(ms, over.signal)
          .then(resolve, reject)
          .finally(() => {
            signal?.removeEventListener('abort', stop)
            died.removeEventListener('abort', stop)
          })
      }).then(alive, (reason: unknown) => alive().then(() => Promise.reject(reason)))
    },
  }
}

export type Ending =
  | { readonly is: 'closed'; readonly result: JoinResult }
  | { readonly is: 'failed'; readonly error: QuorateError }
  | { readonly is: 'died' }

export interface Process {
  readonly ended: Promise<Ending>
  /** Disk operations so far. */
  operations(): number
  /** Frames sent so far. */
  frames(): number
  kill(): void
  /** What the operator who wanted to leave was told; undefined: nobody wanted, or was answered. */
  left(): 'left' | 'refused' | undefined
}

const reached = async (home: Home, authority: Authority): Promise<Wire & NoteBoard> => {
  const room = await connectRoom(home, authority, {})
  await whenReachable(room)
  return room
}

let processes = 0

/** One join as a process of its own: it dies where its disk loses power, and then sends, writes and waits no more. */
export const startProcess = (options: {
  readonly name: string
  readonly disk: SimDisk
  /** Where it meets the others; relays of the definition, where it is undefined. */
  readonly network?: MemoryNetwork | undefined
  readonly definition: Definition
  readonly message: Uint8Array | null
  /** The network's, where there is one. */
  readonly clock?: Clock
  readonly faulty?: FaultyDisk | undefined
  /** The machine goes down right after it sent so many frames. */
  readonly diesAfter?: number | undefined
  /** At this disk operation its operator wants to leave, by another command of the same home. */
  readonly leavesAt?: number | undefined
  readonly progress?: (event: Progress) => void
  /** No relay answers. */
  readonly relay?: boolean
}): Process => {
  processes += 1
  const id = processes
  const { name, network, definition, message } = options
  const died = new AbortController()
  let wire: (Wire & NoteBoard) | undefined
  let end: (ending: Ending) => void = () => undefined
  const ended = new Promise<Ending>((resolve) => {
    end = resolve
  })
  const kill = (): void => {
    if (died.signal.aborted) return
    died.abort()
    void wire?.close()
    end({ is: 'died' })
  }

  let operations = 0
  let frames = 0
  let control: JoinControl | undefined
  let left: 'left' | 'refused' | undefined
  const stop = new AbortController()
  const leave = async (): Promise<void> => {
    if (control === undefined) return
    try {
      await control.abort('a test')
    } catch (error) {
      if (!(error instanceof QuorateError) || error.code !== 'E_NOT_ALLOWED') throw error
      left = 'refused'
      return
    }
    left = 'left'
    stop.abort(new QuorateError('E_ABORTED', 'this site left the ceremony', 'this is a test'))
  }
  const disk = new Proxy(options.disk as Disk, {
    get: (target, key) => {
      const work = target[key as keyof Disk] as (...args: unknown[]) => Promise<unknown>
      return async (...args: unknown[]) => {
        if (died.signal.aborted) return never()
        const now = operations++
        if (now === options.leavesAt) leave().catch(() => undefined)
        const bad = options.faulty !== undefined && now >= options.faulty.from ? options.faulty.code : undefined
        if (bad === 'lying' && (key === 'sync' || key === 'syncFolder')) return undefined
        if (bad !== undefined && bad !== 'lying' && changing.has(key as keyof Disk))
          throw new QuorateError('E_DISK', `cannot use ${String(args[0])} (${bad})`, 'a test disk')
        try {
          return await work.apply(target, args)
        } catch (error) {
          if (!(error instanceof PowerLoss)) throw error
          kill()
          return never()
        }
      }
    },
  })

  const run = async (): Promise<JoinResult> => {
    const home = await openHome(disk)
    const signer = home.keys.log
    const clock = lifeClock(options.clock ?? network?.clock ?? systemClock, died.signal)
    const ledger = await openLog({ disk, path: 'ledger', origin: ledgerOrigin(home.identity), signer })
    if (ledger.size === 0) {
      ledger.append({ at: clock.now(), what: 'created', ceremony: null, site: null, object: null })
      await ledger.barrier()
    }
    const site: Site = {
      home,
      card: await home.card(),
      identityKey: await home.unlock(),
      machine: {
        clock,
        random: seededRandom(`${name} ${id}`),
        processId: id,
        vmGeneration: null,
        build: 'b1'.repeat(32) as Hash,
        runtime: 'node 20.20.2',
        sdks: [],
      },
      ledger,
      peerHeads: new KnownHeads(ledger),
      shards: shardStore(disk),
      ceremonyLog: (ceremony) =>
        openLog({ disk, path: logPath(ceremony), origin: ceremonyOrigin(ceremony, home.identity), signer }),
      connect: async (authority) => {
        if (options.relay === false) throw new QuorateError('E_RELAY', 'no relay answers', 'this is a test')
        const joined =
          network === undefined
            ? await reached(home, authority)
            : network.join(name as SiteId, toEnvelope(home.certificates.note))
        wire = joined
        if (died.signal.aborted) await joined.close()
        return {
          ...joined,
          send: (to, frame) => {
            joined.send(to, frame)
            frames += 1
            if (frames === options.diesAfter) kill()
          },
        }
      },
      kms: async (slot) => kmsOf(name, slot),
      sealTo,
    }
    return joinCeremony(site, definition, {
      progress: options.progress ?? (() => undefined),
      signal: stop.signal,
      message,
      check: false,
      control: (given) => {
        control = given
        if (options.leavesAt !== undefined && operations > options.leavesAt) leave().catch(() => undefined)
      },
    })
  }
  run().then(
    (result) => end({ is: 'closed', result }),
    (error: unknown) => {
      if (died.signal.aborted) return
      if (error instanceof QuorateError) end({ is: 'failed', error })
      else
        end({
          is: 'failed',
          error: new QuorateError('E_BUG', String((error as Error)?.stack ?? error), 'a fault of the program'),
        })
    },
  )
  return { ended, operations: () => operations, frames: () => frames, kill, left: () => left }
}
