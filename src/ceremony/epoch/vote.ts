import type { Scheme } from '../../mpc/scheme.ts'
import { recordCodec } from '../../records/outcome.ts'
import type { Duties } from '../kinds/kind.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { keyOf } from './epoch-outcome.ts'
import { keepProofs, unproven } from './proofs.ts'
import { mayFollow, type StagedRecord, stagedRecord } from './staged-record.ts'
import { refuseSuspended } from './suspended.ts'

/**
 * The one vote that this site gives under this definition, for ever: from here there is no way back. Throws E_NOT_FINISHED
 * where it voted in another ceremony for what replaces the same record, and E_NOT_ALLOWED where it suspended the key.
 */
export const vote = async (ceremony: Ceremony, voted: StagedRecord, mayBind: () => void): Promise<void> => {
  const { site, seat, authority } = ceremony
  // A peer that shows this site's own forgotten vote ends the join; it is not given again.
  ceremony.options.signal.throwIfAborted()
  if (ceremony.store.ready.has(seat.name)) throw new Error('a second vote under one definition')
  const key = keyOf(authority.definition, voted.record.outcome)
  await site.shards.keepRecord(key, voted.outcome, voted.record)
  mayBind()
  refuseSuspended(site.ledger, key)
  const { base } = authority.definition
  await ceremony.publish('ready', { ceremony: authority.hash, site: seat.name, record: voted.hash, base })
}

/** The record that this site voted for before it stopped; undefined where it has not voted. */
export const votedBefore = (ceremony: Ceremony): StagedRecord | undefined => {
  const own = ceremony.store.ready.get(ceremony.seat.name)
  return own === undefined ? undefined : stagedRecord(ceremony, own.signed.value.record)
}

/**
 * The record that another site voted for, where this site staged its shard for it and holds all that the vote rests on.
 * Such a site checks the rest and votes too, and no attempt runs.
 */
export const votedElsewhere = (ceremony: Ceremony, protocols: Scheme): StagedRecord | undefined => {
  for (const record of ceremony.store.votedFor()) {
    const voted = stagedRecord(ceremony, record)
    if (voted === undefined || !mayFollow(ceremony, voted)) continue
    if (unproven(ceremony, protocols, voted).length === 0) return voted
  }
  return undefined
}

export const followVote = async (
  ceremony: Ceremony,
  protocols: Scheme,
  voted: StagedRecord,
  duties: Duties,
): Promise<void> => {
  ceremony.note('record', recordCodec.encode(voted.record))
  duties.judge()
  keepProofs(ceremony, protocols, voted)
  await vote(ceremony, voted, duties.mayBind)
}
