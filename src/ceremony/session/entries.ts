import type { KeyHex, Party } from '../../lib/brand.ts'
import { equal } from '../../lib/bytes.ts'
import { DecodeError } from '../../records/codec.ts'
import type { EchoVector } from '../../records/round.ts'
import { readStripped, type SignedMessage, signedBy } from './round-message.ts'

/** A message's place in its session: each holds one. */
export const slot = (round: string, from: number, to: number): string => `${round}|${from}|${to}`

/** Another message that the sender signed for the place that `held` has; undefined where the entry shows no such thing. */
export const entryOf = (
  headerBytes: Uint8Array,
  signature: Uint8Array,
  held: Pick<SignedMessage, 'protocol' | 'session' | 'round' | 'from' | 'to'>,
  key: KeyHex,
): SignedMessage | undefined => {
  try {
    const other = readStripped(headerBytes, signature)
    const same =
      other.protocol === held.protocol &&
      equal(other.session, held.session) &&
      other.round === held.round &&
      other.from === held.from &&
      other.to === held.to
    return same && signedBy(other, key) ? other : undefined
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/**
 * The private headers that one party confirms: exactly one for each private round to and from each other party, each
 * signed by its sender. Undefined where the confirmation is anything else, which proves its author's fault.
 */
export const confirmEntries = (
  vector: EchoVector,
  author: Party,
  confirmation: SignedMessage,
  parties: number,
  rounds: readonly string[],
  keyOf: (party: Party) => KeyHex,
): readonly SignedMessage[] | undefined => {
  const wanted = new Set<string>()
  for (const round of rounds)
    for (let other = 1; other <= parties; other++)
      if (other !== author) wanted.add(slot(round, author, other)).add(slot(round, other, author))
  const entries: SignedMessage[] = []
  for (const [headerBytes, signature] of vector) {
    let head: SignedMessage
    try {
      head = readStripped(headerBytes, signature)
    } catch (error) {
      if (error instanceof DecodeError) return undefined
      throw error
    }
    const { protocol, session } = confirmation
    if (!wanted.delete(slot(head.round, head.from, head.to))) return undefined
    const other = entryOf(
      headerBytes,
      signature,
      { protocol, session, round: head.round, from: head.from, to: head.to },
      keyOf(head.from),
    )
    if (other === undefined) return undefined
    entries.push(other)
  }
  return wanted.size === 0 ? entries : undefined
}
