import { beforeAll, describe, expect, it } from 'vitest'
import { hashOf } from '../../src/lib/hash.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import type { Definition } from '../../src/records/definition.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { many } from '../support/report.ts'
import { repairOf, reshareOf } from '../support/reshares.ts'
import type { SimDisk } from '../support/sim-disk.ts'
import {
  casesOf,
  checkBundles,
  deadlines,
  keyMade,
  names as old,
  playAll,
  proves,
  type Stage,
  spread,
  staged,
  worldOf,
} from './crash-cases.ts'
import { copyOf } from './world.ts'

const CASES = many(1, 5, Number.POSITIVE_INFINITY)

type Disks = ReadonlyMap<string, SimDisk>

/** `number installed` and `number retired` of each site, of shares that open and prove themselves where they are to. */
const statesOf = async (disks: Disks): Promise<ReadonlyMap<string, readonly string[]>> => {
  const protocols = await loadScheme('frost-ed25519')
  const states = new Map<string, readonly string[]>()
  for (const [at, [name, disk]] of [...disks].entries()) {
    const copy = await copyOf(disk.peek(), at)
    const held: string[] = []
    for (const epoch of await shardStore(copy).list())
      if (epoch.state === 'retired' || (epoch.state === 'installed' && (await proves(copy, name, epoch, protocols))))
        held.push(`${epoch.core.epoch} ${epoch.state}`)
    states.set(name, held)
  }
  return states
}

interface Handover {
  /** Old sites that take part; as many of them as sign together, or more. */
  readonly from: readonly string[]
  /** Sites that hold a share afterwards. */
  readonly to: readonly string[]
  readonly plan: (world: Parameters<typeof reshareOf>[0], keygen: Definition) => Promise<Definition>
}

const more = [...old, 'sa', 'af']
const others = ['sa', 'af', 'me']
const handovers: Readonly<Record<string, Handover>> = {
  'a reshare, 2 of 3 to 3 of 5': {
    from: old,
    to: more,
    plan: (world, keygen) => reshareOf(world, keygen, { sites: more, threshold: 3 }),
  },
  'a reshare, 2 of 3 to other machines': {
    from: old,
    to: others,
    plan: (world, keygen) => reshareOf(world, keygen, { sites: others, threshold: 2 }),
  },
  'a repair': {
    from: ['us', 'ap'],
    to: ['sa', 'us', 'ap'],
    plan: (world, keygen) => repairOf(world, keygen, 'eu', 'sa'),
  },
}

describe.each(Object.entries(handovers))('one site crashes at a disk operation of %s', (_, { from, to, plan }) => {
  const all = [...new Set([...from, ...to])]
  let stage: Stage

  beforeAll(async () => {
    const { keygen, disks } = await keyMade(all.filter((name) => !old.includes(name)))
    const definition = { ...(await plan(worldOf(disks), keygen)), deadlines, attempts: 12 }
    stage = await staged(new Map(all.map((name) => [name, disks.get(name) as SimDisk])), definition)
  })

  /** Whenever a process ends: all old shares, or all new ones; and none destroyed before all have new ones. */
  const always = async (disks: Disks): Promise<void> => {
    const states = await statesOf(disks)
    const has = (names: readonly string[], state: string) =>
      names.every((name) => states.get(name)?.includes(state) === true)
    expect([...states], 'no whole roster can sign').toSatisfy(() => has(from, '1 installed') || has(to, '2 installed'))
    if ([...states.values()].flat().includes('1 retired')) expect(has(to, '2 installed')).toBe(true)
  }

  it('all sites end with what they are to have, and a whole quorum has shares all along', async () => {
    await playAll(
      stage,
      spread(casesOf(all, stage.places, CASES, 9), CASES),
      async (disks, played) => {
        const states = await statesOf(disks)
        for (const name of all)
          expect([name, states.get(name)]).toEqual([
            name,
            [...(from.includes(name) ? ['1 retired'] : []), ...(to.includes(name) ? ['2 installed'] : [])],
          ])
        const made = await Promise.all(to.map((name) => shardStore(disks.get(name) as SimDisk).list()))
        const records = made.map((epochs) => epochs.at(-1)?.record ?? expect.fail('no record'))
        expect(new Set(records.map((record) => hashOf(recordCodec.encode(record)))).size).toBe(1)
        await checkBundles(disks, played)
      },
      always,
    )
  })
})
