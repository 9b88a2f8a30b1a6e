import { guilty } from '../blame/claims.ts'
import { agreeAttempt } from '../gather/agree.ts'
import { refuseClocks } from '../gather/clocks.ts'
import type { AttemptTerms } from '../gather/runnable.ts'
import { SeatHistory } from '../gather/seat-history.ts'
import { refuseStopped, settledElsewhere } from './aborts.ts'
import { sendHello } from './hello.ts'
import { performAttempt } from './perform.ts'
import type { Run } from './run.ts'

/** Attempts, until this site is bound to what one of them made: here, or at others. */
export const runAttempts = async (run: Run, History: typeof SeatHistory = SeatHistory): Promise<void> => {
  const { ceremony, peers, work, prepared } = run
  const { options, authority } = ceremony
  const terms: AttemptTerms = { base: prepared.base, guilty: () => guilty(run) }
  const history = new History(ceremony, peers, terms)
  const settled = (): 'settled' | undefined => {
    if (work.isSettled()) return 'settled'
    refuseStopped(run)
    refuseClocks(ceremony, peers)
    return undefined
  }
  const orSettled = async (error: unknown): Promise<'settled'> => {
    if (await settledElsewhere(run, error)) return 'settled'
    throw error
  }
  while (!(await work.settle())) {
    const attempt = await agreeAttempt(ceremony, peers, terms, history, settled, () => sendHello(run)).catch(orSettled)
    if (attempt === 'settled') continue
    const failed = await performAttempt(run, attempt).catch(orSettled)
    if (failed === 'settled') continue
    if (failed === undefined) return
    history.failed(attempt, failed.absent)
    options.progress({
      phase: 'attempt-failed',
      number: ceremony.attempts.length,
      of: authority.terms.attempts,
      reason: failed.reason,
    })
  }
}
