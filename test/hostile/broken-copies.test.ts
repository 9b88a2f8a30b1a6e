import { expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { memoryNetwork } from '../../src/transport/memory-wire.ts'
import { openEnd, seeded, site, until } from '../transport/support.ts'

test.each([0, 1, 2, 3])(
  'a relay that passes on a broken copy of every frame first keeps nobody apart (%i)',
  async (n) => {
    const net = memoryNetwork({ clock: systemClock, random: seeded('broken') })
    const random = seeded(`broken ${n}`)
    net.set({
      tamper: (_from, _to, frame) => {
        const at = 20 + (((random(2)[0] ?? 0) * 4 + (random(1)[0] ?? 0)) % Math.max(1, frame.length - 20))
        return [frame.map((byte, place) => (place === at ? byte ^ 1 : byte)), frame]
      },
    })
    const [a, b] = [openEnd('a', ['b'], net.join(site('a'))), openEnd('b', ['a'], net.join(site('b')))]
    const begun = performance.now()
    await until(() => [a, b].every((end) => end.connected.length > 0))
    expect(performance.now() - begun).toBeLessThan(1000)
    await Promise.all([a.close(), b.close()])
  },
)
