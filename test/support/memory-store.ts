import { storeFault } from '../../src/shards/stores/fault.ts'
import type { Store } from '../../src/shards/stores/port.ts'

export interface MemoryStore extends Store {
  readonly objects: Map<string, Uint8Array>
  /** Writes and removals so far. */
  deeds: number
  /** It does not answer from this deed on. */
  failsAt: number
  /** It keeps what is removed, as a lock would. */
  locks: boolean
  /** It keeps what is removed, and lists it no more, as versions would be. */
  versions: boolean
  /** Milliseconds before each write is done. */
  slow: number
}

/** A store for what no real one does on demand: to fail at one call, or to keep what is removed. */
export const memoryStore = (uri: string): MemoryStore => {
  const objects = new Map<string, Uint8Array>()
  const hidden = new Set<string>()
  const tagOf = (name: string): string => Buffer.from(objects.get(name) ?? '').toString('hex')
  const self: MemoryStore = {
    uri,
    objects,
    deeds: 0,
    failsAt: Number.POSITIVE_INFINITY,
    locks: false,
    versions: false,
    slow: 0,
    async create(name, bytes) {
      deed()
      if (self.slow > 0) await new Promise((resolve) => setTimeout(resolve, self.slow))
      if (objects.has(name)) return false
      objects.set(name, Uint8Array.from(bytes))
      return true
    },
    async replace(name, bytes, tag) {
      deed()
      if (!objects.has(name) || tagOf(name) !== tag) return false
      objects.set(name, Uint8Array.from(bytes))
      return true
    },
    async read(name) {
      refuse()
      const bytes = objects.get(name)
      return bytes && { bytes: Uint8Array.from(bytes), tag: tagOf(name) }
    },
    async remove(name) {
      deed()
      if (self.locks && !name.startsWith('probe/')) return 'kept'
      if (objects.delete(name)) hidden.add(name)
      if (self.versions && hidden.has(name) && !name.startsWith('probe/')) return 'kept'
      return 'gone'
    },
    async list(prefix) {
      refuse()
      return [...objects.keys()].filter((name) => name.startsWith(`${prefix}/`)).sort()
    },
  }
  const refuse = (): void => {
    if (self.deeds >= self.failsAt) throw storeFault('unreachable', uri, 'this is a test')
  }
  const deed = (): void => {
    refuse()
    self.deeds += 1
  }
  return self
}
