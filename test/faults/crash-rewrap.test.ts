import { beforeAll, describe, expect, it } from 'vitest'
import { openHome } from '../../src/identity/home.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import type { RewrapDefinition } from '../../src/records/kinds/rewrap.ts'
import { shardStore } from '../../src/shards/store.ts'
import { memoryKms } from '../support/kms.ts'
import { many } from '../support/report.ts'
import { moveCard, rewrapOf } from '../support/rewraps.ts'
import type { SimDisk } from '../support/sim-disk.ts'
import {
  casesOf,
  checkBundles,
  deadlines,
  keyMade,
  ledgerOn,
  names,
  playAll,
  type Stage,
  staged,
} from './crash-cases.ts'
import { copyOf, filesIn } from './world.ts'

const CASES = many(1, 20, Number.POSITIVE_INFINITY)
const NEW = '/keys/eu-2.key'

/** The envelope that the ledger of eu says opens its share. */
const saidAt = async (disk: SimDisk, { old, ...rest }: RewrapDefinition): Promise<Hash> => {
  const ledger = await ledgerOn(disk)
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
  let stage: Stage<RewrapDefinition>

  beforeAll(async () => {
    const { keygen, disks } = await keyMade()
    const opened = await Promise.all(
      [...disks].map(async ([name, disk]) => [name, { disk, home: await openHome(disk) }] as const),
    )
    const world = { homes: new Map(opened), clock: { now: () => Date.now() } } as never
    await moveCard(world, 'eu', NEW)
    const [entry] = keygen.sites
    const definition = await rewrapOf(world, keygen, 'eu', entry?.kms ?? [], { deadlines, attempts: 12 })
    stage = await staged(disks, definition, ['eu'])
  })

  it('all sites end with one bundle, and the share lies under the new key alone', async () => {
    const { definition, places } = stage
    await playAll(
      stage,
      casesOf(names, places, CASES, 12),
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
