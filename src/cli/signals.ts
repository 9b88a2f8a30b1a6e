import { stopped } from './fault.ts'
import { say } from './term.ts'

let controller: AbortController | undefined
let onStop: (() => void) | undefined
let stops = 0

/** Aborts at the first signal. A command that never asks for it is ended at once by the first one. */
export const stopSignal = (): AbortSignal => {
  controller ??= new AbortController()
  return controller.signal
}

/** The signal of a command that listens to it; one that does not is ended at once. */
export const stopRequested = (): AbortSignal | undefined => controller?.signal

const handle = (): void => {
  stops += 1
  if (controller === undefined || stops > 1) {
    onStop?.()
    return
  }
  say({ label: 'stopping', text: 'at the next safe point', note: 'once more to stop now' })
  controller.abort(stopped())
}

/** `end` ends the process; it runs when nobody listens to the signal, or at the second one. */
export const handleSignals = (end: () => void): void => {
  onStop = end
  process.on('SIGINT', handle)
  process.on('SIGTERM', handle)
  // The terminal is gone. Its shell often says so once more, which is nobody's wish to end at once.
  process.on('SIGHUP', () => {
    if (stops === 0) handle()
  })
}

const BOUND = 'QUORATE_DEMO_PROCESS'
const GRACE_MS = 3000

/**
 * Environment of the demo's processes: they end with whoever holds the other end of their stdin, and Node gets no
 * options, since one that waits for a debugger would hold them before their guard can refuse it.
 */
export const boundEnvironment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => {
  const { NODE_OPTIONS: _, ...others } = env
  return { ...others, [BOUND]: 'stdin' }
}

/** A killed demo can tell nobody: its processes see their stdin end, stop as at a signal, and after a grace at once. */
export const endWithDemo = (): void => {
  if (process.env[BOUND] === undefined) return
  delete process.env[BOUND]
  process.stdin.once('close', () => {
    handle()
    setTimeout(handle, GRACE_MS)
  })
  process.stdin.on('error', () => undefined).resume()
}
