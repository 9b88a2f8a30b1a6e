import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { systemRandom } from '../../src/host/random.ts'

describe('system clock', () => {
  it('sleeps, and wakes with the reason of a signal', async () => {
    const from = systemClock.monotonic()
    await systemClock.sleep(20)
    expect(systemClock.monotonic() - from).toBeGreaterThanOrEqual(19)
    const reason = new Error('stop')
    await expect(systemClock.sleep(60_000, AbortSignal.abort(reason))).rejects.toBe(reason)
    const later = new AbortController()
    setTimeout(() => later.abort(reason), 5)
    await expect(systemClock.sleep(2 ** 40, later.signal)).rejects.toBe(reason)
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1000)
  })

  it('lets a hundred waits rest on one signal without a word of Node about it', async () => {
    const warned: string[] = []
    const hear = (warning: Error): void => void warned.push(warning.name)
    process.on('warning', hear)
    const over = new AbortController()
    const waits = Array.from({ length: 100 }, () => systemClock.sleep(60_000, over.signal).catch(() => undefined))
    await systemClock.sleep(1)
    over.abort()
    await Promise.all(waits)
    process.off('warning', hear)
    expect(warned).toEqual([])
  })

  it('has random bytes of the length asked for', () => {
    expect(systemRandom(32)).toHaveLength(32)
    expect(systemRandom(32)).not.toEqual(systemRandom(32))
  })
})

it('a date that no record can hold is a fault of the clock', () => {
  for (const at of [-1, Date.UTC(9999, 11, 31), 8.64e15]) {
    const spied = vi.spyOn(Date, 'now').mockReturnValue(at)
    expect(() => systemClock.now()).toThrow(expect.objectContaining({ code: 'E_CLOCK' }))
    spied.mockRestore()
  }
})
