import { beforeAll, describe, expect, it } from 'vitest'
import { suspendedIn } from '../../src/ceremony/epoch/suspended.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import type { EmergencyDefinition } from '../../src/records/kinds/emergency.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { emergencyDefinition } from '../support/definition.ts'
import { many } from '../support/report.ts'
import { newestAt, recordHashOf } from '../support/reshares.ts'
import type { SimDisk } from '../support/sim-disk.ts'
import {
  casesOf,
  checkBundles,
  deadlines,
  keyMade,
  ledgerOn,
  names,
  playAll,
  proves,
  type Stage,
  staged,
  worldOf,
} from './crash-cases.ts'
import { copyOf } from './world.ts'

const CASES = many(1, 9, Number.POSITIVE_INFINITY)

/** Whenever a process ends: nobody has promised what its ledger does not keep, nor voted before it promised. */
const checkPromises = async (disks: ReadonlyMap<string, SimDisk>, { fences, ...rest }: EmergencyDefinition) => {
  const ceremony = ceremonyId({ ...rest, fences } as Definition)
  for (const [at, disk] of [...disks.values()].entries()) {
    const ledger = await ledgerOn(await copyOf(disk.peek(), at))
    const words = [...ledger.replay()].filter(({ what, ceremony: of }) => what === 'suspended' || of === ceremony)
    const place = (what: string): number => words.findIndex((word) => word.what === what)
    if (place('fenced') >= 0) expect(suspendedIn(ledger).has(fences.key)).toBe(true)
    if (place('fenced') >= 0) expect(place('suspended')).toBeLessThan(place('fenced'))
    if (place('ready') < 0) continue
    expect(place('fenced')).toBeGreaterThanOrEqual(0)
    expect(place('fenced')).toBeLessThan(place('ready'))
  }
}

/** Each site holds its share of the old key, which is whole, and one of the same fresh key. */
const checkKeys = async (disks: ReadonlyMap<string, SimDisk>, { fences, protocol }: EmergencyDefinition) => {
  const protocols = await loadScheme(protocol)
  const fresh = new Set<string>()
  for (const name of names) {
    const disk = disks.get(name) as SimDisk
    const epochs = await shardStore(disk).list()
    expect(epochs.map(({ state }) => state)).toEqual(['installed', 'installed'])
    for (const epoch of epochs) expect(await proves(disk, name, epoch, protocols)).toBe(true)
    const other = epochs.find(({ key }) => key !== fences.key) ?? expect.fail('no fresh key')
    fresh.add(`${other.key} ${hashOf(recordCodec.encode(other.record ?? expect.fail()))}`)
    expect(epochs.some(({ key }) => key === fences.key)).toBe(true)
  }
  expect(fresh.size).toBe(1)
}

describe('one site crashes at a disk operation of an emergency', () => {
  let stage: Stage<EmergencyDefinition>

  beforeAll(async () => {
    const { keygen, disks } = await keyMade()
    const newest = await newestAt(worldOf(disks), 'eu')
    const common = await emergencyDefinition({ sites: keygen.sites, deadlines, attempts: 12 })
    const fences = { ...common.fences, key: newest.key, base: recordHashOf(newest) }
    stage = await staged(disks, { ...common, fences })
  })

  it('all sites end with one fresh key and the old one suspended, and nobody promised more than it kept', async () => {
    const { definition: emergency, places } = stage
    await playAll(
      stage,
      casesOf(names, places, CASES, 11),
      async (disks, played) => {
        await checkKeys(disks, emergency)
        await checkPromises(disks, emergency)
        await checkBundles(disks, played)
      },
      (disks) => checkPromises(disks, emergency),
    )
  })
})
