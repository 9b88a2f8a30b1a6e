import { expect, test, vi } from 'vitest'
import { handleSignals, stopSignal } from '../../src/cli/signals.ts'

test('a second Ctrl-C ends a process at once, and a second SIGHUP does not', () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const before = new Map(['SIGHUP', 'SIGINT'].map((name) => [name, process.listeners(name as 'SIGINT')]))
  const end = vi.fn()
  const signal = stopSignal()
  handleSignals(end)
  const send = (name: 'SIGHUP' | 'SIGINT'): void => {
    for (const listener of process.listeners(name)) if (!before.get(name)?.includes(listener)) listener(name)
  }
  send('SIGHUP')
  expect([signal.aborted, end.mock.calls.length]).toEqual([true, 0])
  send('SIGHUP')
  expect(end).not.toHaveBeenCalled()
  send('SIGINT')
  expect(end).toHaveBeenCalledOnce()
  for (const name of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.removeAllListeners(name)
  vi.restoreAllMocks()
})
