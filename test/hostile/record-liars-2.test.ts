import { describe, it } from 'vitest'
import { many, SEED } from '../support/report.ts'
import { recordLiars } from './record-liars.ts'

/** Every 32nd lie in each long run, by turns, and all in a night. */
const STEP = many(32, 32, 2)
const at = (2 * (SEED % 16) + 1) % STEP

describe('lies about records, one half', () => {
  it(`spoil no honest bundle (QUORATE_SEED=${SEED % 16})`, async () => {
    await recordLiars(at, STEP)
  })
})
