import { printable } from '../lib/printable.ts'
import { KMS_DEADLINE } from './fault.ts'

/** One call took KMS_DEADLINE without an answer. */
export class LateAnswer extends Error {
  constructor() {
    super(`no answer within ${KMS_DEADLINE / 1000} s`)
  }
}

/**
 * Ends at KMS_DEADLINE also where an SDK does not heed the signal, which aborts then. Throws LateAnswer, and what the call
 * throws.
 */
export const withinDeadline = async <T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> => {
  const control = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new LateAnswer())
      control.abort()
    }, KMS_DEADLINE)
  })
  try {
    return await Promise.race([call(control.signal), late])
  } finally {
    clearTimeout(timer)
  }
}

const MOST = 200

/** The code and the message of a provider as one bounded printable line, for `more` of a fault. */
export const providerSays = (code: string, message = ''): string => {
  const [line = ''] = message.trim().split('\n')
  const all = [code, line.trim()].filter((part) => part !== '').join(': ')
  return printable(all.length > MOST ? `${all.slice(0, MOST)}…` : all)
}
