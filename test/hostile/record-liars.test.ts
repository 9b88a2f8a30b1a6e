import { beforeAll, describe, expect, it } from 'vitest'
import { SEED } from '../support/report.ts'
import { lyingBase } from './own-log.ts'
import { allLies, playLie, samplesOf, shareOf } from './record-liars.ts'
import { nameOfLie, type RecordLie, subjects } from './record-lies.ts'

/**
 * One site lies in one field of one thing that it says, in each way, through a whole ceremony: what the honest sites close
 * is valid, with the liar named or nobody, or they do not close; none ends with a bug's exit.
 */

/** By day; the long run plays many more in two files. */
const BY_DAY = 4
const seed = SEED % 2 ** 16

describe('a lie about a record', () => {
  let base: Awaited<ReturnType<typeof lyingBase>>
  let samples: Awaited<ReturnType<typeof samplesOf>>
  let lies: readonly RecordLie[]
  beforeAll(async () => {
    base = await lyingBase()
    samples = await samplesOf(base)
    lies = allLies(samples)
  })

  it('is made of each record, each message of a round and each message between sites', () => {
    expect([...new Set(lies.map(({ subject }) => subject))].sort()).toEqual([...subjects].sort())
    expect(new Set(lies.map(nameOfLie)).size).toBe(lies.length)
  })

  it(`spoils no honest bundle (${BY_DAY} of all, QUORATE_SEED=${seed})`, async () => {
    const step = Math.floor(lies.length / BY_DAY)
    for (const lie of shareOf(lies, seed, step).slice(0, BY_DAY)) await playLie(base, samples, lie)
  })
})
