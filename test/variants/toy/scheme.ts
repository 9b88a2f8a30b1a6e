import { provePossession, verifyPossession } from '../frost/possession.ts'
import { frostRefresh } from '../frost/refresh.ts'
import { frostRepair } from '../frost/repair.ts'
import { frostReshare } from '../frost/reshare.ts'
import { loadSuite } from '../frost/suite.ts'
import { verifySignature } from '../frost/verify.ts'
import { isShareOf, wholeKey } from '../frost/whole-key.ts'
import type { Scheme } from '../scheme.ts'
import { toyFacts } from './facts.ts'
import { toyKeygen } from './keygen.ts'
import { toySign } from './sign.ts'

const ID = 'frost-ed25519'

export const toyScheme = async (): Promise<Scheme> => {
  await loadSuite(ID)
  return {
    id: 'toy-ed25519',
    keygen: toyKeygen(),
    refresh: { ...frostRefresh(ID), ...toyFacts.refresh },
    reshare: { ...frostReshare(ID), ...toyFacts.reshare },
    repair: { ...frostRepair(ID), ...toyFacts.repair },
    sign: toySign(),
    past: { keygen: [] },
    verifySignature: (...rest) => verifySignature(ID, ...rest),
    provePossession: (...rest) => provePossession(ID, ...rest),
    verifyPossession: (...rest) => verifyPossession(ID, ...rest),
    isShareOf: (...rest) => isShareOf(ID, ...rest),
    wholeKey: (...rest) => wholeKey(ID, ...rest),
    shownKey: (publicKey) => publicKey,
  }
}
