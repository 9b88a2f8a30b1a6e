import { beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '../../src/lib/bytes.ts'
import { suiteOf } from '../../src/mpc/frost/suite.ts'
import type { ReconstructDefinition } from '../../src/records/kinds/reconstruct.ts'
import { openKeyFile } from '../../src/site/open-key.ts'
import { ageRecipient, identityFile } from '../support/recipients.ts'
import { approversApprove, reconstructOf } from '../support/reconstructs.ts'
import { many } from '../support/report.ts'
import {
  casesOf,
  checkBundles,
  deadlines,
  keyMade,
  names,
  playAll,
  type Stage,
  spread,
  staged,
  worldOf,
} from './crash-cases.ts'

const CASES = many(1, 20, Number.POSITIVE_INFINITY)

describe('one site crashes at a disk operation while a whole key is given away', () => {
  let stage: Stage<ReconstructDefinition>

  beforeAll(async () => {
    const { keygen, disks } = await keyMade()
    const recipients = [ageRecipient()]
    const definition = await reconstructOf(worldOf(disks), keygen, { deadlines, attempts: 12, recipients })
    await approversApprove(worldOf(disks), names, definition)
    stage = await staged(disks, definition)
  })

  it('each site ends with one bundle, and a recipient opens the key with it', async () => {
    const { definition, places } = stage
    await playAll(stage, spread(casesOf(names, places, CASES, 10), CASES), async (disks, played) => {
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
