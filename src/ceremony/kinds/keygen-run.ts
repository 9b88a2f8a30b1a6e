import type { KeygenDefinition } from '../../records/kinds/keygen.ts'
import { EpochRun } from '../epoch/epoch-run.ts'
import { hedged } from '../hedge.ts'
import type { CeremonyKind } from './kind.ts'

/** A key is made anew: nothing has to be there before. */
export const prepareKeygen: CeremonyKind<KeygenDefinition>['prepare'] = async (_site, { threshold, sites }) => ({
  base: null,
  epoch: undefined,
  message: undefined,
  noteIn: () => undefined,
  begin: (ceremony, protocols, duties) =>
    new EpochRun(ceremony, protocols, duties, {
      rules: protocols.keygen,
      base: undefined,
      supersedes: [],
      make: (box, attempt) =>
        protocols.keygen.run(
          box,
          { threshold, parties: sites.length },
          { random: hedged(ceremony.site, attempt.hash, protocols.keygen.id) },
        ),
    }),
})
