import { joinCeremony } from '../ceremony/engine/join.ts'
import type { JoinResult } from '../ceremony/engine/result.ts'
import { ceremonyKind } from '../ceremony/kinds/index.ts'
import type { Progress } from '../ceremony/progress.ts'
import type { SiteId } from '../lib/brand.ts'
import { type ErrorCode, QuorateError } from '../lib/errors.ts'
import type { Definition } from '../records/definition.ts'
import { disturbed } from './disturbed.ts'
import type { Fault } from './fault.ts'
import { type MemoryRoom, memoryRoom } from './memory-room.ts'
import { type Phase, Phases } from './phases.ts'
import { Process } from './process.ts'
import { seededRandom } from './seeded-random.ts'
import { type Player, type Props, siteOf } from './stage.ts'

/** An error as the operator reads it. */
interface Shown {
  readonly code: ErrorCode
  readonly exit: number
  readonly message: string
  readonly hint: string
}

/** One join of one site, as its operator would have seen it. */
export interface Joined {
  readonly site: SiteId
  readonly phases: readonly Phase[]
  /** Lines of progress, by milliseconds of the fast clock since the joins began. */
  readonly seen: readonly { readonly at: number; readonly event: Progress }[]
  /** null where the join ended as it should, or was killed. */
  readonly fault: Shown | null
  /** The barrier at which its process was killed. */
  readonly killed: string | null
  readonly result: JoinResult | null
}

/** A ceremony that is played: who has a part in it, and the room where they meet. */
export interface Scene {
  readonly definition: Definition
  readonly players: readonly Player[]
  readonly room: MemoryRoom
  readonly message: Uint8Array | null
}

/** Things that go wrong while the sites join. */
export interface Trouble {
  readonly faults: readonly Fault[]
  readonly happened: (fault: Fault) => void
}

const QUIET: Trouble = { faults: [], happened: () => undefined }

/** All sites run join at once, each to its end; `first` is the number of the first one's process. */
export const joinAll = (
  props: Props,
  scene: Scene,
  first: number,
  trouble: Trouble = QUIET,
): Promise<readonly Joined[]> => {
  const begun = props.clock.monotonic()
  return Promise.all(
    scene.players.map((player, at) => joinAs(props, scene, player, { ...trouble, begun, at: first + at })),
  )
}

const joinAs = async (
  props: Props,
  { definition, room, message }: Scene,
  player: Player,
  { faults, happened, begun, at }: Trouble & { readonly begun: number; readonly at: number },
): Promise<Joined> => {
  const { clock, stopwatch, seed } = props
  const process = new Process()
  const stop = new AbortController()
  const phases = new Phases(() => ({ waited: clock.monotonic() - begun, measured: stopwatch() }))
  const seen: { at: number; event: Progress }[] = []
  const { site, options } = disturbed(
    await siteOf(props, player, room, at, process),
    (scheme) => ceremonyKind(definition).protocols(scheme)[0].id,
    {
      faults: faults.filter((fault) => fault.site === player.name),
      process,
      happened,
      stop: (error) => stop.abort(error),
      random: seededRandom(`${seed} faults ${at} ${player.name}`),
      nowhere: () => memoryRoom().join(player.name, new Uint8Array(0)),
    },
  )
  const join = joinCeremony(site, definition, {
    ...options,
    progress: (event) => {
      phases.see(event)
      seen.push({ at: Math.round(clock.monotonic() - begun), event })
    },
    signal: stop.signal,
    message,
    check: false,
  })
  const ended = await Promise.race([ending(join, stop.signal), process.killed.then((killed) => ({ ...OPEN, killed }))])
  return { site: player.name, phases: phases.end(), seen, ...ended }
}

type Ending = Pick<Joined, 'fault' | 'killed' | 'result'>
const OPEN: Ending = { fault: null, killed: null, result: null }

/** An operator who took the site out reads of it as of his own deed. */
const ownMessage = ({ code, message }: QuorateError, { reason }: AbortSignal): string =>
  code === 'E_ABORTED' && reason instanceof QuorateError ? reason.message : message

const ending = async (join: Promise<JoinResult>, stopped: AbortSignal): Promise<Ending> => {
  try {
    return { ...OPEN, result: await join }
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error
    const { code, exit, hint } = error
    return { ...OPEN, fault: { code, exit, message: ownMessage(error, stopped), hint } }
  }
}
