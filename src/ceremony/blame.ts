import type { Hash, SiteId } from '../lib/brand.ts'
import { type ErrorCode, QuorateError } from '../lib/errors.ts'
import { hashOf } from '../lib/hash.ts'
import type { Protocols } from '../mpc/registry.ts'
import type { Codec } from '../records/codec.ts'
import { outcomeCodec, recordCodec } from '../records/outcome.ts'
import { type Blame, blameCodec } from '../records/round.ts'
import type { Ceremony } from './ceremony.ts'
import { judgeBlame } from './judge.ts'
import { judgeWorld } from './judge-world.ts'
import type { Room } from './room.ts'
import type { Epoch } from './sign.ts'

/** The facts of this ceremony that claims are judged by, as this site holds them. */
export interface Court {
  readonly ceremony: Ceremony
  readonly protocols: Protocols
  readonly epoch: Epoch | undefined
  /** What a sign ceremony signs. */
  readonly message: Uint8Array | undefined
}

export const isProven = ({ ceremony, protocols, message }: Court, blame: Blame): boolean => {
  const attempt = ceremony.book.attempts.get(blame.attempt)
  const started = attempt !== undefined && attempt.signatures.size === attempt.value.participants.length
  const world = judgeWorld({
    definition: ceremony.authority.definition,
    attempt: started ? attempt.value : undefined,
    protocols,
    outcomes: named(ceremony, 'outcome', outcomeCodec),
    records: named(ceremony, 'record', recordCodec),
    message,
  })
  return judgeBlame(blame, world) === 'proven'
}

/** What this site's own log holds under a name, by hash. */
const named = <T>(ceremony: Ceremony, what: 'outcome' | 'record', codec: Codec<T>): ReadonlyMap<Hash, T> =>
  new Map(
    ceremony.events(what).flatMap(({ object }) => {
      const bytes = object === null ? undefined : ceremony.log.body(object)
      return object === null || bytes === undefined ? [] : [[object, codec.decode(bytes)] as const]
    }),
  )

/** Sites that proven blame names, of all that this site holds. */
export const guilty = (court: Court): ReadonlySet<SiteId> =>
  new Set(
    [...court.ceremony.book.blames.values()]
      .filter(({ value }) => isProven(court, value))
      .map(({ value }) => value.accused),
  )

/** Keeps a proof, durable, and tells everybody. A claim that this site cannot prove is a fault of its own. */
export const convict = async (court: Court, room: Room, blame: Blame): Promise<void> => {
  const { ceremony } = court
  if (!isProven(court, blame)) throw new Error(`a claim that does not hold: ${blame.check} against ${blame.accused}`)
  const bytes = blameCodec.encode(blame)
  const known = ceremony.events('evidence').some((event) => event.object === hashOf(bytes))
  if (!known) ceremony.note('evidence', bytes, blame.accused)
  ceremony.take('blame', bytes, ceremony.seat.name)
  await ceremony.barrier()
  room.tellAll({ is: 'object', name: 'blame', bytes })
}

const words: Readonly<Record<string, { readonly code: ErrorCode; readonly what: string }>> = {
  malformed: { code: 'E_PEER_MALFORMED', what: 'signed a message that does not decode or is over its limit' },
  equivocation: { code: 'E_PEER_EQUIVOCATED', what: 'signed two different messages for one place in the protocol' },
  echo: { code: 'E_PEER_ECHO', what: 'reported a message that its sender did not sign' },
  confirm: { code: 'E_PEER_ECHO', what: 'confirmed messages that were not sent' },
  'proof-of-knowledge': { code: 'E_PEER_PROOF_INVALID', what: 'sent a proof of knowledge that does not hold' },
  'session-proof': { code: 'E_PEER_PROOF_INVALID', what: 'sent a proof that does not belong to this session' },
  'share-commitment': { code: 'E_PEER_SHARE_INVALID', what: 'sent a share that does not match its commitment' },
  'share-scalar': { code: 'E_PEER_SHARE_INVALID', what: 'sent a share that is no scalar' },
  'signature-share': {
    code: 'E_PEER_SHARE_INVALID',
    what: 'sent a signature share that does not match its commitment',
  },
}

/** What the operator reads when somebody was convicted. */
export const blameFault = (blame: Blame, bundle: string | undefined): QuorateError => {
  const { code, what } = words[blame.check] ?? {
    code: 'E_PEER_SHARE_INVALID' as const,
    what: `failed the check ${blame.check}`,
  }
  const where = bundle === undefined ? '' : `; the proof that anyone can check is in ${bundle}`
  return new QuorateError(
    code,
    `${blame.accused} ${what}`,
    `nothing was made. Check ${blame.accused}’s build before you run again${where}`,
    {
      accused: blame.accused,
      check: blame.check,
      blame: hashOf(blameCodec.encode(blame)),
      ...(bundle === undefined ? {} : { bundle }),
    },
  )
}
