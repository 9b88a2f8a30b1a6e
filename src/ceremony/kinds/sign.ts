import type { Hash, Index } from '../../lib/brand.ts'
import { equal, fromHex, toHex } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Protocols } from '../../mpc/registry.ts'
import {
  type EpochRecord,
  type Outcome,
  outcomeCodec,
  recordCodec,
  resultCodec,
  type SignResult,
} from '../../records/outcome.ts'
import { hedged } from '../hedge.ts'
import type { Site } from '../ports.ts'
import type { Session } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { Held, HeldAttempt, RecordFault } from '../store/record-store.ts'

/** The epoch that signs: what made it, its record, and the envelope of this site's share. */
export interface Epoch {
  readonly key: Hash
  readonly outcome: Outcome
  readonly record: EpochRecord
  readonly hash: Hash
  readonly envelope: Hash
}

/** The newest epoch of a key whose ready set this site can show. Throws E_NOT_FOUND. */
export const newestEpoch = async (site: Site, key: Hash): Promise<Epoch> => {
  const epochs = (await site.shards.list()).filter((one) => one.key === key && one.state === 'installed')
  const newest = epochs.at(-1)
  if (newest?.record === undefined || newest.made === undefined)
    throw new QuorateError(
      'E_NOT_FOUND',
      'this site holds no usable share of the key that the definition names',
      'look at `quorate keys list`; this site may have to finish the keygen first (keygen join)',
    )
  return {
    key,
    outcome: newest.made,
    record: newest.record,
    hash: hashOf(recordCodec.encode(newest.record)),
    envelope: newest.envelope,
  }
}

/** Whether a result is a signature over this definition's message under the epoch's key. */
export const resultHolds = (protocols: Protocols, epoch: Epoch, message: Uint8Array, result: SignResult): boolean =>
  result.base === epoch.hash &&
  result.publicKey === epoch.outcome.publicKey &&
  result.message === hashOf(message) &&
  protocols.verifySignature(fromHex(epoch.outcome.publicKey), message, fromHex(result.signature))

/** A verified signature that a signer of a whole attempt states; undefined where nobody does. */
export const statedResult = (
  ceremony: Ceremony,
  protocols: Protocols,
  epoch: Epoch,
  message: Uint8Array,
): SignResult | undefined =>
  [...ceremony.store.results.values()]
    .filter(({ site, signed }) => {
      const attempt = ceremony.store.attempts.get(signed.value.attempt)
      return attempt?.signatures.has(site) === true && attempt.signatures.size === attempt.value.participants.length
    })
    .map(({ signed }) => signed.value)
    .find((result) => resultHolds(protocols, epoch, message, result))

/** What is false about a stated signature, with what a stranger needs to see it; undefined where it holds or cannot be judged. */
export const falseResult = (
  { store }: Ceremony,
  protocols: Protocols,
  epoch: Epoch,
  message: Uint8Array,
  { site, signed, envelope }: Held<SignResult>,
):
  | { readonly fault: RecordFault; readonly rest: readonly Uint8Array[]; readonly attempt: HeldAttempt | undefined }
  | undefined => {
  const { value, key } = signed
  if (resultHolds(protocols, epoch, message, value)) return undefined
  const fault = { site, check: 'result', records: [{ key, envelope }] }
  const attempt = store.attempts.get(value.attempt)
  if (value.base !== epoch.hash) return attempt === undefined ? undefined : { fault, rest: [], attempt }
  return { fault, rest: [recordCodec.encode(epoch.record), outcomeCodec.encode(epoch.outcome)], attempt: undefined }
}

/** Logs what others state of the signature that this site states too. */
export const keepResults = (ceremony: Ceremony, own: SignResult): void => {
  const bytes = resultCodec.encode(own)
  for (const { site, signed, envelope } of ceremony.store.results.values()) {
    const known = ceremony.events('result').some((event) => event.object === hashOf(envelope))
    if (!known && site !== ceremony.seat.name && equal(signed.bytes, bytes)) ceremony.note('result', envelope, site)
  }
}

/** Two rounds; resolves with the signature that this site aggregated and checked. The share is opened for this session alone. */
export const runSign = async (
  ceremony: Ceremony,
  protocols: Protocols,
  session: Session,
  attempt: HeldAttempt,
  epoch: Epoch,
  message: Uint8Array,
): Promise<SignResult> => {
  const { site, seat, authority } = ceremony
  const keys = await Promise.all(seat.entry.kms.map((slot) => site.kms(slot)))
  const share = await site.shards.reopen(
    epoch.key,
    epoch.record.outcome,
    epoch.record.envelopes[seat.index - 1] as Hash,
    keys,
  )
  try {
    const indices = attempt.value.participants.map((one) => authority.member(one.site)?.index as Index)
    const box = session.mailbox(protocols.sign.id, protocols.sign.rounds)
    const context = {
      threshold: epoch.outcome.threshold,
      publicKey: fromHex(epoch.outcome.publicKey),
      indices,
      verifyingShares: epoch.outcome.verifyingShares.map(fromHex),
      message,
    }
    const { signature } = await protocols.sign.run(
      box,
      { ...context, share },
      { random: hedged(ceremony.site, attempt.hash, protocols.sign.id, share, message) },
    )
    return {
      ceremony: authority.hash,
      attempt: attempt.hash,
      transcript: session.transcript(),
      base: epoch.hash,
      publicKey: epoch.outcome.publicKey,
      message: hashOf(message),
      signature: toHex(signature),
    }
  } finally {
    share.wipe()
  }
}

/** States a verified signature: from here this definition is consumed, and no attempt of it runs again. */
export const stateResult = async (ceremony: Ceremony, result: SignResult): Promise<void> => {
  const object = hashOf(resultCodec.encode(result))
  await ceremony.publish('result', resultCodec, result, { what: 'result', object })
}

/** What an auditor needs to read this log alone: the outcome and record of the epoch that signs. */
export const noteEpoch = (ceremony: Ceremony, epoch: Epoch): void => {
  ceremony.note('outcome', outcomeCodec.encode(epoch.outcome))
  ceremony.note('record', recordCodec.encode(epoch.record))
}
