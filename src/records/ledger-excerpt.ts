import * as v from 'valibot'
import { type Codec, jsonCodec } from './codec.ts'
import { eventSchema } from './event.ts'
import { hash } from './fields.ts'

const schema = v.strictObject({
  /** Signed note of a ledger's head, as text. */
  head: v.pipe(v.string(), v.maxLength(4096)),
  /** The ledger's events about one ceremony, in order, each with its RFC 6962 inclusion proof under the head. */
  events: v.pipe(
    v.array(v.strictObject({ event: eventSchema, proof: v.pipe(v.array(hash), v.maxLength(53)) })),
    v.maxLength(4096),
  ),
})
/** The part of a site's ledger that a bundle shows: its head, and its events about this ceremony. */
export type LedgerExcerpt = v.InferOutput<typeof schema>
export const ledgerExcerptCodec: Codec<LedgerExcerpt> = jsonCodec('ledger-part/v1', schema, 2 ** 22)
