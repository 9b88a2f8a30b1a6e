import { printable } from '../lib/printable.ts'
import { KMS_DEADLINE } from './fault.ts'

/** One call took its whole time without an answer. */
export class LateAnswer extends Error {
  override readonly name = 'TimeoutError'

  constructor(deadline = KMS_DEADLINE) {
    super(`no answer within ${Math.round(deadline / 100) / 10} s`)
  }
}

/**
 * Ends after `deadline` milliseconds also where an SDK does not heed the signal, which aborts then: it may look for
 * credentials, or wait to try again. Throws LateAnswer, and what the call throws.
 */
export const withinDeadline = async <T>(
  call: (signal: AbortSignal) => Promise<T>,
  deadline = KMS_DEADLINE,
): Promise<T> => {
  const control = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new LateAnswer(deadline))
      control.abort()
    }, deadline)
  })
  try {
    return await Promise.race([call(control.signal), late])
  } finally {
    clearTimeout(timer)
  }
}

const MOST = 200

/**
 * The code and the message of a provider as one bounded printable line, for `more` of a fault. A long run of letters may be a
 * data key or a token that a server sends back.
 */
export const providerSays = (code: string, message = ''): string => {
  const [line = ''] = message.trim().split('\n')
  const all = [code, line.trim()].filter((part) => part !== '').join(': ')
  const told = all.replace(/[A-Za-z0-9+/=_-]{32,}/g, '…')
  return printable(told.length > MOST ? `${told.slice(0, MOST)}…` : told)
}
