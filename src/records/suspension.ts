import * as v from 'valibot'
import { type Codec, jsonCodec } from './codec.ts'
import { hash } from './fields.ts'
import { abortReason } from './note.ts'

const schema = v.strictObject({
  /** Hash of its keygen outcome. */
  key: hash,
  reason: abortReason,
})
/** Body of a ledger's `suspended` and `resumed`: a site's own word that it does nothing with a key, or does again. */
type Suspension = v.InferOutput<typeof schema>
export const suspensionCodec: Codec<Suspension> = jsonCodec('suspension/v1', schema, 4096)
