import type { Hash, KeyHex, Party } from '../../lib/brand.ts'
import { equal, toHex } from '../../lib/bytes.ts'
import type { JudgedMessage, ProtocolRules, Rounds } from '../../mpc/mailbox.ts'
import { echoCodec } from '../../records/round.ts'
import { type SignedMessage, signedBy } from './round-message.ts'
import { confirmRound, echoRound } from './round-spec.ts'
import { confirmEntries, transcriptOf } from './session.ts'

/** A whole session as one party signed that it received it. */
interface Received {
  readonly messages: readonly JudgedMessage[]
  readonly transcript: Hash
}

const NONE = new Uint8Array(0)

/**
 * What a party received, by its own word: its echoes of the broadcasts and of the confirmations, with these messages.
 * Nobody else's word can make it another. Undefined where the messages do not show all of it.
 */
export const receivedBy = (
  party: Party,
  { id, rounds }: Pick<ProtocolRules<Rounds, never>, 'id' | 'rounds'>,
  session: Hash,
  keys: readonly KeyHex[],
  messages: readonly SignedMessage[],
): Received | undefined => {
  const keyOf = (one: Party): KeyHex => keys[one - 1] as KeyHex
  const held = new Map<string, SignedMessage>()
  for (const message of messages) {
    const { protocol, from, to, round, payload } = message
    const here = protocol === id && toHex(message.session) === session && to === 0 && keys[from - 1] !== undefined
    if (!here || payload === undefined || !signedBy(message, keyOf(from))) return undefined
    held.set(`${round}|${from}`, message)
  }
  const seen = (round: string): readonly SignedMessage[] | undefined => {
    const echo = held.get(`${echoRound(round)}|${party}`)?.payload
    const vector = echo === undefined ? [] : echoCodec.decode(echo)
    const all = keys.map((_, at) => held.get(`${round}|${at + 1}`))
    const same = all.every((one, at) => one !== undefined && equal(vector[at]?.[0] ?? NONE, one.headerBytes))
    return vector.length === keys.length && same ? (all as readonly SignedMessage[]) : undefined
  }
  const names = Object.keys(rounds)
  const broadcasts: SignedMessage[] = []
  for (const round of names.filter((name) => rounds[name]?.to === 'all')) {
    const found = seen(round)
    if (found === undefined) return undefined
    broadcasts.push(...found)
  }
  const headers = new Map<string, Uint8Array>()
  const privates = names.filter((name) => rounds[name]?.to === 'each')
  const confirmations = privates.length === 0 ? [] : seen(confirmRound)
  if (confirmations === undefined) return undefined
  for (const one of confirmations) {
    const vector = echoCodec.decode(one.payload ?? NONE)
    const entries = confirmEntries(vector, one.from, one, keys.length, privates, keyOf)
    if (entries === undefined) return undefined
    for (const { round, from, to, headerBytes } of entries) {
      const place = `${round}|${from}|${to}`
      if (!equal(headers.get(place) ?? headerBytes, headerBytes)) return undefined
      headers.set(place, headerBytes)
    }
  }
  return {
    messages: broadcasts.map(({ round, from, to, payload }) => ({ round, from, to, payload: payload ?? NONE })),
    transcript: transcriptOf([...broadcasts.map((one) => one.headerBytes), ...headers.values()]),
  }
}
