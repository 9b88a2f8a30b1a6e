import { describe, expect, it } from 'vitest'
import { ceremonyOrigin, signCheckpoint } from '../../src/audit/note.ts'
import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import { votedElsewhere } from '../../src/ceremony/epoch/vote.ts'
import { ceremonyKind } from '../../src/ceremony/kinds/index.ts'
import { ceremonyFolder } from '../../src/ceremony/paths.ts'
import { Ceremony } from '../../src/ceremony/store/ceremony.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { sha256 } from '../../src/lib/hash.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import type { LogEvent } from '../../src/records/event.ts'
import { keygenDefinition } from '../support/definition.ts'
import { approveIn, memorySite, memoryWorld, startJoin } from '../support/memory-site.ts'

const sites = ['eu', 'us', 'ap'] as SiteId[]
const [eu, , ap] = sites as [SiteId, SiteId, SiteId]

describe('a site that ended its log otherwise before', () => {
  it('gets no second cosignature', async () => {
    const world = await memoryWorld(sites)
    const definition = await keygenDefinition({ deadlines: { gather: 60, proposal: 5, round: 20, close: 3 } })
    const ceremony = ceremonyId(definition)
    for (const name of sites) await approveIn(world, name, definition)
    const liar = world.homes.get(ap)?.home ?? expect.fail()
    const head = { origin: ceremonyOrigin(ceremony, liar.identity), size: 7, root: sha256(utf8('another ending')) }
    const { disk } = world.homes.get(eu) ?? expect.fail()
    const kept = utf8(signCheckpoint(head, liar.keys.log))
    await disk.create(`${ceremonyFolder(ceremony)}/cosigned-${ap}`, kept)
    const runs = await Promise.all(sites.map((name) => startJoin(world, name, definition)))
    const results = await Promise.all(runs.map(({ done }) => done))
    expect(results.map(({ open }) => open.length > 0)).toEqual([true, true, true])
    expect(await disk.read(`${ceremonyFolder(ceremony)}/cosigned-${ap}`)).toEqual(kept)
  })
})

describe('a vote for a record of an attempt before', () => {
  it('is followed until a later attempt has begun, and after that only beside the votes of t sites', async () => {
    const world = await memoryWorld(sites)
    const definition = await keygenDefinition()
    for (const name of sites) await approveIn(world, name, definition)
    const runs = await Promise.all(sites.map((name) => startJoin(world, name, definition)))
    await Promise.all(runs.map(({ done }) => done))
    const options = { progress: () => undefined, signal: new AbortController().signal, message: null, check: false }
    const ceremony = await Ceremony.open(
      await memorySite(world, eu),
      definitionAuthority(definition),
      ceremonyKind(definition),
      options,
    )
    const protocols = await loadScheme(definition.protocol)
    const started = ceremony.events('started').at(-1) ?? expect.fail()
    const events = (what: LogEvent['what']): readonly LogEvent[] => [
      ...ceremony.events(what as 'started'),
      ...(what === 'started' ? [{ ...started, seq: ceremony.log.size }] : []),
    ]
    /** The same site with the votes of so many sites, before or after it began another attempt. */
    const followed = (count: number, later: boolean): boolean => {
      const votes = (record: Hash) => new Map([...ceremony.store.votes(record)].slice(0, count))
      const store = new Proxy(ceremony.store, {
        get(target, name) {
          if (name === 'votes') return votes
          const value: unknown = Reflect.get(target, name)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
      const changes = { store: { value: store }, ...(later && { events: { value: events } }) }
      return votedElsewhere(Object.create(ceremony, changes), protocols) !== undefined
    }
    expect([1, 2, 3].map((count) => followed(count, false))).toEqual([true, true, true])
    expect([1, 2, 3].map((count) => followed(count, true))).toEqual([false, true, true])
  })
})
