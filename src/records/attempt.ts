import * as v from 'valibot'
import { type Codec, jsonCodec, readAs, withOlder } from './codec.ts'
import { hash, hexOf, instant, keyHex, label, line, siteId, sorted, whole } from './fields.ts'

const helloFields = {
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
}
const helloSchema = v.strictObject({
  ...helloFields,
  /** Record of which this site holds all ready votes of this ceremony; null: of none. */
  readySet: v.nullable(hash),
  /** Name and version of the program that runs quorate, as `node 20.20.2`; null: not said (v1). */
  runtime: v.nullable(line(64)),
  /** Hash over the files of the packages by which this site reaches its KMS and stores, by provider; `build` is without them. */
  sdks: v.pipe(
    v.array(v.strictObject({ provider: label, build: hash })),
    v.maxLength(8),
    v.check(
      (all) => all.every(({ provider }, n) => n === 0 || (all[n - 1]?.provider ?? '') < provider),
      'expected providers in order',
    ),
  ),
})
export type Hello = v.InferOutput<typeof helloSchema>
export const helloCodec: Codec<Hello> = withOlder(
  jsonCodec('hello/v2', helloSchema),
  readAs(jsonCodec('hello/v1', v.strictObject(helloFields)), (old) => ({
    ...old,
    readySet: null,
    runtime: null,
    sdks: [],
  })),
)

const attemptFields = {
  ceremony: hash,
  /** One more than the most that any participant has signed. */
  number: whole(1, 100),
  /** In roster order. */
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
}
const attemptSchema = v.strictObject({
  ...attemptFields,
  /** The participant that proposes this attempt and passes its broadcasts on. */
  coordinator: siteId,
})
export type Attempt = v.InferOutput<typeof attemptSchema>
/** Each participant signs these bytes with its message key; their hash is the session id. In v1 the first coordinates. */
export const attemptCodec: Codec<Attempt> = withOlder(
  jsonCodec('attempt/v2', attemptSchema),
  readAs(jsonCodec('attempt/v1', v.strictObject(attemptFields)), (old) => ({
    ...old,
    coordinator: (old.participants[0] as (typeof old.participants)[number]).site,
  })),
)
