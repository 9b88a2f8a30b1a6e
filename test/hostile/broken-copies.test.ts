import { expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import { decodeFrame, encodeFrame } from '../../src/transport/channel-frame.ts'
import { initiate } from '../../src/transport/handshake.ts'
import { keyPair } from '../../src/transport/noise.ts'
import { memoryNetwork } from '../support/memory-wire.ts'
import { AUTHORITY, identityFor, openEnd, seeded, site, until } from '../transport/support.ts'

test('a relay that puts its own first message under the id of the true one keeps nobody apart', async () => {
  const net = memoryNetwork({ clock: systemClock, random: seeded('broken') })
  const random = seeded('forger')
  net.set({
    tamper: (_from, _to, frame) => {
      const decoded = decodeFrame(frame)
      if (decoded?.kind !== 'first') return [frame]
      const self = {
        identity: identityFor('a'),
        static: keyPair(new Secret(random(32))),
        instance: random(16),
        certificate: random(64),
        random: (length: number) => (length === 16 ? fromHex(decoded.id) : random(length)),
      }
      const other = { identity: identityFor('b'), accepts: () => true }
      const forged = initiate(AUTHORITY, self as never, other as never)
      return [encodeFrame({ kind: 'first', id: decoded.id, body: forged.first }), frame]
    },
  })
  const [a, b] = [openEnd('a', ['b'], net.join(site('a'))), openEnd('b', ['a'], net.join(site('b')))]
  const begun = performance.now()
  await until(() => [a, b].every((end) => end.connected.length > 0))
  expect(performance.now() - begun).toBeLessThan(1000)
  await Promise.all([a.close(), b.close()])
})
