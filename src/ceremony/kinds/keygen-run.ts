import type { Scheme } from '../../mpc/scheme.ts'
import type { KeygenDefinition } from '../../records/kinds/keygen.ts'
import { type EpochChange, EpochRun } from '../epoch/epoch-run.ts'
import { hedged } from '../hedge.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { CeremonyKind } from './kind.ts'

/** The first epoch of a key that all sites of the ceremony make. */
export const freshKey = ({ site, authority }: Ceremony, { keygen }: Scheme): EpochChange => ({
  rules: keygen,
  base: undefined,
  supersedes: [],
  make: (box, attempt) =>
    keygen.run(
      box,
      { threshold: authority.threshold, parties: authority.receivers.length },
      { random: hedged(site, attempt.hash, keygen.id) },
    ),
})

/** A key is made anew: nothing has to be there before. */
export const prepareKeygen: CeremonyKind<KeygenDefinition>['prepare'] = async () => ({
  base: null,
  epoch: undefined,
  message: undefined,
  noteIn: () => undefined,
  begin: (ceremony, protocols, duties) => new EpochRun(ceremony, protocols, duties, freshKey(ceremony, protocols)),
})
