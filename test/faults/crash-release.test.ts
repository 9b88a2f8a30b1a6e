import { beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '../../src/lib/bytes.ts'
import { suiteOf } from '../../src/mpc/frost/suite.ts'
import type { ReconstructDefinition } from '../../src/records/kinds/reconstruct.ts'
import { openKeyFile } from '../../src/site/open-key.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { ageRecipient, identityFile } from '../support/recipients.ts'
import { approversApprove, reconstructOf } from '../support/reconstructs.ts'
import { many, report, SEED } from '../support/report.ts'
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

describe('one site crashes at a disk operation while a whole key is given away', () => {
  let definition: ReconstructDefinition
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
    const world = {
      homes: new Map([...disks].map(([name, disk]) => [name, { disk }])),
      clock: { now: () => Date.now() },
    } as never
    const recipients = [ageRecipient()]
    definition = await reconstructOf(world, keygen, { deadlines, attempts: 12, recipients })
    await approversApprove(world, names, definition)
    for (const name of names) await approveOn(disks.get(name) as SimDisk, name, definition)
    homes = await filesOf(disks)
    places = await measure(await disksFrom(homes, 2), definition, null)
    report(`places in a join: ${definition.kind} ${JSON.stringify(places)}`)
  })

  it('each site ends with one bundle, and a recipient opens the key with it', async () => {
    await playAll(spread(casesOf(names, places, CASES, 10)), homes, definition, null, async (disks, played) => {
      await checkBundles(disks, played)
      const [first] = [...played.results.values()]
      const bundle = (await disks.get(names[0] as string)?.read(first?.bundle ?? '')) ?? expect.fail('no bundle')
      const opened = await openKeyFile({
        bundle: (async function* () {
          yield bundle
        })(),
        identity: identityFile('age.txt'),
        trust: undefined,
        trustStated: true,
      })
      expect(opened.pieces.map(({ verdict }) => verdict)).toEqual(['holds', 'holds', 'holds'])
      const { group } = suiteOf('frost-ed25519')
      const scalar = group.field.decode(opened.secret.reveal()) ?? expect.fail('no scalar')
      expect(toHex(group.encode(group.timesBase(scalar)))).toBe(definition.of.publicKey)
    })
  })
})
