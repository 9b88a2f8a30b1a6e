import type { Party } from '../lib/brand.ts'
import { equal } from '../lib/bytes.ts'
import { type Codec, DecodeError } from '../records/codec.ts'
import type { Claim } from './mailbox.ts'

/** The one message of a claim that this party sent in this round, decoded; undefined where there is none, where it does not decode, or where two differ. */
export const oneMessage = <T>(
  claim: Pick<Claim<unknown>, 'messages'>,
  round: string,
  from: Party,
  codec: Codec<T>,
): { readonly to: number; readonly value: T } | undefined => {
  const [first, ...others] = claim.messages.filter((message) => message.round === round && message.from === from)
  if (first === undefined) return undefined
  if (others.some((other) => other.to !== first.to || !equal(other.payload, first.payload))) return undefined
  try {
    return { to: first.to, value: codec.decode(first.payload) }
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
