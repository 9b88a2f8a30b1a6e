import type { Hash, Party, SiteId } from '../../lib/brand.ts'
import { toBase64 } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Scheme } from '../../mpc/scheme.ts'
import type { Codec } from '../../records/codec.ts'
import { outcomeCodec, recordCodec } from '../../records/outcome.ts'
import { type Blame, blameCodec, type Verdict } from '../../records/round.ts'
import type { Epoch } from '../epoch/epoch.ts'
import type { Peers } from '../peers/peers.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { HeldAttempt, RecordFault } from '../store/record-store.ts'
import { inWords } from './fault-texts.ts'
import { judgeBlame } from './judge.ts'
import { judgeContext } from './judge-context.ts'

/** The facts of this ceremony that claims are judged by, as this site holds them. */
export interface JudgeFacts {
  readonly ceremony: Ceremony
  readonly protocols: Scheme
  readonly epoch: Epoch | undefined
  /** The bytes that a sign ceremony signs. */
  readonly message: Uint8Array | undefined
}

/** The verdict on a claim by what this site holds now. `hash`: of the claim's bytes. */
export const verdictOn = (
  { ceremony, protocols, message }: JudgeFacts,
  blame: Blame,
  hash: Hash = hashOf(blameCodec.encode(blame)),
): Verdict => {
  const { verdicts } = ceremony.store
  if (verdicts.get(hash) === true) return 'proven'
  const attempt = ceremony.store.attempts.get(blame.attempt)
  const started = attempt !== undefined && attempt.signatures.size === attempt.value.participants.length
  const world = judgeContext({
    definition: ceremony.authority.definition,
    kind: ceremony.kind,
    attempt: started ? attempt.value : undefined,
    protocols,
    outcomes: named(ceremony, 'outcome', outcomeCodec),
    records: named(ceremony, 'record', recordCodec),
    message,
  })
  const verdict = judgeBlame(blame, world)
  // The verdict on a claim that is not kept would fill the store.
  if (verdict === 'proven') verdicts.set(hash, true)
  return verdict
}

export const isProven = (facts: JudgeFacts, blame: Blame, hash?: Hash): boolean =>
  verdictOn(facts, blame, hash) === 'proven'

/** A claim over words that a site signed outside of sessions. `rest`: what else its check is decided by. */
export const recordBlame = (
  { authority, store, seat }: Ceremony,
  { site, check, records }: RecordFault,
  rest: readonly Uint8Array[] = [],
  attempt?: HeldAttempt,
): Blame => {
  const certified = records.flatMap(({ key, envelope }) => {
    const certificate = store.certificate(site, key)?.envelope
    return certificate === undefined ? [] : [certificate, envelope]
  })
  const session = attempt?.hash ?? authority.hash
  const place = attempt?.value.participants.findIndex((one) => one.site === site)
  return {
    ceremony: authority.hash,
    attempt: session,
    session,
    protocol: `${authority.protocol}/${authority.kind}`,
    within: null,
    accused: site,
    party: (place === undefined || place < 0 ? Number(authority.member(site)?.index) : place + 1) as Party,
    accuser: seat.name,
    check,
    messages: [...certified, ...rest].map(toBase64),
  }
}

/** Bodies that this site's own log holds under a name, by hash. */
const named = <T>(ceremony: Ceremony, what: 'outcome' | 'record', codec: Codec<T>): ReadonlyMap<Hash, T> =>
  new Map(
    ceremony.events(what).flatMap(({ object }) => {
      const bytes = object === null ? undefined : ceremony.log.body(object)
      return object === null || bytes === undefined ? [] : [[object, codec.decode(bytes)] as const]
    }),
  )

/** Sites that proven blame names, of all that this site holds. */
export const guilty = (court: JudgeFacts): ReadonlySet<SiteId> =>
  new Set(
    [...court.ceremony.store.blames]
      .filter(([hash, { value }]) => isProven(court, value, hash))
      .map(([, { value }]) => value.accused),
  )

/** Keeps a proof, durable, and tells everybody. A claim that this site cannot prove is a fault of its own. */
export const publishProof = async (court: JudgeFacts, peers: Peers, blame: Blame): Promise<void> => {
  const { ceremony } = court
  const bytes = blameCodec.encode(blame)
  const hash = hashOf(bytes)
  if (!isProven(court, blame, hash))
    throw new Error(`a claim that does not hold: ${blame.check} against ${blame.accused}`)
  const known = ceremony.events('evidence').some((event) => event.object === hash)
  if (!known && !ceremony.closed) ceremony.note('evidence', bytes, blame.accused)
  ceremony.take('blame', bytes, ceremony.seat.name)
  if (!ceremony.closed) await ceremony.barrier()
  // A site that the accused kept out of the attempt, or never spoke to, can judge it all the same.
  const attempt = ceremony.store.attempts.get(blame.attempt)
  for (const { site, key } of attempt?.value.participants ?? []) {
    const certificate = ceremony.store.certificate(site, key)?.envelope
    if (certificate !== undefined) peers.broadcast({ is: 'object', name: 'certificate', bytes: certificate })
  }
  for (const signature of attempt?.signatures.values() ?? [])
    peers.broadcast({ is: 'object', name: 'attempt', bytes: signature })
  peers.broadcast({ is: 'object', name: 'blame', bytes })
}

/** Error for the operator when somebody was convicted. `bound`: why this site cannot leave any more, where it cannot. */
export const blameFault = (blame: Blame, bundle: string | undefined, bound: string | undefined): QuorateError => {
  const { code, what } = inWords(blame)
  const next =
    bound === undefined
      ? `nothing was made. Check ${blame.accused}’s build before you run again`
      : `${bound}, and others may have finished: run join again to ask them. Check ${blame.accused}’s build before you plan anew`
  const where = bundle === undefined ? '' : '; the proof that anyone can check is in {bundle}'
  return new QuorateError(code, `${blame.accused} ${what}`, `${next}${where}`, {
    accused: blame.accused,
    check: blame.check,
    blame: hashOf(blameCodec.encode(blame)),
    ...(bundle === undefined ? {} : { bundle }),
  })
}
