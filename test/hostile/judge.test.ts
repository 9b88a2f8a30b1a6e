import { describe, expect, it } from 'vitest'
import { BlameError } from '../../src/ceremony/session/endings.ts'
import { readSignedMessage, signMessage } from '../../src/ceremony/session/round-message.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { toBase64 } from '../../src/lib/bytes.ts'
import { signRounds } from '../../src/mpc/frost/sign.ts'
import { echoCodec, messageCodec } from '../../src/records/round.ts'
import { seededRandom } from '../support/random.ts'
import { type Play, play, type Seat, type Tamper, tableOf } from './parties.ts'
import { provenByStranger } from './strangers.ts'

const NONE = new Uint8Array(0)

/** Changes what a seat says in one round, to each receiver as `to` says. */
const inRound =
  (round: string, change: (seat: Seat, to: SiteId, bytes: Uint8Array) => readonly Uint8Array[]) =>
  (seat: Seat): Tamper =>
  (to, bytes) =>
    readSignedMessage(bytes).round === round ? change(seat, to, bytes) : [bytes]

const blamesIn = (run: Play, liars: readonly SiteId[]) =>
  run.seats.flatMap(({ site, session }) => {
    const reason: unknown = session.signal.reason
    return !liars.includes(site) && reason instanceof BlameError ? [reason.blame] : []
  })

describe('the judge', () => {
  it('takes no honest message of a key generation for a false one of a signature', async () => {
    const table = await tableOf({ kind: 'keygen', protocol: 'frost-ed25519', n: 3, t: 2 })
    const run = await play(table, table.sites, seededRandom('framed'), new Map())
    for (const { from, bytes } of run.sent) {
      const post = readSignedMessage(bytes)
      for (const protocol of [table.protocols.sign.id, 'x'])
        expect(
          run.judge({
            ceremony: run.facts.attempt?.ceremony ?? run.attempt,
            attempt: run.attempt,
            session: run.attempt,
            protocol,
            within: null,
            accused: from,
            party: post.from,
            accuser: table.sites.find((site) => site !== from) as SiteId,
            check: 'malformed',
            messages: [toBase64(bytes)],
          }),
        ).toBe(false)
    }
  })

  it('convicts a signer of a commitment that is no point, though its echo never came', async () => {
    const table = await tableOf({ kind: 'sign', protocol: 'frost-ed25519', n: 3, t: 2 })
    const liar = table.sites[0] as SiteId
    const bad = inRound('commitments', (seat, _to, bytes) => {
      const { protocol, session, round, from } = readSignedMessage(bytes)
      const value = signRounds('frost-ed25519').commitments.codec.encode([
        new Uint8Array(32).fill(0xff),
        new Uint8Array(32).fill(0xff),
      ])
      return [signMessage(seat.signer, { protocol, session, round, from, to: 0 }, value, NONE).bytes]
    })
    const run = await play(table, table.sites.slice(0, 2), seededRandom('no point'), new Map([[liar, bad]]))
    const [blame] = blamesIn(run, [liar])
    expect(blame).toMatchObject({ accused: liar, check: 'commitment-point' })
    expect(blame && run.judge(blame)).toBe(true)
    await provenByStranger(table, run, blame ?? expect.fail())
  })

  it('finds who gave two transcripts, where two liars agree on what passed between them', async () => {
    const table = await tableOf({ kind: 'keygen', protocol: 'frost-ed25519', n: 5, t: 3 })
    const [c, d] = table.sites.slice(3) as [SiteId, SiteId]
    const toldOther = new Set(table.sites.slice(0, 1))
    // Another header of the private message from c to d: made once, put into both liars' confirmations to the first site.
    let other: readonly [Uint8Array, Uint8Array] | undefined
    const split = inRound('confirm', (seat, to, bytes) => {
      const post = readSignedMessage(bytes)
      const vector = echoCodec.decode(post.payload ?? NONE)
      if (!toldOther.has(to) || other === undefined) return [bytes]
      const changed = vector.map((entry) => {
        const { round, from, to: receiver } = readSignedMessage(entryBytes(entry))
        return round === 'shares' && from === 4 && receiver === 5 ? (other as [Uint8Array, Uint8Array]) : entry
      })
      const { protocol, session, round, from } = post
      return [
        signMessage(seat.signer, { protocol, session, round, from, to: 0 }, echoCodec.encode(changed), NONE).bytes,
      ]
    })
    const entryBytes = ([header, signature]: readonly [Uint8Array, Uint8Array]): Uint8Array =>
      messageCodec.encode([header, signature, NONE, NONE])
    const first = (seat: Seat): Tamper => {
      const session = split(seat)
      return (to, bytes) => {
        const post = readSignedMessage(bytes)
        if (post.round === 'shares' && to === d && other === undefined) {
          const { protocol, session: id, round, from } = post
          const made = signMessage(
            seat.signer,
            { protocol, session: id, round, from, to: 5 },
            post.payload ?? NONE,
            new Uint8Array(32),
          )
          other = [made.headerBytes, made.signature]
        }
        return session(to, bytes)
      }
    }
    const run = await play(
      table,
      table.sites,
      seededRandom('split'),
      new Map([
        [c, first],
        [d, split],
      ]),
    )
    const blames = blamesIn(run, [c, d])
    expect(blames.length).toBeGreaterThan(0)
    for (const blame of blames) {
      expect([c, d]).toContain(blame.accused)
      expect(blame.check).toBe('equivocation')
      expect(run.judge(blame)).toBe(true)
      await provenByStranger(table, run, blame)
    }
    const made = run.endings.filter((one, at) => at < 3 && one.is === 'made' && 'outcome' in one)
    expect(new Set(made.map((one) => JSON.stringify('outcome' in one ? one.outcome : ''))).size).toBeLessThanOrEqual(1)
  })
})
