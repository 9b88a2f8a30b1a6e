import type { Index, Party } from '../../lib/brand.ts'
import { DecodeError } from '../../records/codec.ts'
import { oneMessage } from '../evidence.ts'
import type { Claim, Round } from '../mailbox.ts'
import type { KeygenContext, KeyRules } from '../scheme.ts'
import { type Dealt, dealtCodec, openDealt, shareCodec, shareFits } from './dealing.ts'
import { type DealingCheck, frostFacts } from './facts.ts'
import { sumCommitments } from './polynomial.ts'
import { type SuiteId, suiteOf } from './suite.ts'
import { publicFrom } from './total.ts'

type KeygenV1Rounds = {
  readonly commitments: Round<Dealt, 'all'>
  readonly shares: Round<Uint8Array, 'each'>
}

/**
 * The key generation of version 0.1, for its bundles alone: dealings were shown in the first round, so who dealt last could
 * choose by the others. Nothing runs it.
 */
export const frostKeygenV1 = (id: SuiteId): KeyRules<KeygenV1Rounds, KeygenContext> => {
  const suite = suiteOf(id)
  const rounds: KeygenV1Rounds = {
    commitments: { codec: dealtCodec(suite), to: 'all', echo: 'round' },
    shares: { codec: shareCodec(suite), to: 'each', echo: 'none' },
  }

  const openedIn = (claim: Pick<Claim<KeygenContext>, 'messages' | 'context' | 'session'>, dealer: Party) => {
    const dealt = oneMessage(claim, 'commitments', dealer, rounds.commitments.codec)
    return dealt && openDealt(suiteOf(id), claim.context, claim.session, dealer, dealt.value)
  }

  const firstFailure = (claim: Claim<KeygenContext>): DealingCheck | undefined => {
    const opened = openedIn(claim, claim.accused)
    if (opened === undefined || typeof opened === 'string') return opened
    const share = oneMessage(claim, 'shares', claim.accused, rounds.shares.codec)
    if (share === undefined) return undefined
    const value = suiteOf(id).group.field.decode(share.value)
    if (value === undefined) return 'share-scalar'
    return shareFits(suiteOf(id), opened, share.to as Index, value) ? undefined : 'share-commitment'
  }

  return {
    ...frostFacts(id).keygenV1,
    rounds,

    judge(claim) {
      return firstFailure(claim) === claim.check ? 'proven' : 'refuted'
    },

    derive(context, session, messages) {
      const { group } = suiteOf(id)
      const commitments = Array.from({ length: context.parties }, (_, at) => {
        const opened = openedIn({ messages, context, session }, (at + 1) as Party)
        if (opened === undefined) throw new DecodeError(`party ${at + 1}: its dealing is not here`)
        if (typeof opened === 'string') throw new DecodeError(`party ${at + 1}: ${opened}`)
        return opened
      })
      const made = publicFrom(suiteOf(id), sumCommitments(group, commitments), context.parties)
      if (typeof made === 'string') throw new DecodeError(`all parties together: ${made}`)
      return made
    },
  }
}
