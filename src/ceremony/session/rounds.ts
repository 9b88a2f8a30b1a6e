import type { Party } from '../../lib/brand.ts'
import { equal } from '../../lib/bytes.ts'
import { type EchoVector, echoCodec } from '../../records/round.ts'
import { cloned } from './endings.ts'
import { confirmEntries, entryOf, slot } from './entries.ts'
import type { OpenSession } from './open-session.ts'
import type { SignedMessage } from './round-message.ts'
import { confirmRound, echoRound, type RoundSpec, roundSpec } from './round-spec.ts'
import { byHeader } from './transcript.ts'

/** One broadcast round: own message out, all others' in, and the comparisons that this round and the one before ask for. */
export const broadcastRound = async (
  session: OpenSession,
  round: string,
  own: unknown,
): Promise<ReadonlyMap<Party, unknown>> => {
  const { rounds } = session.place
  const spec = roundSpec(rounds, round) as RoundSpec
  const names = Object.keys(rounds)
  const before = names.slice(0, names.indexOf(round))
  const ridden = before.filter((name) => rounds[name]?.echo === 'rides').at(-1)
  if (ridden !== undefined) sendEcho(session, ridden)
  session.broadcast(round, spec.codec.encode(own))
  await session.collect(round)
  if (ridden !== undefined) await compareEchoes(session, ridden)
  if (rounds[round]?.echo === 'round') {
    sendEcho(session, round)
    await compareEchoes(session, round)
  }
  return new Map([[session.self, own], ...session.peers.map((peer) => [peer, session.said(round, peer)] as const)])
}

/** One private round: a message to each peer, and one from each. */
export const scatterRound = async (
  session: OpenSession,
  round: string,
  to: (peer: Party) => unknown,
): Promise<ReadonlyMap<Party, unknown>> => {
  const spec = roundSpec(session.place.rounds, round) as RoundSpec
  for (const peer of session.peers) session.send(round, peer, spec.codec.encode(to(peer)))
  await session.collect(round, session.self)
  return new Map(session.peers.map((peer) => [peer, session.said(round, peer, session.self)] as const))
}

const sendEcho = (session: OpenSession, round: string): void => {
  const vector: EchoVector = session.place.sites.map((_, at) => {
    const { headerBytes, signature } = session.message(round, at + 1) as SignedMessage
    return [headerBytes, signature]
  })
  session.broadcast(echoRound(round), echoCodec.encode(vector))
}

/**
 * Compares what each peer says it received with what came here. Two headers of one sender that both bear its signature
 * prove the sender's fault; an entry that does not bear it proves the echoer's.
 */
export const compareEchoes = async (session: OpenSession, round: string): Promise<void> => {
  const { sites } = session.place
  for (const [peer, echo] of await session.collect(echoRound(round), 0, false)) {
    const vector = session.said<EchoVector>(echoRound(round), peer)
    if (vector.length !== sites.length) session.accuse(peer, 'echo', [echo.bytes])
    vector.forEach(([headerBytes, signature], at) => {
      const sender = (at + 1) as Party
      const held = session.message(round, sender) as SignedMessage
      if (equal(held.headerBytes, headerBytes) && equal(held.signature, signature)) return
      const other = entryOf(headerBytes, signature, held, session.keyOf(sender))
      if (other === undefined) session.accuse(peer, 'echo', [echo.bytes])
      if (equal(held.headerBytes, headerBytes)) return
      if (sender === session.self) session.raise(cloned(session.siteOf(sender)))
      session.accuse(sender, 'equivocation', [held.stripped, other.stripped])
    })
  }
}

/** The last round of a protocol with private messages: every sender and receiver state the same headers, or one is named. */
export const confirmPrivates = async (session: OpenSession): Promise<void> => {
  const { rounds, sites } = session.place
  const mine = session.messages.filter(({ to }) => to !== 0).toSorted(byHeader)
  const vector: EchoVector = mine.map(({ headerBytes, signature }) => [headerBytes, signature])
  session.broadcast(confirmRound, echoCodec.encode(vector))
  const privates = Object.keys(rounds).filter((name) => rounds[name]?.to === 'each')
  const claims = new Map<string, Map<Party, SignedMessage>>()
  const claim = (by: Party, message: SignedMessage): void => {
    const key = slot(message.round, message.from, message.to)
    claims.set(key, (claims.get(key) ?? new Map()).set(by, message))
  }
  const confirmations = await session.collect(confirmRound)
  for (const message of mine) claim(session.self, message)
  for (const [peer, message] of confirmations) {
    const keyOf = (party: Party) => session.keyOf(party)
    const said = session.said<EchoVector>(confirmRound, peer)
    const headers = confirmEntries(said, peer, message, sites.length, privates, keyOf)
    if (headers === undefined) session.accuse(peer, 'confirm', [message.bytes])
    for (const one of headers) claim(peer, one)
  }
  for (const byParty of claims.values()) {
    const [first, second] = [...byParty.values()]
    if (first === undefined || second === undefined) throw new Error('a private message that one side only confirmed')
    if (!equal(first.headerBytes, second.headerBytes))
      session.accuse(first.from, 'equivocation', [first.stripped, second.stripped])
    if (session.message(first.round, first.from, first.to) === undefined)
      session.keep(first, session.siteOf(first.from))
  }
  session.confirmed()
  sendEcho(session, confirmRound)
}
