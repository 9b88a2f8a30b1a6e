import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { defaultLimits } from '../../src/transport/relay/limits.ts'
import { encodeAddressed } from '../../src/transport/relay-frame.ts'
import { built } from '../support/cli.ts'
import { many, report } from '../support/report.ts'
import { type RawClient, rawClient } from '../transport/raw-client.ts'
import { type Person, person } from '../transport/relay-support.ts'
import { site } from '../transport/support.ts'
import { ceremony } from './sockets-ceremony.ts'
import { attacks, metrics, relayProcess, sharedAttack } from './sockets-world.ts'

const MEBI = 2 ** 20
/** Of the whole process, with the default limits. */
const MEMORY = 512 * MEBI
const ALONE = many(1, 3, 10)
const TOGETHER = many(1, 5, 60)

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const end of open.splice(0).reverse()) await end()
})
const inside = async (url: string, self: Person, all: readonly Person[]): Promise<RawClient> => {
  const client = await rawClient(
    url,
    all.map(({ member }) => member),
  )
  open.push(() => client.socket.terminate())
  await client.enter(self)
  expect(await client.verdict()).toBe('admitted')
  return client
}

describe('a relay under an attack on what its clients share', () => {
  for (const [name, one] of Object.entries(attacks))
    test(`${name}: honest members stay, and all that they say arrives`, async () => {
      await built()
      const relay = await relayProcess()
      open.push(async () => {
        relay.signal('SIGKILL')
        await relay.ended
      })
      const honest = await ceremony(relay.url, ['eu', 'us', 'ap'])
      open.push(() => honest.close())
      const [a, b] = [await person('a'), await person('b')]
      const [says, hears] = [await inside(relay.url, a, [a, b]), await inside(relay.url, b, [a, b])]
      const running = await sharedAttack(relay, one)
      let said = 0
      let buffered = 0
      let notes = 0
      let resident = 0
      const end = performance.now() + (name === 'all' ? TOGETHER : ALONE) * 1000
      do {
        says.socket.send(encodeAddressed({ from: site('a'), to: site('b'), bytes: new Uint8Array(60_000) }))
        said += 1
        await honest.sign()
        const seen = await metrics(relay.url)
        buffered = Math.max(buffered, seen['buffered'] ?? 0)
        notes = Math.max(notes, seen['note_bytes'] ?? 0)
        resident = Math.max(resident, seen['resident_bytes'] ?? 0)
        await systemClock.sleep(20)
      } while (performance.now() < end)
      // Somebody new is let in meanwhile.
      const late = await person('c')
      await inside(relay.url, late, [late])
      const opened = await running.stop()
      while (hears.frames.length < said) await systemClock.sleep(10)
      report(`${name}: ${JSON.stringify(opened)}, ${honest.signed()} signatures, ${said} frames, most waiting`)
      report(`${buffered} bytes, notes ${notes} bytes, memory ${(resident / MEBI).toFixed(0)} of ${MEMORY / MEBI} MiB`)
      expect(honest.signed()).toBe(said)
      expect(honest.replaced()).toBe(0)
      expect(honest.rooms.map((room) => room.status()[0]?.state)).toEqual(['admitted', 'admitted', 'admitted'])
      expect([says, hears].map(({ socket }) => socket.readyState)).toEqual([says.socket.OPEN, hears.socket.OPEN])
      expect(buffered).toBeLessThanOrEqual(defaultLimits.bufferedTotal)
      expect(notes).toBeLessThanOrEqual(defaultLimits.notes)
      expect(resident).toBeLessThan(MEMORY)
    })
})
