import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { scrypt } from '../../src/lib/scrypt.ts'
import { stillClock } from '../../src/rehearsal/still-clock.ts'

const bytes = new Uint8Array(16)

describe('a clock that moves only when all wait', () => {
  it('wakes in the order of time, then of falling asleep, with no wait of its own', async () => {
    const clock = stillClock()
    const begun = [clock.now(), clock.monotonic()]
    const woken: string[] = []
    const sleep = async (ms: number, name: string): Promise<void> => {
      await clock.sleep(ms)
      woken.push(`${name} ${clock.monotonic()}`)
    }
    await Promise.all([sleep(86_400_000, 'day'), sleep(5, 'a'), sleep(5, 'b'), sleep(1, 'first'), sleep(0, 'now')])
    expect(woken).toEqual(['now 0', 'first 1', 'a 5', 'b 5', 'day 86400000'])
    expect([clock.now() - (begun[0] as number), begun[1]]).toEqual([86_400_000, 0])
  })

  it('stands still while anything else goes on: promises, turns of the loop, files, held work', async () => {
    const clock = stillClock()
    let over = 0
    const late = clock.sleep(1).then(() => {
      over = clock.monotonic()
    })
    const folder = await mkdtemp(join(tmpdir(), 'still'))
    expect(over).toBe(0)
    for (let k = 0; k < 20; k++) await clock.hold(readFile(import.meta.filename))
    await rm(folder, { recursive: true })
    expect(over).toBe(0)
    await clock.hold(scrypt(bytes, bytes, 2 ** 14, 32))
    expect(over).toBe(0)
    for (let k = 0; k < 1000; k++) await Promise.resolve()
    expect(over).toBe(0)
    await late
    expect(over).toBe(1)
  })

  it('rejects a sleep with the reason of its signal, before and meanwhile', async () => {
    const clock = stillClock()
    const gone = new AbortController()
    const reason = new Error('gone')
    const sleeping = expect(clock.sleep(10, gone.signal)).rejects.toBe(reason)
    void clock.sleep(5).then(() => gone.abort(reason))
    await sleeping
    await expect(clock.sleep(10, gone.signal)).rejects.toBe(reason)
    expect(clock.monotonic()).toBe(5)
  })

  it('ends what waits for nothing', async () => {
    const clock = stillClock()
    const forever = async (): Promise<never> => {
      for (;;) await clock.sleep(86_400_000)
    }
    await expect(forever()).rejects.toThrow('waits for nothing')
  })

  it('wakes nobody after stop', async () => {
    const clock = stillClock()
    let woken = false
    void clock.sleep(1).then(() => {
      woken = true
    })
    clock.stop()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(woken).toBe(false)
  })
})
