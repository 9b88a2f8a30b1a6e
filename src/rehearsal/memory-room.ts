import type { SiteId } from '../lib/brand.ts'
import { Queue } from '../transport/queue.ts'
import type { Frame, NoteBoard, PostedNote, Wire } from '../transport/wire.ts'

const WAITING = 65_536

/** A room in memory in place of all relays of a definition: it loses nothing, and is told by others what to lose. */
export interface MemoryRoom {
  /** A member's wire and board, until it closes. */
  join(self: SiteId, certificate: Uint8Array): Wire & NoteBoard
}

export const memoryRoom = (): MemoryRoom => {
  const wires = new Map<SiteId, Set<Queue<Frame>>>()
  const boards = new Map<SiteId, Set<Queue<PostedNote>>>()
  const posted = new Map<SiteId, PostedNote>()
  return {
    join: (self, certificate) => {
      const frames = new Queue<Frame>(WAITING)
      const notes = new Queue<PostedNote>(WAITING)
      wires.set(self, (wires.get(self) ?? new Set()).add(frames))
      boards.set(self, (boards.get(self) ?? new Set()).add(notes))
      for (const [from, note] of posted) if (from !== self) notes.push(note)
      let closed = false
      return {
        send: (to, frame) => {
          const bytes = new Uint8Array(frame)
          if (!closed) for (const queue of wires.get(to) ?? []) queue.push({ from: self, bytes })
        },
        receive: () => frames,
        post: (note) => {
          if (closed) return
          const entry = { certificate, note }
          posted.set(self, entry)
          for (const [to, queues] of boards) if (to !== self) for (const queue of queues) queue.push(entry)
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
  }
}
