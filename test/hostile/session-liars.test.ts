import { describe, it } from 'vitest'
import { SEED } from '../support/report.ts'
import { liarsInSessions } from './session-liars.ts'

/** Of the 960 that long runs play in four files. */
const STEP = 48

describe('liars in a session', () => {
  it(`never make an honest site look guilty, and are proven where they signed (QUORATE_SEED=${SEED % STEP})`, async () => {
    await liarsInSessions(SEED % STEP, STEP)
  })
})
