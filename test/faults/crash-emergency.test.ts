import { beforeAll, describe, expect, it } from 'vitest'
import { openLog } from '../../src/audit/disk-log.ts'
import { ledgerOrigin } from '../../src/audit/note.ts'
import { suspendedIn } from '../../src/ceremony/epoch/suspended.ts'
import { openHome } from '../../src/identity/home.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import type { EmergencyDefinition } from '../../src/records/kinds/emergency.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { emergencyDefinition, keygenDefinition } from '../support/definition.ts'
import { many, report } from '../support/report.ts'
import type { SimDisk } from '../support/sim-disk.ts'
import {
  casesOf,
  checkBundles,
  deadlines,
  disksFrom,
  type Files,
  filesOf,
  measure,
  names,
  type Places,
  playAll,
  proves,
} from './crash-cases.ts'
import { approveOn, copyOf, filesIn, newHome } from './world.ts'

const CASES = many(1, 9, Number.POSITIVE_INFINITY)

const ledgerOf = async (disk: SimDisk) => {
  const home = await openHome(disk)
  return openLog({ disk, path: 'ledger', origin: ledgerOrigin(home.identity), signer: home.keys.log })
}

/** Whenever a process ends: nobody has promised what its ledger does not keep, nor voted before it promised. */
const checkPromises = async (disks: ReadonlyMap<string, SimDisk>, { fences, ...rest }: EmergencyDefinition) => {
  const ceremony = ceremonyId({ ...rest, fences } as Definition)
  for (const [at, disk] of [...disks.values()].entries()) {
    const ledger = await ledgerOf(await copyOf(disk.peek(), at))
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
  let emergency: EmergencyDefinition
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
    const base = hashOf(recordCodec.encode(epoch.record ?? expect.fail('no record')))
    const common = await emergencyDefinition({ sites: keygen.sites, deadlines, attempts: 12 })
    emergency = { ...common, fences: { ...common.fences, key: epoch.key, base } }
    for (const name of names) await approveOn(disks.get(name) as SimDisk, name, emergency)
    homes = await filesOf(disks)
    places = await measure(await disksFrom(homes, 2), emergency, null)
    report(`places in a join: emergency ${JSON.stringify(places)}`)
  })

  it('all sites end with one fresh key and the old one suspended, and nobody promised more than it kept', async () => {
    await playAll(
      casesOf(names, places, CASES, 11),
      homes,
      emergency,
      null,
      async (disks, played) => {
        await checkKeys(disks, emergency)
        await checkPromises(disks, emergency)
        await checkBundles(disks, played)
      },
      (disks) => checkPromises(disks, emergency),
    )
  })
})
