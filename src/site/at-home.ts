import { systemClock } from '../host/clock.ts'
import { askOwner, type HomeAnswer, type HomeRequest } from '../host/run-socket.ts'
import { type ErrorCode, errorTable, QuorateError } from '../lib/errors.ts'
import { type HomeSession, openHomeSession, type RelayAccess } from './home-session.ts'

/** Between two looks at a home that another command is about to leave. */
const PAUSE_MS = 100
/** A command that runs no ceremony is done with a home in less. */
const PATIENCE_MS = 30_000

interface Waiting {
  /** How long a home that is busy is waited for, in milliseconds; the time in which its owner did the work does not count. */
  readonly patience?: number
  /** Words of the owner before its answer. */
  readonly onEvent?: (event: unknown) => void
  /** The request may take long then: only a stop, or the end of the owner's process, ends the waiting. */
  readonly signal?: AbortSignal
  /** Done before another process is handed the work, which it alone would do then; where it throws, none is. */
  readonly beforeHanding?: () => Promise<void>
  /** Used where this process takes the home. */
  readonly relays?: RelayAccess
}

/** Either this process owns the home now, or the one that does has done the work. */
type AtHome = { readonly owned: HomeSession } | { readonly done: unknown }

/** An owner's answer as the error that it stands for; its version may have errors that this one has not. */
const faultOf = ({ code, message, hint, details }: HomeAnswer & { readonly ok: false }): QuorateError =>
  new QuorateError(Object.hasOwn(errorTable, code) ? (code as ErrorCode) : 'E_HOME_BUSY', message, hint, details ?? {})

const isBusy = (error: unknown): error is QuorateError => error instanceof QuorateError && error.code === 'E_HOME_BUSY'

/** The home itself, or the fault that somebody else has it. */
const take = async (folder: string, relays: RelayAccess | undefined): Promise<AtHome | QuorateError> => {
  try {
    return { owned: await openHomeSession(folder, relays) }
  } catch (error) {
    if (isBusy(error)) return error
    throw error
  }
}

/** One try; the fault of a home that is busy for a moment. */
const ask = async (
  folder: string,
  request: HomeRequest,
  { onEvent, signal, relays }: Waiting,
): Promise<AtHome | QuorateError> => {
  const asking = onEvent && { onEvent, ...(signal === undefined ? {} : { signal }) }
  const answer = await askOwner(folder, request, asking)
  if (answer === undefined) return take(folder, relays)
  if (answer.ok) return { done: answer.result }
  const fault = faultOf(answer)
  if (answer.again !== true) throw fault
  return fault
}

/**
 * A home has one writer. A command asks the process that owns it to do its work, and where none does it takes the home
 * itself. Between the two it tries again: owners come and go. Throws the owner's fault, and E_HOME_BUSY after `patience`.
 */
export const atHome = async (folder: string, request: HomeRequest, waiting: Waiting = {}): Promise<AtHome> => {
  const { patience = PATIENCE_MS, beforeHanding, onEvent, signal, relays } = waiting
  if (beforeHanding !== undefined) {
    const own = await take(folder, relays)
    if (!(own instanceof QuorateError)) return own
    await beforeHanding()
  }
  for (let pauses = 0; ; pauses++) {
    const answer = await ask(folder, request, waiting).catch((error: unknown) => {
      // An owner that ended in the middle of a ceremony has left it where this process can go on.
      if (isBusy(error) && error.details['ended'] === true && onEvent !== undefined) return error
      throw error
    })
    if (!(answer instanceof QuorateError)) return answer
    signal?.throwIfAborted()
    if (pauses * PAUSE_MS >= patience) throw answer
    await systemClock.sleep(PAUSE_MS, signal)
  }
}
