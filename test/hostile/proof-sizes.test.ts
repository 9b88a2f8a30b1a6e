import { expect, it } from 'vitest'
import { BlameError } from '../../src/ceremony/session/endings.ts'
import { readSignedMessage, signMessage } from '../../src/ceremony/session/round-message.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { toBase64 } from '../../src/lib/bytes.ts'
import { blameCodec } from '../../src/records/round.ts'
import { seededRandom } from '../support/random.ts'
import { play, tableOf } from './parties.ts'
import { provenByStranger } from './strangers.ts'

/** The most that a proof takes: of 32 sites, a key of threshold 17. Sizes in bytes, printed. Two minutes: nightly. */
it.runIf(process.env['QUORATE_NIGHTLY'] !== undefined)(
  'proofs of a key generation of 32 sites fit their limits',
  async () => {
    const table = await tableOf({ kind: 'keygen', protocol: 'frost-ed25519', n: 32, t: 17 })
    const liar = table.sites[1] as SiteId
    const run = await play(
      table,
      table.sites,
      seededRandom('sizes'),
      new Map([
        [
          liar,
          (seat) => (to, bytes) => {
            const sent = readSignedMessage(bytes)
            if (sent.round !== 'shares' || to !== table.sites[0] || sent.payload === undefined) return [bytes]
            const wrong = sent.payload.slice()
            const last = wrong.length - 5
            wrong[last] = (wrong[last] ?? 0) ^ 1
            return [signMessage(seat.signer, sent, wrong, new Uint8Array(32)).bytes]
          },
        ],
      ]),
    )
    const reason: unknown = run.seats[0]?.session.signal.reason
    if (!(reason instanceof BlameError)) throw reason
    const share = blameCodec.encode(reason.blame).length
    const bundle = await provenByStranger(table, run, reason.blame)

    const honest = await play(table, table.sites, seededRandom('honest sizes'), new Map())
    expect(honest.endings.every(({ is }) => is === 'made')).toBe(true)
    // A staged outcome is judged by all that the accused signed to have received, besides a certificate and an envelope.
    const received = honest.seats[0]?.session.received(liar) ?? []
    const outcome = blameCodec.encode({ ...reason.blame, messages: received.map(toBase64) }).length
    console.log(
      `proofs at n = 32, t = 17: ${JSON.stringify({ check: reason.blame.check, share, bundle, outcome, messages: received.length })}`,
    )
    expect(received.length + 2).toBe(101)
    expect(outcome).toBeLessThan(blameCodec.limit / 2)
  },
)
