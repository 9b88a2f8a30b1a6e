import * as v from 'valibot'
import { type Codec, jsonCodec } from './codec.ts'
import { hash, hexOf, instant, keyHex, siteId, sorted, whole } from './fields.ts'

const helloSchema = v.strictObject({
  ceremony: hash,
  site: siteId,
  /** Fresh with each hello. */
  nonce: hexOf(16, 16),
  /** Counts this join's hellos; the highest of one message key stands. */
  sequence: whole(1, 1_000_000),
  /** Hash of the certificate of the message key that signs this. */
  certificate: hash,
  approvals: sorted(hash, 48),
  evidence: sorted(hash, 32),
  /** Head of this site's ledger at its last barrier: SHA-256 of the signed checkpoint note. */
  ledger: v.strictObject({ size: whole(0, 2 ** 40), root: hash, checkpoint: hash }),
  /** Record of the newest epoch whose ready set this site can show; null before the first. */
  epoch: v.nullable(hash),
  votes: sorted(hash, 32),
  /** Hash of the result held (sign). */
  result: v.nullable(hash),
  /** Last attempt that this site signed under this definition. */
  lastAttempt: v.nullable(hash),
  /** Attempts that it has signed. */
  attempts: whole(0, 100),
  clock: instant,
  build: hash,
  /** The site only checks: it will sign no attempt. */
  check: v.boolean(),
})
export type Hello = v.InferOutput<typeof helloSchema>
export const helloCodec: Codec<Hello> = jsonCodec('hello/v1', helloSchema)

const attemptSchema = v.strictObject({
  ceremony: hash,
  /** One more than the most that any participant has signed. */
  number: whole(1, 100),
  /** The first proposes. */
  participants: v.pipe(
    v.array(v.strictObject({ site: siteId, key: keyHex, hello: hash, last: v.nullable(hash) })),
    v.minLength(2),
    v.maxLength(32),
  ),
  /** The epoch's record that is used; null in a keygen. */
  base: v.nullable(hash),
  /** Seconds, as in the definition. */
  round: whole(1, 3600),
  at: instant,
})
export type Attempt = v.InferOutput<typeof attemptSchema>
/** Each participant signs these bytes with its message key; their hash is the session id. */
export const attemptCodec: Codec<Attempt> = jsonCodec('attempt/v1', attemptSchema)
