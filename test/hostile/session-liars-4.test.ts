import { describe, it } from 'vitest'
import { liarsInSessions } from './session-liars.ts'

describe('liars in a session, one quarter of all', () => {
  it('never make an honest site look guilty, and are proven where they signed', async () => {
    await liarsInSessions(3, 4)
  })
})
