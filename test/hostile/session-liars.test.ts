import { describe, it } from 'vitest'
import { SEED } from '../support/report.ts'
import { liarsInSessions } from './session-liars.ts'

/** Of the 960 that the long run plays in four files. */
const STEP = 24

describe('liars in a session', () => {
  it(`never make an honest site look guilty, and are proven where they signed (QUORATE_SEED=${SEED % STEP})`, async () => {
    await liarsInSessions(SEED % STEP, STEP)
  })
})
