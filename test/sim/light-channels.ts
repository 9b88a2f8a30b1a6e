import type { Hash, SiteId } from '../../src/lib/brand.ts'
import type { Clock } from '../../src/lib/ports.ts'
import type { Channels, ChannelsOptions } from '../../src/transport/channels.ts'
import { newCounters } from '../../src/transport/counters.ts'
import type { NoteBoard, Wire } from '../../src/transport/wire.ts'

/** How messages travel in one simulated room: reliable and in order between any two, as the sealed channels promise. */
export interface Medium {
  readonly clock: Clock
  /** Milliseconds on the way. */
  delay(from: SiteId, to: SiteId): number
  /** Neither takes in nor gives out anything any more. */
  isDead(site: SiteId): boolean
  /** Milliseconds for which a site keeps a message back; undefined: it never sends it. */
  keeps(from: SiteId, to: SiteId, topic: Hash, message: Uint8Array): number | undefined
  readonly sites: Map<SiteId, ChannelsOptions>
  /** When the last message between two arrives, by pair. */
  readonly last: Map<string, number>
}

export type LightWire = Wire & NoteBoard & { readonly medium: Medium }

const never = async function* (): AsyncGenerator<never> {
  await new Promise(() => undefined)
}

export const lightWire = (medium: Medium): LightWire => ({
  medium,
  send: () => undefined,
  receive: never,
  post: () => undefined,
  notes: never,
  close: async () => undefined,
})

/** Stands in for transport/channels.ts: the same promises, without keys and frames. */
export const openChannels = (options: ChannelsOptions): Channels => {
  const { medium } = options.wire as LightWire
  const { self, clock } = options
  const travel = async (from: SiteId, to: SiteId, kept: number): Promise<boolean> => {
    const pair = `${from} ${to}`
    const at = Math.max(medium.last.get(pair) ?? 0, clock.monotonic() + kept + medium.delay(from, to))
    medium.last.set(pair, at)
    await clock.sleep(at - clock.monotonic())
    return !medium.isDead(from) && !medium.isDead(to)
  }
  const lost = new Promise<never>(() => undefined)
  medium.sites.set(self, options)
  for (const [name, other] of medium.sites) {
    if (name === self) continue
    const meet = async (here: ChannelsOptions, there: ChannelsOptions): Promise<void> => {
      if (await travel(there.self, here.self, 0))
        here.onConnected({ peer: there.self, binding: '' as Hash, send: () => Promise.resolve() })
    }
    void meet(options, other)
    void meet(other, options)
  }
  return {
    counters: newCounters(),
    status: () => new Map(),
    close: async () => undefined,
    send: async (to, topic, message) => {
      const kept = medium.keeps(self, to, topic, message)
      if (kept === undefined) return
      const there = medium.sites.get(to)
      if (there === undefined || !(await travel(self, to, kept))) return lost
      there.onMessage(self, topic, message)
      if (!(await travel(to, self, 0))) return lost
    },
  }
}
