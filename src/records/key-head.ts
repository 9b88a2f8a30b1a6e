import * as v from 'valibot'
import { type Codec, jsonCodec } from './codec.ts'
import { hash, identity, instant, label, whole } from './fields.ts'

const schema = v.strictObject({
  /** Hash of the keygen outcome. */
  key: hash,
  name: label,
  /** The newest record that the site uses, and its number. */
  record: hash,
  epoch: whole(1, 1_000_000),
  identity,
  at: instant,
})
/** "This is the newest epoch of the key that I know." By the signer's clock, and by its word alone. */
export type KeyHead = v.InferOutput<typeof schema>
export const keyHeadCodec: Codec<KeyHead> = jsonCodec('key-head/v1', schema, 4096)
