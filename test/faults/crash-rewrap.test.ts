import { beforeAll, describe, expect, it } from 'vitest'
import { openLog } from '../../src/audit/disk-log.ts'
import { ledgerOrigin } from '../../src/audit/note.ts'
import { openHome } from '../../src/identity/home.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import type { RewrapDefinition } from '../../src/records/kinds/rewrap.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { memoryKms } from '../support/kms.ts'
import { many, report } from '../support/report.ts'
import { moveCard, rewrapOf } from '../support/rewraps.ts'
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
} from './crash-cases.ts'
import { approveOn, copyOf, filesIn, newHome } from './world.ts'

const CASES = many(1, 20, Number.POSITIVE_INFINITY)
const NEW = '/keys/eu-2.key'

/** The envelope that the ledger of eu says opens its share. */
const saidAt = async (disk: SimDisk, { old, ...rest }: RewrapDefinition): Promise<Hash> => {
  const home = await openHome(disk)
  const ledger = await openLog({ disk, path: 'ledger', origin: ledgerOrigin(home.identity), signer: home.keys.log })
  const ceremony = ceremonyId({ old, ...rest })
  const went = [...ledger.replay()].find((event) => event.what === 'replaced' && event.ceremony === ceremony)
  return went?.object ?? old.envelope
}

const isOpen = async (disk: SimDisk, { key, of }: RewrapDefinition, envelope: Hash, kms: string): Promise<boolean> => {
  const [epoch = expect.fail('no epoch')] = await shardStore(disk).list()
  const share = await shardStore(disk).reopen(key, epoch.outcome, envelope, [memoryKms(kms)])
  const protocols = await loadScheme('frost-ed25519')
  return protocols.isShareOf(share, fromHex(of.verifyingShares[0] ?? ''))
}

/** Whenever a process ends, the share of eu opens by the envelope that its ledger names, and by no key but its own. */
const checkOpens = async (disks: ReadonlyMap<string, SimDisk>, definition: RewrapDefinition): Promise<void> => {
  const copy = await copyOf((disks.get('eu') as SimDisk).peek(), 1)
  const envelope = await saidAt(copy, definition)
  const kms = envelope === definition.old.envelope ? 'eu' : NEW
  expect(await isOpen(copy, definition, envelope, kms)).toBe(true)
}

describe('one site crashes at a disk operation of a rewrap', () => {
  let definition: RewrapDefinition
  let homes: ReadonlyMap<string, Files>
  let places: Places

  beforeAll(async () => {
    const keygen = await keygenDefinition({ sites: await siteEntries(names), deadlines, attempts: 12 })
    const fresh = new Map<string, Files>()
    for (const name of names) {
      const disk = await copyOf(await newHome(name), 1)
      await approveOn(disk, name, keygen)
      fresh.set(name, await filesIn(disk))
    }
    const disks = await disksFrom(fresh, 1)
    await measure(disks, keygen, null)
    const opened = await Promise.all(
      [...disks].map(async ([name, disk]) => [name, { disk, home: await openHome(disk) }] as const),
    )
    const world = { homes: new Map(opened), clock: { now: () => Date.now() } } as never
    await moveCard(world, 'eu', NEW)
    const [entry] = keygen.sites
    definition = await rewrapOf(world, keygen, 'eu', entry?.kms ?? [], { deadlines, attempts: 12 })
    await approveOn(disks.get('eu') as SimDisk, 'eu', definition)
    homes = await filesOf(disks)
    places = await measure(await disksFrom(homes, 2), definition, null)
    report(`places in a join: rewrap ${JSON.stringify(places)}`)
  })

  it('all sites end with one bundle, and the share lies under the new key alone', async () => {
    await playAll(
      casesOf(names, places, CASES, 12),
      homes,
      definition,
      null,
      async (disks, played) => {
        await checkBundles(disks, played)
        const eu = disks.get('eu') as SimDisk
        const [epoch = expect.fail('no epoch')] = await shardStore(eu).list()
        expect(epoch.envelope).not.toBe(definition.old.envelope)
        expect(await isOpen(eu, definition, epoch.envelope, NEW)).toBe(true)
        const ceremony = ceremonyId(definition)
        const files = ['envelope', 'outcome', 'record', `shard-${ceremony}`, `slots-${ceremony}`, 'votes']
        const folder = `keys/${epoch.key}/${epoch.outcome}`
        expect([...(await filesIn(eu, 'keys')).keys()].sort()).toEqual(files.map((file) => `${folder}/${file}`))
      },
      (disks) => checkOpens(disks, definition),
    )
  })
})
