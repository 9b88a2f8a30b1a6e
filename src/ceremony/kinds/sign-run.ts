import type { Index } from '../../lib/brand.ts'
import { fromHex, toHex } from '../../lib/bytes.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Scheme } from '../../mpc/scheme.ts'
import type { SignDefinition } from '../../records/kinds/sign.ts'
import { outcomeCodec, recordCodec, type SignResult, signatureIn } from '../../records/outcome.ts'
import { refuseErrors } from '../definition/finding.ts'
import { keyBaseOf } from '../definition/key-base.ts'
import { lintAgainst } from '../definition/lint-key.ts'
import { messageBytes } from '../definition/message.ts'
import { type Epoch, newestEpoch, noteEpoch, openShare, whileUsable } from '../epoch/epoch.ts'
import { refuseHandedOver } from '../epoch/handed-over.ts'
import { hedged } from '../hedge.ts'
import type { Session } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { HeldAttempt } from '../store/record-store.ts'
import type { Held } from '../store/shelf.ts'
import type { CeremonyKind, FoundFault, KindRun } from './kind.ts'

/** True where a result is a signature over this definition's message under the epoch's key. */
const resultHolds = (protocols: Scheme, epoch: Epoch, message: Uint8Array, result: SignResult): boolean =>
  result.base === epoch.hash &&
  result.publicKey === epoch.outcome.publicKey &&
  result.message === hashOf(message) &&
  protocols.verifySignature(fromHex(epoch.outcome.publicKey), message, fromHex(result.signature))

/** A verified signature of an attempt that all had signed, as any site states it; undefined where nobody does. */
const statedResult = (
  ceremony: Ceremony,
  protocols: Scheme,
  epoch: Epoch,
  message: Uint8Array,
): SignResult | undefined =>
  [...ceremony.store.results.values()]
    .map(({ signed }) => signed.value)
    .find((result) => resultHolds(protocols, epoch, message, result))

/** A fault in a stated signature; undefined where it holds or cannot be judged. */
const falseResult = (
  { store }: Ceremony,
  protocols: Scheme,
  epoch: Epoch,
  message: Uint8Array,
  { site, signed, envelope }: Held<SignResult>,
): FoundFault | undefined => {
  const { value, key } = signed
  if (resultHolds(protocols, epoch, message, value)) return undefined
  const fault = { site, check: 'result', records: [{ key, envelope }] }
  const attempt = store.attempts.get(value.attempt)
  if (value.base !== epoch.hash) return attempt === undefined ? undefined : { fault, rest: [], attempt }
  return { fault, rest: [recordCodec.encode(epoch.record), outcomeCodec.encode(epoch.outcome)] }
}

/** Logs what others state of the signature that this site states too. */
const keepResults = (ceremony: Ceremony, own: SignResult): void => {
  for (const { site, signed, envelope } of ceremony.store.results.values()) {
    const known = ceremony.events('result').some((event) => event.object === hashOf(envelope))
    if (!known && site !== ceremony.seat.name && signatureIn(signed.value) === signatureIn(own))
      ceremony.note('result', envelope, site)
  }
}

/** Two rounds; resolves with the signature that this site aggregated and checked. The share is opened for this session alone. */
const runSign = async (
  ceremony: Ceremony,
  protocols: Scheme,
  session: Session,
  attempt: HeldAttempt,
  epoch: Epoch,
  message: Uint8Array,
): Promise<SignResult> => {
  const { seat, authority } = ceremony
  await refuseHandedOver(ceremony.site, epoch)
  const share = await openShare(ceremony, epoch)
  try {
    const indices = attempt.value.participants.map((one) => authority.member(one.site)?.index as Index)
    // A refresh may end, or an operator suspend the key, while the others' commitments are waited for.
    const box = whileUsable(session.mailbox(protocols.sign), ceremony.site, epoch)
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
      site: seat.name,
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

/**
 * States a verified signature: from here this definition is consumed, and no attempt of it runs again. Of a signature that
 * another site made, this site states no transcript: it did not hear all of it.
 */
const stateResult = async (ceremony: Ceremony, result: SignResult): Promise<void> => {
  const { name } = ceremony.seat
  await ceremony.publish('result', result.site === name ? result : { ...result, site: name, transcript: null })
}

/** Signs a message by a quorum of sites: two rounds, and a verified signature ends the definition. */
class SignRun implements KindRun {
  readonly #ceremony: Ceremony
  readonly #protocols: Scheme
  readonly #epoch: Epoch
  readonly #message: Uint8Array
  #reached: SignResult | undefined

  constructor(ceremony: Ceremony, protocols: Scheme, epoch: Epoch, message: Uint8Array) {
    this.#ceremony = ceremony
    this.#protocols = protocols
    this.#epoch = epoch
    this.#message = message
  }

  isSettled(): boolean {
    return this.#stated() !== undefined
  }

  #stated(): SignResult | undefined {
    return statedResult(this.#ceremony, this.#protocols, this.#epoch, this.#message)
  }

  async settle(): Promise<boolean> {
    this.#reached = this.#stated()
    return this.#reached !== undefined
  }

  async attempt(session: Session, attempt: HeldAttempt): Promise<void> {
    this.#reached = await runSign(this.#ceremony, this.#protocols, session, attempt, this.#epoch, this.#message)
  }

  async commit(): Promise<void> {
    const ceremony = this.#ceremony
    if (this.#reached === undefined) throw new Error('no signature was reached')
    const own = ceremony.store.results.get(ceremony.seat.name)
    if (own === undefined) await stateResult(ceremony, this.#reached)
    if (!ceremony.closed) keepResults(ceremony, own?.signed.value ?? this.#reached)
  }

  outputs(): ReadonlyMap<string, Uint8Array> {
    const { store, seat } = this.#ceremony
    return new Map([
      ['message', this.#message],
      ['signature', fromHex(store.results.get(seat.name)?.signed.value.signature ?? '')],
    ])
  }

  faults(): readonly FoundFault[] {
    return [...this.#ceremony.store.results.values()].flatMap(
      (held) => falseResult(this.#ceremony, this.#protocols, this.#epoch, this.#message, held) ?? [],
    )
  }
}

export const prepareSign: CeremonyKind<SignDefinition>['prepare'] = async (site, definition, given) => {
  const message = messageBytes(definition.message, given ?? undefined)
  const epoch = await newestEpoch(site, definition.key)
  refuseErrors(lintAgainst(definition, await keyBaseOf(site, epoch)))
  await refuseHandedOver(site, epoch)
  return {
    base: epoch.hash,
    epoch,
    message,
    noteIn: (ceremony) => noteEpoch(ceremony, epoch),
    begin: (ceremony, protocols) => new SignRun(ceremony, protocols, epoch, message),
  }
}
