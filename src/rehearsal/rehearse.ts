import { refuseErrors } from '../ceremony/definition/finding.ts'
import { lint } from '../ceremony/definition/lint.ts'
import type { Clock } from '../lib/ports.ts'
import { loadScheme } from '../mpc/registry.ts'
import { type Definition, fenceIn, recordKind } from '../records/definition.ts'
import { type Joined, joinAll, type Scene, type Trouble } from './act.ts'
import { type End, endOf } from './end.ts'
import { type Fault, inWords, parseFaults } from './fault.ts'
import { memoryRoom } from './memory-room.ts'
import { castOf, keyFor, messageFor, rehearsed } from './rehearsed.ts'
import { approveAs, type Player, type Props } from './stage.ts'
import { stillClock } from './still-clock.ts'

interface Wanted extends Omit<Props, 'clock'> {
  readonly definition: Definition
  /** As `parseFaults` reads them. */
  readonly faults: readonly string[]
  /** The bytes that the definition signs; undefined: others, as many. */
  readonly message: Uint8Array | undefined
  /** Its time is where the rehearsal begins, or the window's opening where that lies ahead. */
  readonly clock: Clock
}

/** One run of all joins, and where it left the ceremony. */
export interface Act {
  readonly joins: readonly Joined[]
  readonly end: End
}

export interface Rehearsal {
  /** Milliseconds since 1970 on the fast clock, when the joins began. */
  readonly begins: number
  /** The window is still closed, and the fast clock began at its opening. */
  readonly early: boolean
  /** Parts of the definition that are the real ones, and those that are not. */
  readonly same: readonly string[]
  readonly replaced: readonly string[]
  readonly faults: readonly FaultShown[]
  readonly first: Act
  /** All run join again, and nothing goes wrong any more: where faults left the ceremony open. */
  readonly again: Act | null
}

interface FaultShown {
  readonly fault: string
  readonly means: string
  /** False: the ceremony never came to where it would have struck. */
  readonly happened: boolean
}

const partsOf = (definition: Definition, otherMessage: boolean | undefined): Pick<Rehearsal, 'same' | 'replaced'> => {
  const message = (is: boolean): readonly string[] => (otherMessage === is ? ['message'] : [])
  return {
    same: [
      ...['kind', 'protocol', 'names', 'threshold', 'window', 'deadlines', 'attempts', 'control domains'],
      ...message(false),
    ],
    replaced: [
      ...['identities', 'KMS keys', 'relays', 'nonce'],
      ...(recordKind(definition).key(definition) === null && fenceIn(definition) === undefined
        ? []
        : ['key and its record']),
      ...message(true),
    ],
  }
}

/**
 * A definition's ceremony as it would go, in memory: the same decisions, throw-away keys, and a clock that jumps over what
 * is only waited for. Throws E_DEFINITION where the definition could not be run at all.
 */
export const rehearse = async (wanted: Wanted): Promise<Rehearsal> => {
  const { definition } = wanted
  refuseErrors(lint(definition))
  const { candidates } = recordKind(definition).seats(definition)
  const faults = parseFaults(wanted.faults, candidates)
  const message = messageFor(definition, wanted.message)
  const [now, opens] = [wanted.clock.now(), Date.parse(definition.window.opens)]
  const clock = stillClock(Math.max(now, opens))
  const props: Props = { ...wanted, clock }
  // A first import takes real time, which this clock would not see.
  await clock.hold(loadScheme(definition.protocol))
  const cast = await castOf(props, definition)
  const played = await rehearsed(props, definition, cast, await keyFor(props, definition, cast), message)
  const players = candidates.map((name) => cast.sites.find((player) => player.name === name) as Player)
  for (const player of [...players, ...cast.approvers])
    await approveAs(props, player, played, cast.approvers.includes(player) ? players : [player])
  const scene: Scene = { definition: played, players, room: memoryRoom(), message: message?.content ?? null }
  const begins = clock.now()
  const struck = new Set<Fault>()
  const act = async (first: number, trouble?: Trouble): Promise<Act> => {
    const joins = await joinAll(props, scene, first, trouble)
    return { joins, end: await endOf(props, scene, joins) }
  }
  try {
    const first = await act(100, { faults, happened: (fault) => struck.add(fault) })
    const open = first.end.state !== 'aborted' && first.joins.some(({ result }) => result === null)
    return {
      begins,
      early: now < opens,
      ...partsOf(definition, message?.replaced),
      first,
      again: faults.length > 0 && open ? await act(200) : null,
      faults: faults.map((fault) => ({ fault: fault.text, means: inWords(fault), happened: struck.has(fault) })),
    }
  } finally {
    clock.stop()
  }
}
