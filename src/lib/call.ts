import { type ErrorCode, QuorateError } from './errors.ts'
import { printable } from './printable.ts'

/** Calls to somebody outside, by way of a package that asks for itself. */

/** One call took its whole time without an answer. */
export class LateAnswer extends Error {
  override readonly name = 'TimeoutError'

  constructor(deadline: number) {
    super(`no answer within ${Math.round(deadline / 100) / 10} s`)
  }
}

/**
 * Ends after `deadline` milliseconds also where an SDK does not heed the signal, which aborts then: it may look for
 * credentials, or wait to try again. Throws LateAnswer, and what the call throws.
 */
export const withinDeadline = async <T>(call: (signal: AbortSignal) => Promise<T>, deadline: number): Promise<T> => {
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

/** Of a package that is there, and whose addon is not, or is for another machine. */
const UNBUILT = ['MODULE_NOT_FOUND', 'ERR_DLOPEN_FAILED']

/**
 * A package that not every installation has, loaded where it is needed; where it is not there, or was not built, an error of
 * `code` says so.
 */
export const loadOptional = async <T>(
  name: string,
  load: () => Promise<T>,
  code: ErrorCode,
  needs: string,
): Promise<T> => {
  try {
    return await load()
  } catch (error) {
    const fault = error instanceof Error && 'code' in error ? String(error.code) : ''
    const isUnbuilt = UNBUILT.includes(fault)
    if (!isUnbuilt && fault !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new QuorateError(
      code,
      `the package ${name} ${isUnbuilt ? 'was not built for this machine' : 'is not installed'}, and ${needs} needs it`,
      isUnbuilt
        ? `run \`npm rebuild ${name}\` where quorate is installed: it takes a C++ compiler, make and Python`
        : 'install quorate again the way it was, with its optional packages: --include=optional, not --omit=optional',
      {},
      error,
    )
  }
}

const HERE = /^(?:127\.0\.0\.1|localhost|\[?::1\]?)$/

/** True for a name of this machine, whatever resolves others. */
export const isHere = (hostname: string): boolean => HERE.test(hostname)

/** An endpoint that was named for another service may be plain HTTP. */
class PlainHttpError extends Error {
  override readonly name = 'PlainHttpError'
  readonly code = 'its endpoint is not on this machine'
}

/** Throws PlainHttpError for a request that would leave this machine without TLS. */
export const demandTls = (protocol: string, hostname: string): void => {
  if (protocol !== 'https:' && !isHere(hostname)) throw new PlainHttpError()
}
