import { stopped } from './fault.ts'
import { say } from './term.ts'

let controller: AbortController | undefined
let onStop: (() => void) | undefined
let stops = 0

/** Aborts at the first signal. Who never asks for it is ended at once by the first one. */
export const stopSignal = (): AbortSignal => {
  controller ??= new AbortController()
  return controller.signal
}

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
}
