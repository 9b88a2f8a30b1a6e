import { describe, it } from 'vitest'
import { many, SEED } from '../support/report.ts'
import { liarsInSessions } from './session-liars.ts'

/** Of this quarter a third in each long run, by turns, and all in a night. */
const TURNS = many(3, 3, 1)

describe('liars in a session, one quarter of all', () => {
  it(`never make an honest site look guilty, and are proven where they signed (QUORATE_SEED=${SEED % TURNS})`, async () => {
    await liarsInSessions(2 + 4 * (SEED % TURNS), 4 * TURNS)
  })
})
