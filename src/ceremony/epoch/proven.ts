import type { SiteId } from '../../lib/brand.ts'
import type { Scheme } from '../../mpc/scheme.ts'
import { outcomeCodec, recordCodec } from '../../records/outcome.ts'
import { recordBlame } from '../blame/claims.ts'
import { BlameError } from '../session/endings.ts'
import type { Session } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { awaitAll } from './await-all.ts'
import { falseProof, unproven } from './proofs.ts'
import type { StagedRecord } from './staged-record.ts'

/** Waits until every site's proof, and a test signature of each signer set, is here and holds. */
export const everyProven = async (
  ceremony: Ceremony,
  session: Session,
  protocols: Scheme,
  voted: StagedRecord,
): Promise<void> => {
  const { store, options, authority } = ceremony
  const total = authority.receivers.length
  const proven = () => {
    const fault = falseProof(ceremony, protocols, voted)
    if (fault !== undefined)
      throw new BlameError(
        recordBlame(ceremony, fault, [recordCodec.encode(voted.record), outcomeCodec.encode(voted.outcome)]),
      )
    const count = store.possessions.get(voted.hash)?.size ?? 0
    if (count < total) {
      const waiting = authority.receivers.filter(
        (member) => store.possessions.get(voted.hash)?.has(member.name) !== true,
      )
      options.progress({
        phase: 'step',
        step: 'proven',
        got: count,
        total,
        waiting: waiting.map((member) => member.name),
      })
      return undefined
    }
    return unproven(ceremony, protocols, voted).length === 0 ? true : undefined
  }
  await awaitAll(ceremony, session, 'proofs', proven, () => lacking(ceremony, protocols, voted))
  options.progress({ phase: 'step', step: 'proven', got: total, total, waiting: [] })
}

/** Sites whose proofs are not here; where only a test signature is missing, those who told of none. */
const lacking = (ceremony: Ceremony, protocols: Scheme, voted: StagedRecord): readonly SiteId[] => {
  const { store, authority, seat } = ceremony
  const missing = unproven(ceremony, protocols, voted)
  const told = new Set([...(store.testSignatures.get(voted.hash)?.values() ?? [])].map(({ site }) => site))
  const others = authority.receivers.map((member) => member.name).filter((name) => name !== seat.name)
  const named = others.filter((name) => missing.includes(name))
  const mute = others.filter((name) => !told.has(name))
  return named.length > 0 ? named : mute.length > 0 ? mute : others
}
