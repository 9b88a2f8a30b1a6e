import { beforeAll, describe, it } from 'vitest'
import { refreshDefinition } from '../support/definition.ts'
import { many } from '../support/report.ts'
import { newestAt, recordHashOf } from '../support/reshares.ts'
import {
  casesOf,
  checkBundles,
  checkEpochs,
  checkQuorum,
  deadlines,
  keyMade,
  names,
  playAll,
  type Stage,
  staged,
  worldOf,
} from './crash-cases.ts'

const CASES = many(1, 6, Number.POSITIVE_INFINITY)

describe('one site crashes at a disk operation of a refresh', () => {
  let stage: Stage

  beforeAll(async () => {
    const { keygen, disks } = await keyMade()
    const newest = await newestAt(worldOf(disks), 'eu')
    const from = { sites: keygen.sites, key: newest.key, base: recordHashOf(newest) }
    stage = await staged(disks, await refreshDefinition({ ...from, deadlines, attempts: 12 }))
  })

  it('all sites end with new shares of one epoch, and a whole quorum has shares all along', async () => {
    await playAll(
      stage,
      casesOf(names, stage.places, CASES, 9),
      async (disks, played) => {
        await checkEpochs(disks, stage.definition, 2)
        await checkBundles(disks, played)
      },
      checkQuorum,
    )
  })
})
