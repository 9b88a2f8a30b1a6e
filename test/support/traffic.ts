import type { SiteId } from '../../src/lib/brand.ts'
import { keygenDefinition, siteEntries } from './definition.ts'
import { approveIn, memoryWorld, startJoin } from './memory-site.ts'

/** Bytes of one key generation. */
export interface Traffic {
  /** Frames between sites. */
  readonly frames: number
  /** Notes, posted and shown to every other site. */
  readonly notes: number
  readonly bundle: number
  /** Points that the bundles leave open, and errors. */
  readonly open: readonly string[]
}

/** A key generation of so many sites, more than half of which sign, over memory and on a clock that stands while they work. */
export const keygenTraffic = async (sites: number): Promise<Traffic> => {
  const names = Array.from({ length: sites }, (_, at) => `s${at + 1}` as SiteId)
  const world = await memoryWorld(names, `traffic ${sites}`)
  const definition = await keygenDefinition({
    sites: await siteEntries(names),
    threshold: Math.floor(sites / 2) + 1,
  })
  let frames = 0
  let notes = 0
  const counted: typeof world.network.join = (self, certificate) => {
    const wire = world.network.join(self, certificate)
    return {
      ...wire,
      send: (to, frame) => {
        frames += frame.length
        wire.send(to, frame)
      },
      post: (note) => {
        notes += note.length * sites
        wire.post(note)
      },
    }
  }
  const network = { ...world.network, join: counted }
  for (const name of names) await approveIn(world, name, definition)
  const joins = await Promise.all(names.map((name) => startJoin({ ...world, network }, name, definition)))
  const ended = await Promise.allSettled(joins.map(({ done }) => done))
  const open = ended.flatMap((one) => (one.status === 'fulfilled' ? one.value.open : [String(one.reason)]))
  const [first] = ended
  const path = first?.status === 'fulfilled' ? first.value.bundle : null
  const bundle = path === null ? undefined : await world.homes.get(names[0] as SiteId)?.disk.read(path)
  return { frames, notes, bundle: bundle?.length ?? 0, open }
}
