import type { Hash, KeyHex, Party } from '../../lib/brand.ts'
import { equal, toHex } from '../../lib/bytes.ts'
import type { JudgedMessage } from '../../mpc/mailbox.ts'
import { echoCodec } from '../../records/round.ts'
import { confirmEntries } from './entries.ts'
import { type SignedMessage, signedBy } from './round-message.ts'
import { confirmRound, echoRound } from './round-spec.ts'
import type { KnownSession } from './sub-session.ts'
import { transcriptOf } from './transcript.ts'

/** A whole attempt as one party signed that it received it. */
interface Received {
  /** Broadcasts of the attempt's own session. */
  readonly messages: readonly JudgedMessage[]
  readonly transcript: Hash
}

const NONE = new Uint8Array(0)

/**
 * Messages that a party received, by its own word: its echoes of the broadcasts and of the confirmations, with these
 * messages, in the attempt's own session (the first) and in each inside it that the transcript covers. Nobody else's
 * word can make it another. Undefined where the messages do not show all of it.
 */
export const receivedBy = (
  party: Party,
  sessions: readonly KnownSession[],
  keys: readonly KeyHex[],
  messages: readonly SignedMessage[],
): Received | undefined => {
  const covered = sessions.filter(({ inTranscript }) => inTranscript)
  const bySession = new Map(covered.map(({ id }) => [id, new Map<string, SignedMessage>()]))
  for (const message of messages) {
    const held = bySession.get(toHex(message.session) as Hash)
    const key = keys[message.from - 1]
    if (held === undefined || key === undefined || message.payload === undefined || message.to !== 0) return undefined
    if (!signedBy(message, key)) return undefined
    held.set(`${message.round}|${message.from}`, message)
  }
  const headers: Uint8Array[] = []
  const broadcasts: SignedMessage[] = []
  for (const session of covered) {
    const found = seenIn(session, party, keys, bySession.get(session.id) ?? new Map())
    if (found === undefined) return undefined
    headers.push(...found.headers)
    if (session.name === null) broadcasts.push(...found.broadcasts)
  }
  return {
    messages: broadcasts.map(({ round, from, to, payload }) => ({ round, from, to, payload: payload ?? NONE })),
    transcript: transcriptOf(headers),
  }
}

/** One session of all parties, as this one signed that it saw it. */
const seenIn = (
  { rules: { id, rounds } }: KnownSession,
  party: Party,
  keys: readonly KeyHex[],
  held: ReadonlyMap<string, SignedMessage>,
): { readonly broadcasts: readonly SignedMessage[]; readonly headers: readonly Uint8Array[] } | undefined => {
  const seen = (round: string): readonly SignedMessage[] | undefined => {
    const echo = held.get(`${echoRound(round)}|${party}`)?.payload
    const vector = echo === undefined ? [] : echoCodec.decode(echo)
    const all = keys.map((_, at) => held.get(`${round}|${at + 1}`))
    const same = all.every((one, at) => one?.protocol === id && equal(vector[at]?.[0] ?? NONE, one.headerBytes))
    return vector.length === keys.length && same ? (all as readonly SignedMessage[]) : undefined
  }
  const names = Object.keys(rounds)
  const broadcasts: SignedMessage[] = []
  for (const round of names.filter((name) => rounds[name]?.to === 'all')) {
    const found = seen(round)
    if (found === undefined) return undefined
    broadcasts.push(...found)
  }
  const privates = names.filter((name) => rounds[name]?.to === 'each')
  const confirmations = privates.length === 0 ? [] : seen(confirmRound)
  if (confirmations === undefined) return undefined
  const headers = new Map<string, Uint8Array>()
  for (const one of confirmations) {
    const vector = echoCodec.decode(one.payload ?? NONE)
    const keyOf = (other: Party): KeyHex => keys[other - 1] as KeyHex
    const entries = confirmEntries(vector, one.from, one, keys.length, privates, keyOf)
    if (entries === undefined) return undefined
    for (const { round, from, to, headerBytes } of entries) {
      const place = `${round}|${from}|${to}`
      if (!equal(headers.get(place) ?? headerBytes, headerBytes)) return undefined
      headers.set(place, headerBytes)
    }
  }
  return { broadcasts, headers: [...broadcasts.map((one) => one.headerBytes), ...headers.values()] }
}
