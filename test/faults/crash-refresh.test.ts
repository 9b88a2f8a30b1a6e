import { beforeAll, describe, expect, it } from 'vitest'
import { hashOf } from '../../src/lib/hash.ts'
import type { Definition } from '../../src/records/definition.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, refreshDefinition } from '../support/definition.ts'
import { many, report } from '../support/report.ts'
import type { SimDisk } from '../support/sim-disk.ts'
import {
  casesOf,
  checkBundles,
  checkEpochs,
  checkQuorum,
  deadlines,
  disksFrom,
  type Files,
  filesOf,
  measure,
  names,
  type Places,
  playAll,
} from './crash-cases.ts'
import { approveOn, copyOf, filesIn, newHome } from './world.ts'

const CASES = many(1, 6, Number.POSITIVE_INFINITY)

describe('one site crashes at a disk operation of a refresh', () => {
  let refresh: Definition
  let homes: ReadonlyMap<string, Files>
  let places: Places

  beforeAll(async () => {
    const keygen = await keygenDefinition({ deadlines, attempts: 12 })
    const fresh = new Map<string, Files>()
    for (const name of names) {
      const disk = await copyOf(await newHome(name), 1)
      await approveOn(disk, name, keygen)
      fresh.set(name, await filesIn(disk))
    }
    const disks = await disksFrom(fresh, 1)
    await measure(disks, keygen, null)
    const [epoch = expect.fail('no key')] = await shardStore(disks.get('eu') as SimDisk).list()
    refresh = await refreshDefinition({
      sites: keygen.sites,
      key: epoch.key,
      base: hashOf(recordCodec.encode(epoch.record ?? expect.fail('no record'))),
      deadlines,
      attempts: 12,
    })
    for (const name of names) await approveOn(disks.get(name) as SimDisk, name, refresh)
    homes = await filesOf(disks)
    places = await measure(await disksFrom(homes, 2), refresh, null)
    report(`places in a join: refresh ${JSON.stringify(places)}`)
  })

  it('all sites end with new shares of one epoch, and a whole quorum has shares all along', async () => {
    await playAll(
      casesOf(names, places, CASES, 9),
      homes,
      refresh,
      null,
      async (disks, played) => {
        await checkEpochs(disks, refresh, 2)
        await checkBundles(disks, played)
      },
      checkQuorum,
    )
  })
})
