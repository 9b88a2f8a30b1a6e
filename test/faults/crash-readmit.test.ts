import { beforeAll, describe, expect, it } from 'vitest'
import { KnownHeads } from '../../src/ceremony/peers/ledger-heads.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import type { ReadmitDefinition } from '../../src/records/kinds/readmit.ts'
import { signDefinition } from '../support/definition.ts'
import { readmitOf } from '../support/readmits.ts'
import { many } from '../support/report.ts'
import { newestAt, recordHashOf } from '../support/reshares.ts'
import type { SimDisk } from '../support/sim-disk.ts'
import {
  casesOf,
  checkBundles,
  deadlines,
  disksFrom,
  filesOf,
  keyMade,
  ledgerOn,
  measure,
  names,
  playAll,
  type Stage,
  spread,
  staged,
  worldOf,
} from './crash-cases.ts'
import { approveOn } from './world.ts'

const CASES = many(1, 20, Number.POSITIVE_INFINITY)

describe('one site crashes at a disk operation while another is taken back', () => {
  let stage: Stage<ReadmitDefinition>

  beforeAll(async () => {
    const { keygen, disks } = await keyMade()
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
    stage = await staged(back, await readmitOf(worldOf(back), keygen, 'ap', { deadlines, attempts: 12 }))
  })

  it('each site ends with one bundle, the others know one chain of its heads, and it is bound again', async () => {
    const { definition, places } = stage
    await playAll(stage, spread(casesOf(names, places, CASES, 11), CASES), async (disks, played) => {
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
