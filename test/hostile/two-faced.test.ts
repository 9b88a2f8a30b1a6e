import { describe, expect, it } from 'vitest'
import { BlameError } from '../../src/ceremony/session/endings.ts'
import {
  readSignedMessage,
  readStripped,
  type SignedMessage,
  signMessage,
} from '../../src/ceremony/session/round-message.ts'
import type { RawSigner } from '../../src/identity/ed25519.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { fromBase64, utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { echoCodec } from '../../src/records/round.ts'
import { seededRandom } from '../support/random.ts'
import { type Kind, type Play, play, type Seat, type Tamper, tableOf } from './parties.ts'

/**
 * What echoes and confirmations alone can show: a sender that says two things. Without them a session ends on some later
 * fault, which names somebody else or nobody.
 */

const NONE = new Uint8Array(0)
const [s1, s2, s3] = ['s1', 's2', 's3'] as [SiteId, SiteId, SiteId]

const reasonAt = (run: Play, site: SiteId): unknown =>
  run.seats.find((seat) => seat.site === site)?.session.signal.reason

const blameAt = (run: Play, site: SiteId) => {
  const reason = reasonAt(run, site)
  return reason instanceof BlameError ? reason.blame : undefined
}

const again = (signer: RawSigner, post: SignedMessage, payload: Uint8Array, salt: Uint8Array = NONE): SignedMessage =>
  signMessage(signer, post, payload, salt)

/** Changes what one site says in a round to one peer. */
const inRound =
  (round: string, peers: readonly SiteId[], change: (signer: RawSigner, post: SignedMessage) => Uint8Array) =>
  (seat: Seat): Tamper =>
  (to, bytes) => {
    const post = readSignedMessage(bytes)
    return [post.round === round && peers.includes(to) ? change(seat.signer, post) : bytes]
  }

/** Puts another header, under this key, in the place of one in a vector. */
const withEntry = (
  post: SignedMessage,
  isOne: (entry: SignedMessage) => boolean,
  signerOf: () => RawSigner,
  salt: Uint8Array,
): Uint8Array =>
  echoCodec.encode(
    echoCodec.decode(post.payload ?? NONE).map(([header, signature]) => {
      const entry = readStripped(header, signature)
      if (!isOne(entry)) return [header, signature]
      const other = again(signerOf(), entry, utf8('another'), salt)
      return [other.headerBytes, other.signature]
    }),
  )

const flipped = (bytes: Uint8Array): Uint8Array => bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte))

describe('a sender of two', () => {
  it.each([
    ['keygen', 'commitments'],
    ['keygen', 'openings'],
  ] as readonly [Kind, string][])('%s %s is named by the echoes, at both', async (kind, round) => {
    const table = await tableOf({ kind, protocol: 'frost-ed25519', n: 3, t: 2 })
    const change = inRound(round, [s1], (signer, post) => again(signer, post, flipped(post.payload ?? NONE)).bytes)
    const run = await play(table, table.sites, seededRandom(`two ${round}`), new Map([[s3, change]]))
    for (const site of [s1, s2]) expect(blameAt(run, site), site).toMatchObject({ accused: s3, check: 'equivocation' })
    for (const site of [s1, s2]) expect(run.judge(blameAt(run, site) ?? expect.fail())).toBe(true)
  })

  it('commitments of a signature is named by the vectors that ride on the shares', async () => {
    const table = await tableOf({ kind: 'sign', protocol: 'frost-ed25519', n: 3, t: 3 })
    const other = await play(table, table.sites, seededRandom('other nonces'), new Map())
    const nonces = other.sent
      .filter(({ from }) => from === s3)
      .map(({ bytes }) => readSignedMessage(bytes))
      .find(({ round }) => round === 'commitments')?.payload
    const change = inRound('commitments', [s1], (signer, post) => again(signer, post, nonces ?? expect.fail()).bytes)
    const run = await play(table, table.sites, seededRandom('two nonces'), new Map([[s3, change]]))
    for (const site of [s1, s2]) expect(blameAt(run, site), site).toMatchObject({ accused: s3, check: 'equivocation' })
  })

  it('shares, one sent and one confirmed, is named by the confirmations', async () => {
    const table = await tableOf({ kind: 'keygen', protocol: 'frost-ed25519', n: 3, t: 2 })
    const change = (seat: Seat): Tamper =>
      inRound('confirm', [s1, s2], (signer, post) => {
        const isOne = ({ from, to }: SignedMessage): boolean => Number(from) === 3 && Number(to) === 1
        return again(
          signer,
          post,
          withEntry(post, isOne, () => signer, new Uint8Array(32)),
        ).bytes
      })(seat)
    const run = await play(table, table.sites, seededRandom('two shares'), new Map([[s3, change]]))
    for (const site of [s1, s2]) {
      const blame = blameAt(run, site)
      expect(blame, site).toMatchObject({ accused: s3, check: 'equivocation' })
      // By the two headers themselves, and not by what the liar echoes of its own confirmation.
      const rounds = blame?.messages.map((text) => readSignedMessage(fromBase64(text)).round)
      expect(rounds).toEqual(['shares', 'shares'])
    }
  })
})

it('a site that is shown what its key signed and this process did not send says that it is cloned', async () => {
  const table = await tableOf({ kind: 'keygen', protocol: 'frost-ed25519', n: 3, t: 2 })
  let stolen: RawSigner | undefined
  const victim = (seat: Seat): Tamper => {
    stolen = seat.signer
    return (_to, bytes) => [bytes]
  }
  const echoer = inRound('commitments:echo', [s1, s2], (signer, post) => {
    const vector = withEntry(
      post,
      ({ from }) => Number(from) === 1,
      () => stolen ?? expect.fail(),
      NONE,
    )
    return again(signer, post, vector).bytes
  })
  const run = await play(
    table,
    table.sites,
    seededRandom('cloned'),
    new Map([
      [s1, victim],
      [s3, echoer],
    ]),
  )
  const reason = reasonAt(run, s1)
  expect(reason).toBeInstanceOf(QuorateError)
  expect((reason as QuorateError).code).toBe('E_SITE_ROLLED_BACK')
  expect(blameAt(run, s2)).toMatchObject({ accused: s1, check: 'equivocation' })
})
