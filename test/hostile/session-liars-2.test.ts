import { describe, it } from 'vitest'
import { liarsInSessions } from './session-liars.ts'

describe('liars in a session, one quarter of all', () => {
  it('never make an honest site look guilty, and are proven where they signed', { timeout: 1_200_000 }, async () => {
    await liarsInSessions(1, 4)
  })
})
