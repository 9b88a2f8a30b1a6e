import { beforeAll, describe, expect, it } from 'vitest'
import { openLog } from '../../src/audit/disk-log.ts'
import { ledgerOrigin } from '../../src/audit/note.ts'
import { KnownHeads } from '../../src/ceremony/peers/ledger-heads.ts'
import { openHome } from '../../src/identity/home.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import type { ReadmitDefinition } from '../../src/records/kinds/readmit.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { readmitOf } from '../support/readmits.ts'
import { many, report, SEED } from '../support/report.ts'
import { newestAt, recordHashOf } from '../support/reshares.ts'
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

/** So many of all, spread over them, others at each run. */
const spread = <T>(all: readonly T[]): readonly T[] => {
  const step = Math.max(1, Math.floor(all.length / CASES))
  return all.filter((_, at) => at % step === SEED % step)
}

const ledgerOn = async (disk: SimDisk) => {
  const home = await openHome(disk)
  return openLog({ disk, path: 'ledger', origin: ledgerOrigin(home.identity), signer: home.keys.log })
}

const worldOf = (disks: ReadonlyMap<string, SimDisk>) =>
  ({
    homes: new Map([...disks].map(([name, disk]) => [name, { disk }])),
    clock: { now: () => Date.now() },
  }) as never

describe('one site crashes at a disk operation while another is taken back', () => {
  let definition: ReadmitDefinition
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
    const old = (await filesOf(disks)).get('ap') ?? expect.fail('no home')
    const base = await newestAt(worldOf(disks), 'eu')
    const message = utf8('pay before that')
    const sign: Definition = await signDefinition({
      ...{ sites: keygen.sites, key: base.key, base: recordHashOf(base), deadlines, signers: names as SiteId[] },
      message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
    })
    for (const name of names) await approveOn(disks.get(name) as SimDisk, name, sign)
    await measure(disks, sign, message)
    const back = await disksFrom(new Map([...(await filesOf(disks)), ['ap', old]]), 2)
    definition = await readmitOf(worldOf(back), keygen, 'ap', { deadlines, attempts: 12 })
    for (const name of names) await approveOn(back.get(name) as SimDisk, name, definition)
    homes = await filesOf(back)
    places = await measure(await disksFrom(homes, 2), definition, null)
    report(`places in a join: ${definition.kind} ${JSON.stringify(places)}`)
  })

  it('each site ends with one bundle, the others know one chain of its heads, and it is bound again', async () => {
    await playAll(spread(casesOf(names, places, CASES, 11)), homes, definition, null, async (disks, played) => {
      await checkBundles(disks, played)
      const ceremony = ceremonyId(definition)
      const returned = await ledgerOn(disks.get('ap') as SimDisk)
      const events = [...returned.replay()].map(({ what, ceremony: about }) => (about === ceremony ? what : ''))
      expect(events.filter((what) => what === 'rebound')).toHaveLength(1)
      const identity = definition.sites.find(({ name }) => name === 'ap')?.identity ?? expect.fail()
      for (const name of ['eu', 'us']) {
        const known = new KnownHeads(await ledgerOn(disks.get(name) as SimDisk))
        expect(known.hasReadmitted(identity, ceremony)).toBe(true)
        const head = known.of(identity) ?? expect.fail()
        expect(returned.root(head.size)).toBe(head.root)
      }
    })
  })
})
