import type { Hash, Party } from '../../src/lib/brand.ts'
import type { ProtocolRules, Rounds } from '../../src/mpc/mailbox.ts'
import type { MemoryNetwork } from './memory-mailbox.ts'

/**
 * Every accusation that a stranger finds proven, as `2 opening`: each check against each party, by all broadcasts and
 * by what the party sent to each other one. `accusable` are the parties to try.
 */
export const provenIn = <R extends Rounds, C>(
  { checks, rounds, judge }: ProtocolRules<R, C>,
  network: MemoryNetwork,
  session: Hash,
  context: C,
  accusable: readonly Party[] = network.parties,
): readonly string[] => {
  const broadcasts = network.broadcasts(rounds)
  const privates = network.sent.filter(({ round }) => rounds[round]?.to === 'each')
  const proven = accusable.flatMap((accused) => {
    const own = privates.filter(({ from }) => from === accused)
    // One message a round and receiver; before the first of them there is one view for all.
    const views = own.length === 0 ? [[]] : network.parties.map((receiver) => own.filter(({ to }) => to === receiver))
    return views.flatMap((told) =>
      Object.keys(checks)
        .filter((check) => {
          const messages = [...broadcasts, ...told]
          return judge({ session, check, accused, messages, context }) === 'proven'
        })
        .map((check) => `${accused} ${check}`),
    )
  })
  return [...new Set(proven)]
}
