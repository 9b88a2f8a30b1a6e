import type { SiteId } from '../../src/lib/brand.ts'
import type { Clock, Random } from '../../src/lib/ports.ts'
import { Queue } from '../../src/transport/queue.ts'
import type { Frame, NoteBoard, PostedNote, Wire } from '../../src/transport/wire.ts'

const WAITING = 65_536

/** How the network treats frames. Probabilities from 0 to 1; times in milliseconds. */
export interface Conditions {
  /** Shortest and longest. */
  readonly delay: readonly [number, number]
  readonly drop: number
  readonly duplicate: number
  /** Share of frames held back so that later ones overtake them. */
  readonly reorder: number
  /** What arrives in place of a frame: none, one or more. */
  tamper(from: SiteId, to: SiteId, frame: Uint8Array): readonly Uint8Array[]
}

const CALM: Conditions = { delay: [0, 0], drop: 0, duplicate: 0, reorder: 0, tamper: (_from, _to, frame) => [frame] }
const HOLD = [5, 40] as const

/** A room in memory: the medium of tests and benches, and of nothing else. */
export interface MemoryNetwork {
  readonly clock: Clock
  /** A member's wire and board. A name may join again: every wire of it gets its frames, until it closes. */
  join(self: SiteId, certificate?: Uint8Array): Wire & NoteBoard
  /** Changes what is named, from now on. */
  set(conditions: Partial<Conditions>): void
  /** Frames pass only within a group; a member in none is alone. */
  partition(...groups: readonly (readonly SiteId[])[]): void
  heal(): void
  /** A frame that nobody sent: what a relay can invent. Conditions do not touch it. */
  inject(from: SiteId, to: SiteId, bytes: Uint8Array): void
}

export const memoryNetwork = (options: {
  readonly clock: Clock
  /** Seeded in tests. Drawn from only where a condition needs it. */
  readonly random: Random
}): MemoryNetwork => {
  const { clock, random } = options
  const wires = new Map<SiteId, Set<Queue<Frame>>>()
  const boards = new Map<SiteId, Set<Queue<PostedNote>>>()
  const posted = new Map<SiteId, PostedNote>()
  let conditions = CALM
  let groups: readonly (readonly SiteId[])[] | undefined

  const chance = (): number => {
    const bytes = random(4)
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) / 2 ** 32
  }
  const happens = (probability: number): boolean => probability > 0 && chance() < probability
  const between = ([low, high]: readonly [number, number]): number =>
    high <= low ? low : low + chance() * (high - low)
  const reaches = (from: SiteId, to: SiteId): boolean =>
    groups === undefined || groups.some((group) => group.includes(from) && group.includes(to))

  const deliver = (from: SiteId, to: SiteId, bytes: Uint8Array): void => {
    for (const queue of wires.get(to) ?? []) queue.push({ from, bytes })
  }
  const carry = (from: SiteId, to: SiteId, bytes: Uint8Array): void => {
    if (happens(conditions.drop)) return
    const wait = between(conditions.delay) + (happens(conditions.reorder) ? between(HOLD) : 0)
    if (wait === 0) deliver(from, to, bytes)
    else
      void clock.sleep(wait).then(() => {
        if (reaches(from, to)) deliver(from, to, bytes)
      })
  }
  const show = (from: SiteId, note: PostedNote): void => {
    for (const [to, queues] of boards)
      if (to !== from && reaches(from, to)) for (const queue of queues) queue.push(note)
  }

  return {
    clock,
    join: (self, certificate = new Uint8Array(0)) => {
      const frames = new Queue<Frame>(WAITING)
      const notes = new Queue<PostedNote>(WAITING)
      wires.set(self, (wires.get(self) ?? new Set()).add(frames))
      boards.set(self, (boards.get(self) ?? new Set()).add(notes))
      for (const [from, note] of posted) if (from !== self && reaches(from, self)) notes.push(note)
      let closed = false
      return {
        send: (to, frame) => {
          if (closed || !reaches(self, to)) return
          for (const bytes of conditions.tamper(self, to, frame.slice())) {
            carry(self, to, bytes)
            if (happens(conditions.duplicate)) carry(self, to, bytes)
          }
        },
        receive: () => frames,
        post: (note) => {
          if (closed) return
          const entry = { certificate, note }
          posted.set(self, entry)
          show(self, entry)
        },
        notes: () => notes,
        close: async () => {
          closed = true
          wires.get(self)?.delete(frames)
          boards.get(self)?.delete(notes)
          frames.end()
          notes.end()
        },
      }
    },
    set: (changes) => {
      conditions = { ...conditions, ...changes }
    },
    partition: (...parts) => {
      groups = parts
    },
    heal: () => {
      groups = undefined
      for (const [from, note] of posted) show(from, note)
    },
    inject: deliver,
  }
}
