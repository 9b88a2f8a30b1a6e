import type { Identity } from '../lib/brand.ts'
import { concat, utf8, withoutMark } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { DecodeError } from '../records/codec.ts'
import { type Card, cardCodec } from '../records/identity.ts'
import { decodeEnvelope, type Signed } from '../records/signed.ts'
import { fromEnvelope, toEnvelope } from './dsse.ts'
import { parseIdentity } from './identity.ts'
import type { IdentityKey } from './identity-key.ts'

const [LF, CR] = [0x0a, 0x0d]

/** The line in a card file, as editors and mail programs leave it: a mark before it, either line end after it. */
const lineIn = (file: Uint8Array): Uint8Array => {
  const text = withoutMark(file)
  if (text.at(-1) !== LF) return text
  return text.subarray(0, text.at(-2) === CR ? -2 : -1)
}

/** A card file: one line, the DSSE envelope of the card that the identity signed over itself. */
export const makeCard = async ({ identity, signer }: IdentityKey, card: Card): Promise<Uint8Array> => {
  if (card.identity !== identity) throw new TypeError('a card is signed by the identity that it names')
  return concat(toEnvelope(await signer.sign(cardCodec, card)), utf8('\n'))
}

const selfSigned = (envelope: Uint8Array): Signed<Card> => {
  const claimed: Identity = cardCodec.decode(decodeEnvelope(envelope, cardCodec.limit).payload).identity
  const signer = parseIdentity(claimed)
  if (signer?.role !== 'site') throw new DecodeError('card/v1: the identity is not a site’s, or mistyped')
  return fromEnvelope(cardCodec, envelope, [signer.key])
}

/** The card in a file, signed by the site identity that it names. Throws E_CARD. */
export const readCard = (file: Uint8Array): Signed<Card> => {
  try {
    return selfSigned(lineIn(file))
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new QuorateError(
      'E_CARD',
      `not a card: ${error.message}`,
      'ask that site for its card again: quorate identity card, one line',
      {},
      error,
    )
  }
}
