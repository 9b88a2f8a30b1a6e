import { abortedHere } from '../ceremony/engine/aborts.ts'
import type { Site } from '../ceremony/ports.ts'
import type { JoinOptions } from '../ceremony/store/ceremony.ts'
import type { QuorateError } from '../lib/errors.ts'
import type { Clock, Random } from '../lib/ports.ts'
import type { Scheme } from '../mpc/scheme.ts'
import { recordTable } from '../records/record-table.ts'
import type { NoteBoard, Wire } from '../transport/wire.ts'
import type { Fault } from './fault.ts'
import { watchedScheme } from './other-words.ts'
import { killedAt, type Process } from './process.ts'

/** Longest that one frame is held back, so that later ones overtake it. */
const HELD_MS = 40

interface Disturbed {
  readonly faults: readonly Fault[]
  readonly process: Process
  readonly random: Random
  /** Called when a fault has had its way. */
  readonly happened: (fault: Fault) => void
  /** Ends the join, as its operator's command does. */
  readonly stop: (error: QuorateError) => void
  /** A wire that leads to nobody. */
  readonly nowhere: () => Wire & NoteBoard
}

/** A site and the choices of its join, as faults leave them. */
interface Troubled {
  readonly site: Site
  readonly options: Pick<JoinOptions, 'control' | 'schemeFor'>
}

export const disturbed = (site: Site, protocol: (scheme: Scheme) => string, given: Disturbed): Troubled => {
  const { faults, process, happened, nowhere, stop } = given
  const find = <D extends Fault['does']>(does: D) =>
    faults.filter((fault): fault is Fault & { does: D } => fault.does === does)
  let mute = false
  const beforeRound = (place: number): boolean => {
    for (const fault of find('drop'))
      if (place >= fault.round) {
        mute = true
        happened(fault)
      }
    const lies = find('lie').filter(({ round }) => round === place)
    for (const fault of lies) happened(fault)
    return lies.length > 0
  }
  const [stale] = find('stale')
  return {
    site: {
      ...site,
      connect: async (authority) => {
        const [cut] = find('partition')
        if (cut !== undefined) happened(cut)
        const wire = cut === undefined ? await site.connect(authority) : nowhere()
        return process.wire(onTheWay(wire, given, site.machine.clock, () => mute))
      },
      ceremonyLog: async (ceremony) => {
        let log = await site.ceremonyLog(ceremony)
        for (const fault of find('kill')) {
          const event = fault.barrier === 'closing' ? 'closing' : eventOf(fault.barrier)
          const isOwn = (what: string, by: string | null): boolean =>
            what === event && (what === 'closing' || by === ownName(site))
          log = killedAt(
            log,
            ({ what, site: by }) => isOwn(what, by),
            () => {
              happened(fault)
              process.kill(fault.barrier)
            },
          )
        }
        return log
      },
    },
    options: {
      schemeFor: (scheme) => watchedScheme(scheme, protocol(scheme), beforeRound),
      ...(stale && {
        control: ({ abort }) => {
          happened(stale)
          void abort('the approval was withdrawn').then(() => stop(abortedHere()), stop)
        },
      }),
    },
  }
}

const ownName = ({ card }: Site): string => card.name

const eventOf = (barrier: string): string => recordTable[barrier as keyof typeof recordTable].event

/** Frames that are lost, late, doubled, or out of order. */
const onTheWay = (
  wire: Wire & NoteBoard,
  { faults, happened, random }: Disturbed,
  clock: Clock,
  mute: () => boolean,
): Wire & NoteBoard => {
  const late = faults.flatMap((fault) => (fault.does === 'delay' || fault.does === 'reorder' ? [fault] : []))
  const twice = faults.find(({ does }) => does === 'duplicate')
  const carry = (...[to, frame]: Parameters<Wire['send']>): void => {
    let wait = 0
    for (const fault of late) {
      wait += fault.does === 'delay' ? fault.ms : ((random(1)[0] as number) * HELD_MS) / 255
      happened(fault)
    }
    const bytes = new Uint8Array(frame)
    if (wait === 0) wire.send(to, bytes)
    else void clock.sleep(wait).then(() => wire.send(to, bytes))
  }
  return {
    ...wire,
    send: (to, frame) => {
      if (mute()) return
      carry(to, frame)
      if (twice === undefined) return
      happened(twice)
      carry(to, frame)
    },
  }
}
