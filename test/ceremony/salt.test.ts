import { expect, it } from 'vitest'
import { readSignedMessage } from '../../src/ceremony/session/round-message.ts'
import { Session } from '../../src/ceremony/session/session.ts'
import { systemClock } from '../../src/host/clock.ts'
import { rawSigner } from '../../src/identity/ed25519.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { frostKeygen } from '../../src/mpc/frost/keygen.ts'
import { loadSuite, suiteOf } from '../../src/mpc/frost/suite.ts'
import { messageCodec } from '../../src/records/round.ts'
import { seededRandom } from '../support/random.ts'

it('keeps of a private message what nobody can try guesses at', async () => {
  await loadSuite('frost-ed25519')
  const sites = ['eu', 'us', 'ap'] as SiteId[]
  const signer = rawSigner(new Secret(new Uint8Array(32).fill(5)))
  const sent: Uint8Array[] = []
  const kept: Uint8Array[] = []
  const session = new Session({
    ceremony: hashOf(utf8('ceremony')),
    attempt: hashOf(utf8('attempt')) as Hash,
    parties: sites.map((site) => ({ site, key: signer.key })),
    self: 'eu' as SiteId,
    signer,
    clock: systemClock,
    random: seededRandom('salt'),
    roundMs: 1000,
    send: (_, bytes) => sent.push(bytes),
    record: (bytes) => kept.push(bytes),
    progress: () => undefined,
  })
  const box = session.mailbox(frostKeygen('frost-ed25519'))
  const { field } = suiteOf('frost-ed25519').group
  const share = field.encode(field.fromNumber(7))
  // Both peers get one share: only what hides it may make the two headers differ.
  const waiting = box.scatter('shares', () => share).catch(() => undefined)
  session.fail(new Error('enough'))
  await waiting
  session.recordUnconfirmed()
  const digests = sent.map((bytes) => toHex(readSignedMessage(bytes).digest))
  expect(digests).toHaveLength(2)
  expect(new Set(digests).size).toBe(2)
  for (const bytes of sent) expect(messageCodec.decode(bytes)[3]).toHaveLength(32)
  expect(kept).toHaveLength(2)
  for (const bytes of kept) {
    const [, , payload, salt] = messageCodec.decode(bytes)
    expect([payload.length, salt.length]).toEqual([0, 0])
  }
})
