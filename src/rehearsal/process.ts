import type { Log } from '../audit/log.ts'
import type { Clock, Disk } from '../lib/ports.ts'
import type { NoteBoard, Wire } from '../transport/wire.ts'

const never = <T>(): Promise<T> => new Promise<T>(() => undefined)

/**
 * One process of a site. Once it is killed nothing that it does reaches a disk, a wire or a clock any more, and whatever it
 * waits for never comes: its code ends there, as after `kill -9`.
 */
export class Process {
  #dead = false
  #tell: (why: string) => void = () => undefined
  readonly killed = new Promise<string>((resolve) => {
    this.#tell = resolve
  })

  kill(why: string): void {
    this.#dead = true
    this.#tell(why)
  }

  #alive<A extends readonly unknown[], T>(act: (...given: A) => Promise<T>): (...given: A) => Promise<T> {
    return async (...given) => {
      if (this.#dead) return never<T>()
      const done = await act(...given).catch((error: unknown) => {
        if (this.#dead) return never<T>()
        throw error
      })
      return this.#dead ? never<T>() : done
    }
  }

  clock(clock: Clock): Clock {
    return { now: () => clock.now(), monotonic: () => clock.monotonic(), sleep: this.#alive(clock.sleep) }
  }

  disk(disk: Disk): Disk {
    return {
      read: this.#alive(disk.read),
      create: this.#alive(disk.create),
      append: this.#alive(disk.append),
      sync: this.#alive(disk.sync),
      truncate: this.#alive(disk.truncate),
      rename: this.#alive(disk.rename),
      remove: this.#alive(disk.remove),
      folder: this.#alive(disk.folder),
      syncFolder: this.#alive(disk.syncFolder),
      list: this.#alive(disk.list),
    }
  }

  wire(wire: Wire & NoteBoard): Wire & NoteBoard {
    void this.killed.then(() => wire.close())
    return {
      send: (to, frame) => {
        if (!this.#dead) wire.send(to, frame)
      },
      receive: () => wire.receive(),
      post: (note) => {
        if (!this.#dead) wire.post(note)
      },
      notes: () => wire.notes(),
      close: () => wire.close(),
    }
  }
}

/** The same log, which kills its process as the barrier after an event of this name is durable. */
export const killedAt = (log: Log, isLast: (event: Parameters<Log['append']>[0]) => boolean, kill: () => void): Log => {
  let last = false
  return {
    origin: log.origin,
    get size() {
      return log.size
    },
    get head() {
      return log.head
    },
    append: (event, body) => {
      if (isLast(event)) last = true
      return log.append(event, body)
    },
    barrier: async () => {
      const over = last
      const checkpoint = await log.barrier()
      if (over) kill()
      return over ? never() : checkpoint
    },
    consistency: (...given) => log.consistency(...given),
    inclusion: (...given) => log.inclusion(...given),
    root: (size) => log.root(size),
    replay: () => log.replay(),
    body: (object) => log.body(object),
  }
}
