import { describe, it } from 'vitest'
import { many, SEED } from '../support/report.ts'
import { recordLiars } from './record-liars.ts'

/** Of the ways to lie about each field, one in each long run and all in a night. */
const STEP = many(16, 16, 2)
const at = (2 * (SEED % 8) + 0) % STEP

describe('lies about records, one half', () => {
  it(`spoil no honest bundle (QUORATE_SEED=${SEED % 8})`, async () => {
    await recordLiars(at, STEP)
  })
})
